"""What Asterisk makes of the bytes of an action, written down from its sources and from nothing of ours.

* main/manager.c, get_input: a line ends with LF, a CR before it is dropped; do_message: an empty line ends
  the action; a header is a C string, so that a NUL ends it early.
* __astman_get_header: the first header of a name in any case, directly followed by a colon; blanks before the
  value are skipped.
* man_do_variable_value and main/app.c, __ast_app_separate_args: what a Variable header sets.
"""

from __future__ import annotations

from dataclasses import dataclass

LINE_BUFFER = 1024
MAX_HEADERS = 128
BLANKS = b" \t\n\x0b\x0c\r"


@dataclass(frozen=True)
class Request:
    """One action as the manager interface reads it: its lines, without their ends."""

    lines: tuple[bytes, ...]

    def header(self, name: bytes) -> bytes:
        """What the code of an action gets for a header; empty where there is none."""
        for line in self.lines:
            if line[: len(name)].lower() == name.lower() and line[len(name) : len(name) + 1] == b":":
                return line[len(name) + 1 :].lstrip(BLANKS)
        return b""

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Names and values, in order."""
        found = []
        for line in self.lines:
            name, colon, value = line.partition(b":")
            assert colon, line
            found.append((name, value.lstrip(BLANKS)))
        return found

    def variables(self) -> list[tuple[bytes, bytes]]:
        """Names and values that all Variable headers set, in order."""
        prefix = b"variable:"
        values = [line[len(prefix) :] for line in self.lines if line[: len(prefix)].lower() == prefix]
        return [pair for value in values for pair in variables_of(value)]


def requests(data: bytes) -> list[Request]:
    """The actions in a stream of bytes; what follows the last empty line is no action yet."""
    found: list[Request] = []
    lines: list[bytes] = []
    while data:
        line, end, data = data.partition(b"\n")
        assert end, "bytes that no line end follows"
        # With its end it must fit into the buffer of a session.
        assert len(line) + 1 <= LINE_BUFFER, "line too long"
        line = line.removesuffix(b"\r").partition(b"\0")[0]
        if line:
            lines.append(line)
        elif lines:
            assert len(lines) <= MAX_HEADERS, "too many lines in message"
            found.append(Request(tuple(lines)))
            lines = []
        else:
            found.append(Request(()))
    assert not lines, "an action that no empty line ends"
    return found


def separate(text: bytes, delimiter: bytes = b",", most: int = 64) -> list[bytes]:
    """Arguments as applications get them: quotes and backslashes are taken away where they stand."""
    buffer = bytearray(text)
    arguments: list[bytes] = []
    scan, start = 0, 0
    parentheses = brackets = 0
    in_quotes = delimiter_was_last = False
    while scan < len(buffer) and len(arguments) < most - 1:
        start, delimiter_was_last = scan, False
        while scan < len(buffer):
            sign = buffer[scan : scan + 1]
            if sign == b"(":
                parentheses += 1
            elif sign == b")":
                parentheses -= parentheses > 0
            elif sign == b"[":
                brackets += 1
            elif sign == b"]":
                brackets -= brackets > 0
            elif sign == b'"':
                in_quotes = not in_quotes
                del buffer[scan]
                continue
            elif sign == b"\\":
                # The backslash goes, and what follows it is passed over without a look.
                del buffer[scan]
                if scan >= len(buffer):
                    break
            elif sign == delimiter and not (parentheses or brackets or in_quotes):
                delimiter_was_last = True
                break
            scan += 1
        arguments.append(bytes(buffer[start:scan]))
        scan += delimiter_was_last
    if scan < len(buffer) or delimiter_was_last:
        arguments.append(bytes(buffer[scan:]))
    return arguments


def variables_of(header_value: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values that one Variable header sets."""
    found = []
    for argument in separate(header_value.lstrip(BLANKS)):
        name, sign, value = argument.partition(b"=")
        if sign and name:
            found.append((name, value))
    return found
