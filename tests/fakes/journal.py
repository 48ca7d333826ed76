"""A journal in memory, with the commit made visible: what a crash would forget can be asked for."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence

from publisher.records import EVENT, Record


class FakeJournalState:
    """Implements `publisher.ports.JournalState`."""

    alarm = ""
    bytes_on_disk = 0
    records_in_memory = 0


class FakeJournal:
    """Implements `publisher.ports.Journal`. Commits `commit_secs` after a change, or by `commit()`."""

    def __init__(self, pbx: str = "main", commit_secs: float | None = 0.0) -> None:
        self._pbx = pbx
        self._commit_secs = commit_secs
        self._records: list[Record] = []
        self._starts: list[int] = []
        self._epoch, self._next_seq, self._next_pos = 0, 1, 1
        self._durable_pos = 0
        self._cursors: dict[str, int] = {}
        self._durable: dict[str, int] = {}
        self._state = (b"", 0)
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._commit_due: asyncio.TimerHandle | None = None

    @property
    def records(self) -> list[Record]:
        """All that was appended."""
        return list(self._records)

    @property
    def pbx(self) -> str:
        return self._pbx

    @property
    def next_pos(self) -> int:
        return self._next_pos

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def next_seq(self) -> int:
        return self._next_seq

    @property
    def durable_pos(self) -> int:
        return self._durable_pos

    @property
    def congested(self) -> bool:
        return False

    @property
    def state(self) -> FakeJournalState:
        return FakeJournalState()

    def begin_epoch(self, epoch: int) -> None:
        assert epoch > self._epoch
        self._epoch, self._next_seq = epoch, 1

    def append(self, records: Sequence[Record]) -> None:
        for record in records:
            assert (record.pos, record.seq) == (self._next_pos, self._next_seq)
            self._records.append(record)
            self._starts.append(record.pos)
            self._next_pos += record.span
            self._next_seq += record.span
        self._changed()

    def append_events(self, count: int) -> None:
        """Append `count` numbered events."""
        if not self._epoch:
            self.begin_epoch(1_760_000_000_000)
        pos, seq = self._next_pos, self._next_seq
        self.append(
            [
                Record(pos + i, self._epoch, seq + i, 0, EVENT, 0, self._pbx, b"Event: Test\r\n")
                for i in range(count)
            ]
        )

    def commit(self) -> None:
        """What stands here survives a crash."""
        self._commit_due = None
        self._durable_pos = self._next_pos - 1
        self._durable = dict(self._cursors)
        for waiter in list(self._waiters):
            happened, future = waiter
            if happened():
                self._waiters.remove(waiter)
                if not future.done():
                    future.set_result(None)

    def crash(self) -> None:
        """Forget what a crash of the process would forget."""
        self._cursors = dict(self._durable)

    async def wait_beyond(self, pos: int) -> None:
        await self._wait(lambda: self._durable_pos > pos)

    async def read(self, after: int, max_records: int = 1000, max_bytes: int = 1 << 20) -> list[Record]:
        first = bisect_right(self._starts, after)
        if self._durable_pos <= after:
            return []
        return [
            record for record in self._records[first : first + max_records] if record.pos <= self._durable_pos
        ]

    def cursor(self, name: str) -> int:
        return self._cursors.get(name, 0)

    def advance(self, name: str, pos: int) -> None:
        assert pos >= self._cursors.get(name, 0), "a cursor never goes back"
        assert pos <= self._durable_pos, "a cursor never passes what was read"
        self._cursors[name] = pos
        self._changed()

    def durable_cursor(self, name: str) -> int:
        return self._durable.get(name, 0)

    async def wait_cursor(self, name: str, pos: int) -> None:
        await self._wait(lambda: self._durable.get(name, 0) >= pos)

    def remove_cursor(self, name: str) -> None:
        self._cursors.pop(name, None)
        self._changed()

    def cursors(self) -> dict[str, int]:
        return dict(self._cursors)

    def save_state(self, state: bytes, pos: int) -> None:
        self._state = (state, pos)

    def load_state(self) -> tuple[bytes, int]:
        return self._state

    async def close(self) -> None:
        if self._commit_due is not None:
            self._commit_due.cancel()
        self.commit()

    def _changed(self) -> None:
        if self._commit_secs is not None and self._commit_due is None:
            self._commit_due = asyncio.get_running_loop().call_later(self._commit_secs, self.commit)

    async def _wait(self, happened: Callable[[], bool]) -> None:
        if not happened():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((happened, future))
            await future
