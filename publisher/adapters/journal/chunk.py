"""The chunk: records of one group commit, packed to stand in one row.

Strategy: columns, not rows. The raw packets are joined into one blob; the rest goes into `head`, a
msgpack array of columns: format, kinds, flags (a byte each), lengths (u32), receive times (i64, both
little-endian), call keys (a list of text), spans (a list, or nil where all are 1). Packing then costs a
few C-speed passes over the batch and no Python call a record; a reader unpacks only the part it wants.

Invariants: a chunk lies within one epoch, its records follow one another without a hole, and its checksum
covers both blobs, so that a byte that the disk changed is found, not delivered.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, repeat
from typing import Final, NamedTuple
from zlib import crc32

import msgpack  # type: ignore[import-untyped]

from publisher.errors import JournalDamaged
from publisher.records import Record

FORMAT: Final = 1
MAX_CHUNK_RECORDS: Final = 1024
MAX_CHUNK_BYTES: Final = 1 << 20


class Chunk(NamedTuple):
    """One row of the table `chunk`, in the order of its columns. Times in microseconds, UTC."""

    first_pos: int
    last_pos: int
    epoch: int
    first_seq: int
    first_us: int
    last_us: int
    size: int
    checksum: int
    head: bytes
    data: bytes


def pack(records: Sequence[Record]) -> Chunk:
    """Pack consecutive records of one epoch; at least one."""
    first, last = records[0], records[-1]
    raws = [record.raw for record in records]
    spans: list[int] | None = None
    if last.pos + last.span - first.pos != len(records):
        spans = [record.span for record in records]
    head = msgpack.packb(
        (
            FORMAT,
            bytes([record.kind for record in records]),
            bytes([record.flags for record in records]),
            _column("I", [len(raw) for raw in raws]),
            _column("q", [record.received_us for record in records]),
            [record.call for record in records],
            spans,
        ),
        unicode_errors="surrogatepass",
    )
    data = b"".join(raws)
    return Chunk(
        first.pos,
        last.pos + last.span - 1,
        first.epoch,
        first.seq,
        first.received_us,
        last.received_us,
        len(head) + len(data),
        crc32(data, crc32(head)),
        head,
        data,
    )


def split(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Cut records into runs that fit a chunk: one epoch, no hole, at most 1,024 records or about 1 MiB.

    A single record above 1 MiB stands alone.
    """
    if not records:
        return
    first, last = records[0], records[-1]
    if (
        len(records) <= MAX_CHUNK_RECORDS
        and first.epoch == last.epoch
        and last.pos - first.pos == len(records) - 1
        and sum([len(record.raw) for record in records]) <= MAX_CHUNK_BYTES
    ):
        yield records
        return
    start = size = 0
    expected, epoch = first.pos, first.epoch
    for index, record in enumerate(records):
        full = index - start == MAX_CHUNK_RECORDS or size + len(record.raw) > MAX_CHUNK_BYTES
        if index > start and (full or record.epoch != epoch or record.pos != expected):
            yield records[start:index]
            start, size = index, 0
        size += len(record.raw)
        expected, epoch = record.pos + record.span, record.epoch
    yield records[start:]


def unpack(chunk: Chunk, after: int, max_records: int, max_bytes: int) -> list[Record]:
    """The records of a chunk with `pos > after`; as many as fit the bounds, at least one if there is any.

    Raises `JournalDamaged` when the checksum or the columns do not fit.
    """
    if crc32(chunk.data, crc32(chunk.head)) != chunk.checksum:
        raise JournalDamaged(f"the journal's records from {chunk.first_pos} to {chunk.last_pos} are damaged")
    form, kinds, flags, lengths, times, calls, spans = msgpack.unpackb(
        chunk.head, unicode_errors="surrogatepass", strict_map_key=True
    )
    if form != FORMAT:
        raise JournalDamaged(f"the journal holds records of format {form}, this version reads {FORMAT}")
    ends = list(accumulate(_values("I", lengths), initial=0))
    received = _values("q", times)
    positions: Sequence[int]
    if spans is None:
        positions = range(chunk.first_pos, chunk.first_pos + len(kinds))
        start = max(0, after + 1 - chunk.first_pos)
    else:
        positions = list(accumulate(spans[:-1], initial=chunk.first_pos))
        start = sum(pos <= after for pos in positions)
    stop = min(len(kinds), start + max_records)
    while stop > start + 1 and ends[stop] - ends[start] > max_bytes:
        # The bound on bytes seldom bites; halving finds a fitting end in a few steps.
        stop = start + max(1, (stop - start) // 2)
    part = slice(start, stop)
    taken = positions[part]
    seq_less_pos = chunk.first_seq - chunk.first_pos
    data = chunk.data
    return list(
        map(
            Record,
            taken,
            repeat(chunk.epoch),
            [pos + seq_less_pos for pos in taken],
            received[part],
            kinds[part],
            flags[part],
            calls[part],
            [data[a:b] for a, b in zip(ends[part], ends[start + 1 : stop + 1], strict=True)],
            repeat(1) if spans is None else spans[part],
        )
    )


def _column(code: str, values: Sequence[int]) -> bytes:
    column = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _values(code: str, column: bytes) -> array[int]:
    values: array[int] = array(code)
    values.frombytes(column)
    if sys.byteorder == "big":
        values.byteswap()
    return values
