"""The messages of a recording, made once and kept in a file, so that every publisher sends the same bytes.

The file: for each message `<QQIB` (seq, timestamp, size of the body, number of further routing keys), then
five texts (routing key, message id, type, call, linkedid, in this order, each after its length as `<H`), the
further keys likewise, and the body. `publisher.c` reads it too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from publisher.ami.fields import parse_packet
from publisher.calls import CallTracker
from publisher.decoding import EventDecoder, PbxNaming
from publisher.records import EVENT, Record
from schemas.message import Headers, Message
from tests.benchmarks.recordings import Recording

EPOCH_MS: Final = 1_760_000_000_000
_HEAD: Final = struct.Struct("<QQIB")
_LENGTH: Final = struct.Struct("<H")


def write_messages(path: Path, recording: Recording, count: int) -> float:
    """Write the recording's first messages, from its start again as often as needed; mean body in bytes."""
    calls, decoder = CallTracker("main"), EventDecoder(PbxNaming("main"))
    events = recording.events
    total = 0
    with path.open("wb") as file:
        for seq in range(1, count + 1):
            raw = events[(seq - 1) % len(events)][:-2]
            parsed = parse_packet(raw)
            call = calls.call_of(parsed.name, parsed.fields)
            message = decoder.message(
                Record(seq, EPOCH_MS, seq, EPOCH_MS * 1000 + seq * 100, EVENT, 0, call, raw, 1, parsed)
            )
            total += len(message.body)
            file.write(_packed(message))
    return total / count


def _packed(message: Message) -> bytes:
    headers = message.headers
    texts = (message.routing_key, message.message_id, message.type, headers.call, headers.linkedid)
    parts = [_HEAD.pack(headers.seq, message.timestamp, len(message.body), len(headers.cc))]
    for text in (*texts, *headers.cc):
        raw = text.encode()
        parts += (_LENGTH.pack(len(raw)), raw)
    return b"".join([*parts, message.body])


def read_messages(path: Path) -> Iterator[Message]:
    data = path.read_bytes()
    at = 0
    while at < len(data):
        seq, timestamp, size, more = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        texts = []
        for _ in range(5 + more):
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size + length
            texts.append(data[at - length : at].decode())
        key, message_id, type_, call, linkedid = texts[:5]
        headers = Headers("main", EPOCH_MS, seq, call, linkedid, tuple(texts[5:]))
        yield Message(key, headers, message_id, type_, timestamp, data[at : at + size])
        at += size
