"""Recorded AMI bytes as the events that a consumer gets: framed, keyed and decoded by the publisher."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from publisher.ami.fields import ParsedPacket, parse_packet
from publisher.ami.framing import EVENT, PacketReader, is_suspect
from publisher.calls import CallTracker
from publisher.decoding import EventDecoder, PbxNaming
from publisher.records import SNAPSHOT, SUSPECT, SYNTHETIC, Record
from schemas.codecs import decode
from schemas.envelope import Event

ROOT = Path(__file__).parents[2]
RECORDINGS = sorted((ROOT / "../shared/traces").glob("*/mixed-*.ami.gz"))
PBX = "main"
EPOCH = 1_795_424_093_210
BEGIN_US = 1_795_424_093_000_000


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def packets_of(data: bytes) -> list[bytes]:
    reader = PacketReader()
    return [
        packet.raw for packet in [*reader.receive_data(data), *reader.receive_eof()] if packet.kind == EVENT
    ]


def read(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


class Recorder:
    """Numbers packets and makes events of them. Their time is the PBX's own, else a millisecond an event."""

    def __init__(self) -> None:
        self._tracker = CallTracker(PBX)
        self._decoder = EventDecoder(PbxNaming(PBX))
        self._seq = 0
        self._now_us = BEGIN_US

    def event(self, raw: bytes, flags: int = 0) -> Event:
        parsed = parse_packet(raw, "utf-8")
        self._now_us = _time_us(parsed) or self._now_us + 1000
        if is_suspect(raw) and "ActionID" not in parsed.fields:
            flags |= SUSPECT
        self._seq += 1
        record = Record(
            pos=self._seq,
            epoch=EPOCH,
            seq=self._seq,
            kind=0,
            received_us=self._now_us,
            raw=raw,
            call=self._tracker.call_of(parsed.name, parsed.fields),
            flags=flags,
        )
        message = self._decoder.message(record)
        return decode(message.content_type, message.body)

    def events(self, data: bytes) -> Iterator[Event]:
        for raw in packets_of(data):
            yield self.event(raw)


def _time_us(parsed: ParsedPacket) -> int:
    stamp = parsed.fields.get("Timestamp", "")
    return int(float(stamp) * 1_000_000) if isinstance(stamp, str) and stamp else 0


__all__ = ["EPOCH", "PBX", "RECORDINGS", "SNAPSHOT", "SYNTHETIC", "Recorder", "name_of", "packets_of", "read"]
