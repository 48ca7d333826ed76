"""Reads the header lines of a packet: `parse_packet`, and the way back, `packet_text`.

Strategy. A PBX sends few shapes of packets (a shape is the sequence of header names of one event). A
packet's shape is looked up by its first line, and the pattern learned for it takes out all values in one
go. A packet that fits no learned shape is read line by line, and its shape is learned when it comes twice
in a row. Both ways give the same answer. A header that was seen repeated may come any number of times in
its shape, and so may the `ChanVariable(SIP/202-0000019c)` headers at the end of old servers' events.

Invariants
* `packet_text` gives the decoded text back, character for character, for every packet.
* `fields` holds the headers in order; a repeated header becomes a list at its first place.
* Nothing raises, whatever the bytes. At most `MAX_LINES` first lines with `MAX_SHAPES` shapes each are
  learned, so that invented headers can neither fill the memory nor keep the pattern compiler busy.

Header lines: Asterisk writes `Name: value`, and `Name:` with no space where a value is empty. A bare LF
belongs to the value it stands in. A line that is not a header (no colon, nothing before it, or a line end
in its name) is in no field: it stands in `text` alone.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_LINES: Final = 512
MAX_LINE_BYTES: Final = 128
MAX_SHAPES: Final = 4
MAX_SHAPE_HEADERS: Final = 80
MAX_SHAPE_CHARS: Final = 4096
UTF_8: Final = "utf-8"

_END_MARK: Final = "--END COMMAND--\r\n"
_FOLLOWS = re.compile(r"(?i:response: ?follows)\r\n(?:Privilege: [^\r\n]*\r\n)?(?:ActionID: [^\r\n]*\r\n)?")
_PARENTHESES = re.compile(r"\(.*\)$", re.DOTALL)
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


@dataclass(slots=True)
class ParsedPacket:
    """A packet's headers as text.

    `name` is the value of its `Event` or `Response` header. `fields` holds all headers in order, that one
    and `Privilege` included; a repeated one is a list. `text` is the packet's whole text, set only where
    joining `fields` as `Name: value` lines with CRLF (a list expanded in place) does not give it.
    `undecodable`: some bytes fitted no encoding and stand as lone surrogates (PEP 383).
    """

    name: str
    fields: dict[str, str | list[str]]
    text: str = ""
    undecodable: bool = False


class _Shape(NamedTuple):
    """A sequence of header names. Those of `runs` come any number of times, the others once.

    `title` is the header that says what the packet is. `runs`: a name, and what stands between two of its
    values. `trailing`: the last name, where it is `Name(`.
    """

    match: Callable[[str], re.Match[str] | None]
    fields_of: Callable[[re.Match[str]], dict[str, str | list[str]]]
    title: str
    runs: tuple[tuple[str, str], ...]
    trailing: str


@dataclass(slots=True)
class _Shapes:
    """The learned shapes by first line, newest first, and the sequences of names seen last, by first line.

    At `MAX_LINES` first lines nothing more is learned, and the sequences seen last are forgotten.
    """

    learned: dict[bytes, tuple[_Shape, ...]] = field(default_factory=dict)
    seen: dict[bytes, tuple[str, ...]] = field(default_factory=dict)

    def see(self, line: bytes, parsed: ParsedPacket) -> None:
        """Learn a packet's shape if the last packet with this first line had it too."""
        shapes = self.learned.get(line, ())
        if len(shapes) >= MAX_SHAPES or len(self.learned) >= MAX_LINES:
            return
        if parsed.text or parsed.undecodable or len(line) > MAX_LINE_BYTES:
            return
        if len(parsed.fields) > MAX_SHAPE_HEADERS or sum(map(len, parsed.fields)) > MAX_SHAPE_CHARS:
            return
        names = tuple(dict.fromkeys([_PARENTHESES.sub("(", name) for name in parsed.fields]))
        title = next((name for name in names if _says_what(name)), "")
        if not title or any(name[-1] == "(" for name in names[:-1]):
            return
        if self.seen.get(line) == names:
            repeated = {name for name, value in parsed.fields.items() if isinstance(value, list)}
            if title in repeated:
                return
            self.learned[line] = (_shape_of(names, title, repeated), *shapes)
        if len(self.seen) >= MAX_LINES:
            self.seen.clear()
        self.seen[line] = names


_shapes = _Shapes()


def parse_packet(raw: bytes, encoding: str = UTF_8) -> ParsedPacket:
    """Read a packet's headers. `encoding` (any that holds ASCII) is what is not UTF-8."""
    line = raw[: raw.find(b"\r\n")]
    if shapes := _shapes.learned.get(line):
        text = ""
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            shapes = ()
        for match, fields_of, title, runs, trailing in shapes:
            if found := match(text):
                fields = fields_of(found)
                for name, between in runs:
                    if block := fields[name]:
                        several = block[len(between) - 2 : -2].split(between)  # type: ignore[union-attr]
                        fields[name] = several if len(several) > 1 else several[0]
                    else:
                        del fields[name]
                if trailing and not _take_trailing(fields, trailing):
                    break
                return ParsedPacket(fields[title], fields)  # type: ignore[arg-type]
    parsed = read_lines(raw, encoding)
    _shapes.see(line, parsed)
    return parsed


def forget_shapes() -> None:
    """Forget all learned shapes, as at the start of the process."""
    _shapes.learned.clear()
    _shapes.seen.clear()


def shapes_held() -> tuple[int, int]:
    """How many shapes are learned, and how many first lines are remembered as candidates."""
    return sum(map(len, _shapes.learned.values())), len(_shapes.seen)


def packet_text(parsed: ParsedPacket) -> str:
    """The packet's text as Asterisk sent it: `Name: value` lines, each with CRLF."""
    return parsed.text or _joined(parsed.fields)


def command_output(parsed: ParsedPacket) -> list[str]:
    """The lines of a command's output, old style (`Response: Follows`) or new (`Output` headers)."""
    if follows := _FOLLOWS.match(parsed.text):
        lines = parsed.text[follows.end() :].removesuffix(_END_MARK).split("\n")
        if not lines[-1]:
            lines.pop()
        return [line.removesuffix("\r") for line in lines]
    output = parsed.fields.get("Output", [])
    return [output] if isinstance(output, str) else list(output)


def decode_packet(raw: bytes, encoding: str = UTF_8) -> tuple[str, bool]:
    """The packet's text, and whether a byte was kept by surrogateescape.

    What is UTF-8 as a whole is read so. Else each line is judged alone: Asterisk mixes encodings within one
    packet and cuts values by bytes, inside a character. A line that is UTF-8 but for a character cut at its
    end is read as UTF-8, unless that cut character is all that is not ASCII in it and another encoding is
    configured: then a last letter in that encoding is the likelier reading.
    """
    try:
        return raw.decode(), False
    except UnicodeDecodeError:
        text = "\n".join([_decode_line(line, encoding) for line in raw.split(b"\n")])
    return text, _ESCAPED_BYTE.search(text) is not None


def _decode_line(line: bytes, encoding: str) -> str:
    body = line.removesuffix(b"\r")
    end = "\r" if len(body) < len(line) else ""
    try:
        text, used = codecs.utf_8_decode(body, "strict", False)  # not final: a cut character is left unused
    except UnicodeDecodeError:
        return body.decode(encoding, "surrogateescape") + end
    if used < len(body) and encoding != UTF_8 and text.isascii():
        return body.decode(encoding, "surrogateescape") + end
    return text + body[used:].decode(UTF_8, "surrogateescape") + end


def read_lines(raw: bytes, encoding: str = UTF_8) -> ParsedPacket:
    """What `parse_packet` does, line by line: for packets of no learned shape."""
    text, undecodable = decode_packet(raw, encoding)
    # Of old command output only its own headers are fields: what follows them is free text.
    follows = _FOLLOWS.match(text)
    fields: dict[str, str | list[str]] = {}
    for line in (follows.group() if follows else text).split("\r\n")[:-1]:
        name, colon, value = line.partition(":")
        if not colon or not name or "\n" in name or "\r" in name:
            continue
        value = value.removeprefix(" ")
        before = fields.get(name)
        if before is None:
            fields[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            fields[name] = [before, value]
    exact = _joined(fields) == text
    return ParsedPacket(_name_of(fields), fields, "" if exact else text, undecodable)


def _name_of(fields: dict[str, str | list[str]]) -> str:
    """The value of the header that says what the packet is; vendors differ in the case of its name."""
    for name, value in fields.items():
        if _says_what(name):
            return value if isinstance(value, str) else value[0]
    return ""


def _says_what(name: str) -> bool:
    return name in ("Event", "Response") or name.lower() in ("event", "response")


def _joined(fields: dict[str, str | list[str]]) -> str:
    lines = []
    for name, value in fields.items():
        if isinstance(value, str):
            lines.append(f"{name}: {value}\r\n")
        else:
            lines += [f"{name}: {one}\r\n" for one in value]
    return "".join(lines)


def _take_trailing(fields: dict[str, str | list[str]], trailing: str) -> bool:
    """Put the headers of the last value, a block of `Name(...)` lines, into `fields` one by one.

    False where equal names do not stand together: then the fields alone would not give the text back.
    """
    block = fields.pop(trailing)
    assert isinstance(block, str)
    last = ""
    for line in block.split("\r\n")[:-1]:
        name, _, value = line.partition(": ")
        if name == last:
            before = fields[name]
            fields[name] = [*before, value] if isinstance(before, list) else [before, value]
        elif name in fields:
            return False
        else:
            fields[name] = value
            last = name
    return True


def _shape_of(names: tuple[str, ...], title: str, repeated: set[str]) -> _Shape:
    # A value runs to its CRLF: it may hold a bare LF. One with a bare CR does not fit, and is read by lines.
    value = "[^\r]*+\r\n"
    # Named groups make the whole dict in one call at half the price, where the names allow it.
    named = all(name.isidentifier() for name in names)
    parts, runs, trailing = [], [], ""
    for name in names:
        group = f"(?P<{name}>" if named else "("
        if name[-1] == "(":
            trailing = name
            parts.append(f"{group}(?:{re.escape(name)}[^\r\n:]*\\): {value})*+)")
        elif name in repeated:
            runs.append((name, f"\r\n{name}: "))
            parts.append(f"{group}(?:{re.escape(name)}: {value})*+)")
        else:
            parts.append(f"{re.escape(name)}: {group}[^\r]*+)\r\n")
    match = re.compile("".join(parts)).fullmatch

    def zipped(found: re.Match[str]) -> dict[str, str | list[str]]:
        return dict(zip(names, found.groups(), strict=True))

    return _Shape(match, re.Match.groupdict if named else zipped, title, tuple(runs), trailing)
