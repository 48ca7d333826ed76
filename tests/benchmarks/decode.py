"""Decode: AMI bytes to encoded messages, on one core, and that its cost is linear in the bytes.

Measured is what stands on the path of every event and needs neither disk nor network: cutting packets,
reading headers, finding the call, and making the message (extensions, routing keys, body). The unit of
time is the processor's (`time.process_time`), so that other load on the machine weighs little. Each
repetition begins with the state of a fresh PBX; the learned packet shapes stay, as they do in a process.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from typing import Final

from publisher.ami.fields import parse_packet
from publisher.ami.framing import EVENT as EVENT_PACKET
from publisher.ami.framing import PacketReader
from publisher.calls import CallTracker
from publisher.decoding import EventDecoder, PbxNaming
from publisher.records import EVENT, Record
from tests.benchmarks.figures import Row, at_least, reported
from tests.benchmarks.recordings import Recording, recordings

GOAL_EVENTS: Final = 60_000
GOAL_LINEAR: Final = 0.5
READ_BYTES: Final = 64 << 10
ENDLESS_BYTES: Final = 64 << 20
ONE_BYTE_SAMPLE: Final = 2 << 20
_EPOCH_MS: Final = 1_760_000_000_000
_BANNER: Final = b"Asterisk Call Manager/9.0.0\r\n"


def measure(repetitions: int) -> list[Row]:
    rows = []
    for recording in recordings():
        chunks = list(_chunks(recording.stream, READ_BYTES))
        decode(chunks)
        runs = [decode(chunks) for _ in range(repetitions)]
        size = sum(map(len, chunks)) / len(recording.events)
        kind = "own small recording, repeated" if recording.small else "recording"
        rows.append(
            at_least(
                f"decode, Asterisk {recording.version}",
                runs,
                GOAL_EVENTS,
                "events/s",
                f"{kind} of {len(recording.events):,} events, {size:.0f} B each",
            )
        )
        if recording.version == "20":
            rows += _linearity(recording, repetitions)
    return rows


def decode(chunks: Sequence[bytes]) -> float:
    """Events per second of processor time."""
    reader, calls = PacketReader(), CallTracker("main")
    receive, call_of = reader.receive_data, calls.call_of
    message = EventDecoder(PbxNaming("main")).message
    reader.receive_data(_BANNER)
    gc.collect()
    began = time.process_time()
    pos, received_us = 0, _EPOCH_MS * 1000
    for chunk in chunks:
        received_us += 1000
        for kind, raw, _, _ in receive(chunk):
            if kind != EVENT_PACKET:
                continue
            pos += 1
            parsed = parse_packet(raw)
            call = call_of(parsed.name, parsed.fields)
            message(Record(pos, _EPOCH_MS, pos, received_us, EVENT, 0, call, raw, 1, parsed))
    return pos / (time.process_time() - began)


def _linearity(recording: Recording, repetitions: int) -> list[Row]:
    stream = recording.stream
    large = [_cut(stream, READ_BYTES) for _ in range(repetitions)]
    pages = [_cut(stream, 4 << 10) for _ in range(repetitions)]
    bytewise = [_cut(stream[:ONE_BYTE_SAMPLE], 1) for _ in range(repetitions)]
    doubled = [_cut(stream[: ONE_BYTE_SAMPLE // 2], 1) for _ in range(repetitions)]
    endless = [_endless(4 << 10, ENDLESS_BYTES) for _ in range(repetitions)]
    half = [_endless(4 << 10, ENDLESS_BYTES // 2) for _ in range(repetitions)]
    # Linear means that twice the bytes go at the same speed; half of it would be quadratic.
    return [
        reported("framing, 64 KB chunks", large, "MB/s"),
        reported("framing, 4 KB chunks", pages, "MB/s"),
        reported("framing, 1 B chunks", bytewise, "MB/s", "bounded by the call for each byte"),
        at_least(
            "framing, 1 B chunks: 2 MiB against 1 MiB",
            [whole / part for whole, part in zip(bytewise, doubled, strict=True)],
            GOAL_LINEAR * 1.6,
            "× speed",
            "1 is linear, 0.5 quadratic",
        ),
        reported("framing, 64 MiB packet without an end", endless, "MB/s", "in 4 KB chunks"),
        at_least(
            "framing, no end: 64 MiB against 32 MiB",
            [whole / part for whole, part in zip(endless, half, strict=True)],
            GOAL_LINEAR * 1.6,
            "× speed",
            "1 is linear, 0.5 quadratic",
        ),
    ]


def _cut(stream: bytes, chunk_bytes: int) -> float:
    """Megabytes per second through the packet reader alone."""
    chunks = list(_chunks(stream, chunk_bytes))
    reader = PacketReader()
    reader.receive_data(_BANNER)
    began = time.process_time()
    for chunk in chunks:
        reader.receive_data(chunk)
    return len(stream) / (time.process_time() - began) / 1e6


def _endless(chunk_bytes: int, total: int) -> float:
    """The same for one packet of `total` bytes that has no end."""
    reader = PacketReader()
    reader.receive_data(_BANNER + b"Event: Endless\r\nText: ")
    chunk = b"x" * chunk_bytes
    began = time.process_time()
    for _ in range(total // chunk_bytes):
        reader.receive_data(chunk)
    return total / (time.process_time() - began) / 1e6


def _chunks(stream: bytes, size: int) -> Iterator[bytes]:
    return (stream[start : start + size] for start in range(0, len(stream), size))
