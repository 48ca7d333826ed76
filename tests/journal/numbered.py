"""Records for tests: each says its own position in its raw bytes, so that a reader can be checked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from publisher import control
from publisher.adapters.journal import SqliteJournal
from publisher.records import CONTROL, EVENT, Record

EPOCH = 1_700_000_000_000
START_US = EPOCH * 1000


def raw_of(pos: int, size: int = 120) -> bytes:
    head = b"Event: Newexten\r\nPosition: %d\r\nFill: " % pos
    return head + b"x" * max(0, size - len(head) - 2) + b"\r\n"


def numbered(journal: SqliteJournal, count: int, size: int = 120) -> list[Record]:
    """The next `count` records; each was received 1 ms after the one before."""
    pos, seq, epoch = journal.next_pos, journal.next_seq, journal.epoch
    return [
        Record(
            pos + i, epoch, seq + i, START_US + (pos + i) * 1000, EVENT, 0, f"call-{i}", raw_of(pos + i, size)
        )
        for i in range(count)
    ]


async def write(journal: SqliteJournal, count: int, size: int = 120, batch: int = 100) -> None:
    """Append records and wait until they may be read; heeds `congested` as the collector does."""
    while count > 0:
        journal.append(numbered(journal, min(batch, count), size))
        count -= batch
        await journal.wait_beyond(journal.next_pos - 2)


async def read_all(journal: SqliteJournal, after: int = 0, max_records: int = 1000) -> list[Record]:
    found: list[Record] = []
    while records := await journal.read(after, max_records):
        assert records[0].pos == after + 1
        found += records
        after = records[-1].pos + records[-1].span - 1
    return found


def check_whole(records: Sequence[Record], first: int, last: int) -> None:
    """Positions `first` to `last` without a hole, each event with its own bytes, `seq` in step with `pos`."""
    expected = first
    for record in records:
        assert record.pos == expected
        if record.kind == EVENT:
            assert record.span == 1
            assert b"Position: %d\r\n" % record.pos in record.raw
        expected = record.pos + record.span
    assert expected == last + 1


def gaps(records: Sequence[Record]) -> list[tuple[int, int, str, object]]:
    """(pos, span, cause, count) of the gap records; their numbers are checked on the way."""
    found = []
    for record in records:
        if record.kind == CONTROL:
            payload = control.unpack(record.raw)
            assert payload["kind"] == "gap"
            if "from_seq" in payload:
                assert payload["from_seq"] == record.seq
                assert payload["to_seq"] == record.seq + record.span - 1
            found.append((record.pos, record.span, str(payload["cause"]), payload["count"]))
    return found


async def until(condition: Callable[[], bool], secs: float = 30.0) -> None:
    """Wait for a state; fails after `secs`."""
    async with asyncio.timeout(secs):
        while not condition():  # noqa: ASYNC110 - the state is looked at from outside, nothing tells of it
            await asyncio.sleep(0.005)
