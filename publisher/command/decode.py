"""`amibus decode`: a recorded AMI session as JSON lines, one a packet."""

from __future__ import annotations

import codecs
import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Any, Final, cast

import typer

from publisher.ami.fields import command_output, decode_packet, packet_text, parse_packet
from publisher.ami.framing import BANNER, EVENT, MALFORMED, RESPONSE, Packet, PacketReader, is_suspect
from publisher.command.output import json_line, print_lines
from publisher.errors import PublisherError
from publisher.extensions import ExtensionReader
from schemas.routing import routing_keys

_DEFAULT_CHUNK: Final = 64 * 1024
_LINES_A_WRITE: Final = 512
_GZIP: Final = b"\x1f\x8b"


class PacketPrinter:
    """Packets as JSON objects: what they say, whom they concern and under which keys they would go out."""

    def __init__(self, pbx: str, encoding: str, trunks: list[str]) -> None:
        self._pbx = pbx
        self._encoding = encoding
        self._extensions = ExtensionReader(trunks).extensions

    def object_of(self, packet: Packet) -> dict[str, Any]:
        """`kind` first. `text` stands where the fields do not give the packet's text back."""
        if packet.kind == EVENT:
            return self._event(packet)
        if packet.kind == RESPONSE:
            return self._response(packet)
        text, _ = decode_packet(packet.raw, self._encoding)
        if packet.kind == BANNER:
            banner = text.removesuffix("\r\n")
            return {"kind": "banner", "text": banner, "version": banner.rpartition("/")[2]}
        assert packet.kind == MALFORMED
        return {"kind": "malformed", "reason": packet.reason, "text": text}

    def _event(self, packet: Packet) -> dict[str, Any]:
        parsed = parse_packet(packet.raw, self._encoding)
        extensions = self._extensions(parsed.name, parsed.fields)
        keys = routing_keys(self._pbx, parsed.name, extensions)
        entry: dict[str, Any] = {
            "kind": "event",
            "event": parsed.name,
            "fields": parsed.fields,
            "extensions": extensions,
            "keys": keys,
        }
        # A list's events carry the ActionID of its request instead of a Privilege line.
        if is_suspect(packet.raw) and "ActionID" not in parsed.fields:
            entry["suspect"] = True
        if parsed.undecodable:
            entry["undecodable"] = True
        if parsed.text:
            entry["text"] = parsed.text
        return entry

    def _response(self, packet: Packet) -> dict[str, Any]:
        parsed = parse_packet(packet.raw, self._encoding)
        entry: dict[str, Any] = {
            "kind": "response",
            "response": parsed.name,
            "fields": parsed.fields,
            "output": command_output(parsed),
        }
        if parsed.undecodable:
            entry["undecodable"] = True
        if parsed.text:
            entry["text"] = packet_text(parsed)
        return entry


def decode(
    file: Annotated[
        str, typer.Argument(help="A recording: plain or .gz, or - for standard input.", metavar="FILE")
    ],
    chunk: Annotated[
        int, typer.Option(help="Feed it so many bytes at a time; the output is the same.", min=1, metavar="N")
    ] = _DEFAULT_CHUNK,
    encoding: Annotated[
        str, typer.Option(help="What is not UTF-8 is this encoding, such as cp1251.", metavar="NAME")
    ] = "utf-8",
    pbx: Annotated[str, typer.Option(help="The PBX's name in the routing keys.", metavar="NAME")] = "main",
    trunk: Annotated[
        list[str] | None,
        typer.Option(help="A trunk's name, which is no extension; repeatable.", metavar="NAME"),
    ] = None,
) -> None:
    """Turn recorded AMI bytes into JSON lines, one a packet.

    Events have their fields, extensions and routing keys; responses their fields and output; what is no
    packet has the reason and its text.

    \b
    amibus decode calls.ami.gz
    amibus record - | amibus decode - | jq .event
    """
    _check_encoding(encoding)
    printer = PacketPrinter(pbx, encoding, trunk or [])
    lines: list[bytes] = []
    for packet in _packets(file, chunk):
        lines.append(json_line(printer.object_of(packet)))
        if len(lines) >= _LINES_A_WRITE:
            print_lines(lines)
            lines.clear()
    print_lines(lines)


def _check_encoding(encoding: str) -> None:
    try:
        plain = codecs.lookup(encoding).decode(b"Event: \r\n")[0] == "Event: \r\n"
    except (LookupError, UnicodeError, TypeError):
        plain = False
    if not plain:
        raise typer.BadParameter(
            f"{encoding!r} is no text encoding that holds ASCII; allowed: utf-8, cp1251, koi8-r, …",
            param_hint="--encoding",
        )


def _packets(name: str, chunk: int) -> Iterator[Packet]:
    reader = PacketReader()
    for data in _chunks(name, chunk):
        yield from reader.receive_data(data)
    yield from reader.receive_eof()


def _chunks(name: str, chunk: int) -> Iterator[bytes]:
    """The file's bytes, cut by `chunk`, read in larger pieces. Raises `PublisherError`."""
    try:
        with ExitStack() as stack:
            file = _open(name, stack)
            while data := file.read(max(chunk, _DEFAULT_CHUNK) // chunk * chunk):
                if len(data) <= chunk:
                    yield data
                else:
                    yield from (data[start : start + chunk] for start in range(0, len(data), chunk))
    except BrokenPipeError:
        raise
    except gzip.BadGzipFile as error:
        raise PublisherError(f"{name} cannot be read: damaged gzip data") from error
    except OSError as error:
        raise PublisherError(f"{name} cannot be read: {error.strerror or 'input error'}") from error
    except (EOFError, zlib.error) as error:
        raise PublisherError(f"{name} cannot be read to its end: damaged gzip data") from error


def _open(name: str, stack: ExitStack) -> IO[bytes]:
    if name == "-":
        source: Any = sys.stdin.buffer
        packed = source.peek(2)[:2] == _GZIP
    else:
        source = stack.enter_context(Path(name).open("rb"))  # noqa: SIM115 - closed by the stack
        packed = source.peek(2)[:2] == _GZIP
    if not packed:
        return cast("IO[bytes]", source)
    return cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=source)))
