"""The journal of one PBX: SQLite in WAL mode, group commit off the event loop.

Strategy
* `append` only collects. When no commit is under way one starts in the same turn of the event loop; what
  comes meanwhile goes with the next. So an event is on disk a commit's time (well under 10 ms) after it was
  read, and batches grow by themselves under load. Commits begin at least 2 ms apart unless many records
  wait, which bounds what they cost.
* Three threads a journal, made when needed: the writer (commits, retention), the reader (records that are
  no longer in memory), the checkpointer (moves the log into the file; may wait for the disk).
* While the disk refuses, records are readable from memory as soon as the mark is written (see mark.py);
  each second the writer tries again. What the ledger drops meanwhile becomes a loss (see ledger.py).
* A file that turns out to be damaged while it is written is moved aside and a new one begins with all that
  is in memory.

Invariants: one commit at a time; nobody reads a record before the file or the mark covers it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from publisher.adapters.journal.disk_reader import DiskReader
from publisher.adapters.journal.ledger import Ledger
from publisher.adapters.journal.loss import Loss
from publisher.adapters.journal.mark import MarkFile, Note
from publisher.adapters.journal.salvage import Opened, open_file
from publisher.adapters.journal.settings import JournalSettings
from publisher.adapters.journal.sqlite_file import DiskRefused
from publisher.adapters.journal.waiters import Waiters
from publisher.adapters.journal.write_side import Batch
from publisher.adapters.journal.writer import Checkpointer, Outcome, Writer
from publisher.errors import JournalDamaged, JournalError
from publisher.records import Record

SUFFIX: Final = ".journal"
_CHECKPOINT_BYTES: Final = 4 << 20
_COMMIT_OVERHEAD_BYTES: Final = 8192


def wall_clock_us() -> int:
    return time.time_ns() // 1000


def journal_path(directory: Path, pbx: str) -> Path:
    """Where a PBX's journal stands."""
    return directory / (quote(pbx, safe=" @+") + SUFFIX)


@dataclass(slots=True, frozen=True)
class State:
    """See `publisher.ports.JournalState`."""

    alarm: str
    bytes_on_disk: int
    records_in_memory: int


async def open_journal(
    directory: Path,
    pbx: str,
    settings: JournalSettings | None = None,
    now_us: Callable[[], int] = wall_clock_us,
) -> SqliteJournal:
    """Open, or make, a PBX's journal for writing.

    Raises `JournalInUse` when another process writes it and `JournalError` when the disk refuses. A damaged
    file is no error: it is moved aside, a new one begins, and `state.alarm` says so (see salvage.py).
    """
    settings = settings or JournalSettings()
    path = journal_path(directory, pbx)
    power = settings.durability == "power"
    executor = ThreadPoolExecutor(1, thread_name_prefix="journal-write")

    def make() -> tuple[MarkFile, Opened]:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"the journal folder {directory} cannot be made: {error.strerror}") from error
        mark = MarkFile.lock(path.with_name(path.name + ".lock"))
        try:
            return mark, open_file(path, pbx, mark.read(), now_us(), power=power)
        except BaseException:
            mark.close()
            raise

    try:
        mark, opened = await asyncio.get_running_loop().run_in_executor(executor, make)
    except BaseException:
        executor.shutdown(wait=False)
        raise
    writer = Writer(path, pbx, opened.write_side, mark, power=power)
    return SqliteJournal(path, pbx, settings, opened, writer, executor, now_us)


class SqliteJournal:
    """Implements `publisher.ports.Journal`; made by `open_journal`. Used by one event loop.

    `opening_loss` is set when the file was damaged so badly that even the numbering is gone: the collector
    then announces it. Every other loss stands in its place, and readers come upon its gap record there.
    """

    def __init__(
        self,
        path: Path,
        pbx: str,
        settings: JournalSettings,
        opened: Opened,
        writer: Writer,
        executor: ThreadPoolExecutor,
        now_us: Callable[[], int],
    ) -> None:
        self.path = path
        self.opening_loss: Loss | None = opened.unnumbered
        self._settings = settings
        self._ledger = Ledger(pbx, opened.contents, settings)
        self._writer = writer
        self._executor = executor
        self._disk = DiskReader(path, pbx)
        self._checkpointer = Checkpointer(path, writer.checkpointing, power=settings.durability == "power")
        self._checkpoints = ThreadPoolExecutor(1, thread_name_prefix="journal-checkpoint")
        self._now_us = now_us
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()
        self._timer: asyncio.Handle | None = None
        self._timer_due = 0.0
        self._next_start = 0.0
        self._retry_at = 0.0
        self._refused = ""
        self._damage = opened.alarm
        self._replacing: asyncio.Task[None] | None = None
        self._bytes_on_disk = writer.bytes_on_disk()
        self._unchecked_bytes = 0
        self._checkpointing = False
        self._closed = False
        self._readable = Waiters()
        self._cursor_waiters: dict[str, Waiters] = {}
        self._retention = self._loop.create_task(self._retain())

    @property
    def pbx(self) -> str:
        return self._ledger.pbx

    @property
    def first_pos(self) -> int:
        """Position of the oldest record that is kept; `next_pos` when there is none."""
        return self._ledger.first_pos

    @property
    def next_pos(self) -> int:
        return self._ledger.end_pos + 1

    @property
    def epoch(self) -> int:
        return self._ledger.epoch.epoch

    @property
    def next_seq(self) -> int:
        start = self._ledger.epoch
        return self.next_pos - start.first_pos + 1 if start.epoch else 1

    @property
    def durable_pos(self) -> int:
        return self._ledger.readable_pos

    @property
    def congested(self) -> bool:
        """True while half the memory limit waits for a disk that is slow; never while it refuses."""
        return not self._refused and self._ledger.held_bytes > self._settings.memory_limit_bytes // 2

    @property
    def state(self) -> State:
        """The alarm of the disk goes by itself; that of damage stays until the journal is closed."""
        alarm = self._refused or self._disk.alarm or self._damage or self._disk.damage
        return State(alarm, self._bytes_on_disk, self._ledger.records_in_memory)

    def begin_epoch(self, epoch: int) -> None:
        self._ledger.begin_epoch(epoch)
        self._schedule()

    def append(self, records: Sequence[Record]) -> None:
        if self._closed:
            raise JournalError(f"the journal {self.path} is closed")
        if records:
            self._ledger.append(records)
            self._schedule()

    async def wait_beyond(self, pos: int) -> None:
        if self._ledger.readable_pos <= pos:
            self._still_open()
            await self._readable.reach(pos + 1)

    async def read(self, after: int, max_records: int = 1000, max_bytes: int = 1 << 20) -> list[Record]:
        records = self._ledger.read(after, max_records, max_bytes)
        if records is None:
            records = await self._disk.read(after, self._ledger.committed_pos, max_records, max_bytes)
        return records

    def cursor(self, name: str) -> int:
        return self._ledger.cursors.get(name, 0)

    def advance(self, name: str, pos: int) -> None:
        """As the port says; a cursor may also be set back. Raises `ValueError` beyond `durable_pos`."""
        self._ledger.advance(name, pos)
        self._schedule()

    def durable_cursor(self, name: str) -> int:
        """As the port says. While the disk refuses it is the mark that keeps the cursors."""
        return self._ledger.durable_cursors.get(name, 0)

    async def wait_cursor(self, name: str, pos: int) -> None:
        if self.durable_cursor(name) < pos:
            self._still_open()
            await self._cursor_waiters.setdefault(name, Waiters()).reach(pos)

    def remove_cursor(self, name: str) -> None:
        self._ledger.remove_cursor(name)
        self._schedule()

    def cursors(self) -> dict[str, int]:
        return dict(self._ledger.cursors)

    def save_state(self, state: bytes, pos: int) -> None:
        self._ledger.save_state(state, pos)
        self._schedule()

    def load_state(self) -> tuple[bytes, int]:
        return self._ledger.state

    async def close(self) -> None:
        """Commit what was appended, then close. If the disk refuses, one try is made; what is lost then is
        announced at the next opening."""
        if self._closed:
            return
        self._closed = True
        self._retention.cancel()
        if self._timer is not None:
            self._timer.cancel()
        await self._idle.wait()
        written = True
        while written and self._ledger.unwritten:
            batch, note = self._ledger.collect(to_disk=True)
            outcome = await self._loop.run_in_executor(self._executor, self._writer.commit, batch, note)
            written = outcome.written
            (self._ledger.written if written else self._ledger.refused)(batch, note)
        if not written:
            _, note = self._ledger.collect(to_disk=False)
            await self._loop.run_in_executor(self._executor, self._writer.note, note)
        self._wake()
        gone = JournalError(f"the journal {self.path} is closed")
        for waiters in (self._readable, *self._cursor_waiters.values()):
            waiters.fail(gone)
        await self._disk.close()
        await self._loop.run_in_executor(self._checkpoints, self._checkpointer.close)
        self._checkpoints.shutdown(wait=False)
        await self._loop.run_in_executor(self._executor, self._writer.close)
        self._executor.shutdown(wait=False)

    def _still_open(self) -> None:
        if self._closed:
            raise JournalError(f"the journal {self.path} is closed")

    def _schedule(self) -> None:
        """Arrange for the next commit, or the next note while the disk refuses, if there is anything."""
        if self._closed or not self._idle.is_set() or not self._ledger.unwritten:
            return
        due = self._next_start
        if self._refused:
            if not self._ledger.unnoted:
                due = max(due, self._retry_at)
        elif self._ledger.waiting >= self._settings.full_batch_records:
            due = 0.0
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        if due <= self._loop.time():
            self._timer = self._loop.call_soon(self._start)
        else:
            self._timer = self._loop.call_at(due, self._start)

    def _start(self) -> None:
        self._timer = None
        self._idle.clear()
        now = self._loop.time()
        self._next_start = now + self._settings.commit_spacing_secs
        to_disk = not self._refused or now >= self._retry_at
        batch, note = self._ledger.collect(to_disk=to_disk)
        if to_disk:
            job = self._loop.run_in_executor(self._executor, self._writer.commit, batch, note)
        else:
            job = self._loop.run_in_executor(self._executor, self._writer.note, note)
        job.add_done_callback(lambda done: self._finished(done, batch if to_disk else None, note))

    def _finished(self, done: asyncio.Future[Outcome], batch: Batch | None, note: Note) -> None:
        if done.cancelled():
            self._idle.set()
            return
        error = done.exception()
        # A fault of ours in the writer must not stop the reading: it shows as an alarm and is tried again.
        outcome = (
            done.result()
            if error is None
            else Outcome(False, f"{type(error).__name__}: {error}", bytes_on_disk=self._bytes_on_disk)
        )
        self._took(outcome, batch, note)
        if outcome.damaged:
            self._replacing = self._loop.create_task(self._replace())
            return
        self._idle.set()
        self._wake()
        self._schedule()

    def _took(self, outcome: Outcome, batch: Batch | None, note: Note) -> None:
        self._bytes_on_disk = outcome.bytes_on_disk
        if batch is None:
            self._ledger.noted(note)
        elif outcome.written:
            self._ledger.written(batch, note)
            if self._refused and self._ledger.committed_pos >= self._ledger.readable_pos:
                self._refused = ""
            self._retry_at = 0.0
            self._unchecked_bytes += sum([len(r.raw) for r in batch.records]) + _COMMIT_OVERHEAD_BYTES
            if self._unchecked_bytes > _CHECKPOINT_BYTES and not self._checkpointing:
                self._checkpoint()
        else:
            self._ledger.refused(batch, note)
            self._retry_at = self._loop.time() + self._settings.retry_secs
            self._refused = (
                f"the journal {self.path} cannot be written: {outcome.reason}; "
                f"new events are kept in memory, at most {self._settings.memory_limit_bytes >> 20} MiB"
            )

    def _wake(self) -> None:
        self._readable.rise(self._ledger.readable_pos)
        for name, waiters in list(self._cursor_waiters.items()):
            waiters.rise(self.durable_cursor(name))
            if not len(waiters):
                del self._cursor_waiters[name]

    def _checkpoint(self) -> None:
        self._unchecked_bytes = 0
        self._checkpointing = True

        def finished(_: asyncio.Future[None]) -> None:
            self._checkpointing = False

        self._loop.run_in_executor(self._checkpoints, self._checkpointer.run).add_done_callback(finished)

    async def _replace(self) -> None:
        """The file is damaged: go on in a new one. `_idle` stays cleared meanwhile."""
        await self._disk.reopen()
        await self._loop.run_in_executor(self._checkpoints, self._checkpointer.close)
        batch, note = self._ledger.collect_all()
        outcome, aside = await self._loop.run_in_executor(self._executor, self._writer.replace, batch, note)
        await self._disk.reopen()
        if aside:
            self._damage = (
                f"the journal {self.path} was damaged; it was moved to {aside} and a new one was started"
            )
        self._took(outcome, batch, note)
        self._idle.set()
        self._wake()
        self._schedule()

    async def _retain(self) -> None:
        while True:
            await asyncio.sleep(self._settings.retention_check_secs)
            await self.enforce_retention()

    async def enforce_retention(self) -> int:
        """Delete what is too old or too much, in small steps between commits; how many steps it took."""
        steps = 0
        while True:
            before_us = self._now_us() - int(self._settings.keep_secs * 1e6)
            try:
                loss = await self._loop.run_in_executor(
                    self._executor, self._writer.forget, before_us, self._settings.keep_bytes
                )
            except (DiskRefused, JournalDamaged):
                # The next commit finds out what it is and says so; the next check tries again.
                return steps
            if loss is None:
                return steps
            self._ledger.first_pos = loss.last_pos + 1
            steps += 1
