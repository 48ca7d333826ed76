"""The window: the newest records of a journal, in memory, with their caches.

Strategy: one list in order of position. Its front part is committed and is kept only to serve readers
(bounded by count and bytes); its back part is not on disk yet and must stay (bounded by the journal's
memory limit, see `drop_oldest`). A start index instead of deletions at the front makes trimming cheap; the
list is cut when half of it is dead.

Invariants: positions grow; a hole in them is one of the journal's losses. Only the last `max_records`
keep `parsed` and `message`, so that what is held for a full disk costs its bytes and little more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from publisher.records import Record

# What a record costs beside its raw bytes, without caches: the object, its numbers, the bytes' header.
RECORD_OVERHEAD_BYTES: Final = 300
_COMPACT_FROM: Final = 4096
_POS = attrgetter("pos")


def cost(records: Sequence[Record]) -> int:
    """Bytes that records take in memory, without caches."""
    return sum([len(record.raw) for record in records]) + RECORD_OVERHEAD_BYTES * len(records)


class Window:
    """See the module. `committed_pos` is the journal's: records up to it may be forgotten."""

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._records: list[Record] = []
        self._start = 0
        self._bare_to = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records) - self._start

    @property
    def first_pos(self) -> int:
        """Position of the oldest record; 0 when empty."""
        return self._records[self._start].pos if len(self) else 0

    @property
    def bytes(self) -> int:
        return self._bytes

    def extend(self, records: Sequence[Record], added_cost: int) -> None:
        self._records.extend(records)
        self._bytes += added_cost

    def after(self, pos: int, upto: int, max_records: int, max_bytes: int) -> list[Record]:
        """Records with `pos < record.pos <= upto`, at least one if there is any."""
        start = bisect_right(self._records, pos, self._start, key=_POS)
        found = self._records[start : start + max_records]
        if found and found[-1].pos > upto:
            del found[bisect_right(found, upto, key=_POS) :]
        size = sum([len(record.raw) for record in found])
        while size > max_bytes and len(found) > 1:
            half = len(found) // 2
            size -= sum([len(record.raw) for record in found[half:]])
            del found[half:]
        return found

    def trim(self, committed_pos: int) -> None:
        """Forget committed records beyond the bounds, and the caches of those held beyond them."""
        records = self._records
        start, end = self._start, len(records)
        while start < end and (end - start > self._max_records or self._bytes > self._max_bytes):
            record = records[start]
            if record.pos > committed_pos:
                break
            self._bytes -= len(record.raw) + RECORD_OVERHEAD_BYTES
            record.parsed = None
            start += 1
        self._start = start
        bare_to = end - self._max_records
        if bare_to > start:
            for record in records[max(start, self._bare_to) : bare_to]:
                record.parsed = None
                record.message = None
            self._bare_to = bare_to
        if start > _COMPACT_FROM and start * 2 > end:
            del records[:start]
            self._start = 0
            self._bare_to = max(0, self._bare_to - start)

    def drop_oldest(self, beyond: int, excess_bytes: int) -> list[Record]:
        """Remove the oldest records with `pos > beyond` until that many bytes are free; never the last."""
        first = bisect_right(self._records, beyond, self._start, key=_POS)
        freed, stop = 0, first
        while freed < excess_bytes and stop < len(self._records) - 1:
            freed += len(self._records[stop].raw) + RECORD_OVERHEAD_BYTES
            stop += 1
        dropped = self._records[first:stop]
        del self._records[first:stop]
        self._bytes -= freed
        self._bare_to = max(self._start, self._bare_to - len(dropped))
        return dropped
