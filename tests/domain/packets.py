"""Recorded events: the project's own corpus, and the large recordings where they lie beside the checkout."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from publisher.ami.fields import ParsedPacket, parse_packet

_ROOT = Path(__file__).parents[2]
CORPUS = sorted((_ROOT / "tests/corpus").glob("events-*.ami"))
RECORDINGS = sorted((_ROOT / "../shared/traces").glob("*/mixed-*.ami.gz"))
DIALOGUES = sorted((_ROOT / "../shared/traces").glob("*/actions/*.ami"))


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@cache
def raw_events(path: Path) -> tuple[bytes, ...]:
    """The packets that begin with an Event line, each as the framing gives it: ending with one CRLF."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return tuple(packet + b"\r\n" for packet in data.split(b"\r\n\r\n") if packet.startswith(b"Event: "))


def events(path: Path) -> list[ParsedPacket]:
    return [parse_packet(raw) for raw in raw_events(path)]


def packet(text: str) -> ParsedPacket:
    """A packet written as lines, for tests."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return parse_packet("".join(f"{line}\r\n" for line in lines).encode())
