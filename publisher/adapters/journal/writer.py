"""The writer: what the writer thread does with a journal's file and its mark. One thread, no event loop.

Invariant: the mark is written after the commit (or instead of it, while the disk refuses) and before the
event loop hears of either, so what anyone may read is always covered by file or mark.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from publisher.adapters.journal.loss import Loss
from publisher.adapters.journal.mark import MarkFile, Note
from publisher.adapters.journal.salvage import move_aside
from publisher.adapters.journal.sqlite_file import DiskRefused, SqliteFile
from publisher.adapters.journal.write_side import Batch, WriteSide
from publisher.errors import JournalDamaged

_COMMIT_OVERHEAD_BYTES: Final = 8192
_MEASURE_EVERY_BYTES: Final = 1 << 20
_LOG_MOST_BYTES: Final = 64 << 20
_CHECKPOINT_PATIENCE_SECS: Final = 5.0


@dataclass(slots=True)
class Outcome:
    """How a commit went: written, or why not. `damaged`: the file needs to be replaced."""

    written: bool
    reason: str = ""
    damaged: bool = False
    bytes_on_disk: int = 0


class Writer:
    """See the module. Opened elsewhere (see salvage.py); closes file and mark.

    `checkpointing` is held during a checkpoint: SQLite allows one, and waits for none.
    """

    def __init__(self, path: Path, pbx: str, write_side: WriteSide, mark: MarkFile, *, power: bool) -> None:
        self._path = path
        self._pbx = pbx
        self._power = power
        self._side: WriteSide | None = write_side
        self._mark = mark
        self.checkpointing = threading.Lock()
        self._failures = 0
        self._unmeasured_bytes = 0
        self._bytes_on_disk = 0

    def commit(self, batch: Batch, note: Note) -> Outcome:
        """Write a batch and the mark. Never raises for what the disk does."""
        try:
            side = self._opened()
            side.commit(batch)
            self._failures = 0
        except DiskRefused as refused:
            self._failures += 1
            if self._failures > 1:
                # Not full but worse: whatever the connection holds on to may be what fails.
                self._close_side()
            note.held = True
            self._mark.write(note)
            return Outcome(False, str(refused), bytes_on_disk=self.bytes_on_disk())
        except JournalDamaged as damaged:
            note.held = True
            self._mark.write(note)
            return Outcome(False, str(damaged), damaged=True, bytes_on_disk=self._bytes_on_disk)
        self._mark.write(note)
        self._unmeasured_bytes += _COMMIT_OVERHEAD_BYTES + sum([len(r.raw) for r in batch.records])
        if self._unmeasured_bytes > _MEASURE_EVERY_BYTES:
            self._measure(side)
        return Outcome(True, bytes_on_disk=self._bytes_on_disk)

    def _measure(self, side: WriteSide) -> None:
        self._unmeasured_bytes = 0
        self.bytes_on_disk()
        # Above its second limit the disk is slower than what comes: the log may not outgrow the checkpointer.
        patience_secs = _CHECKPOINT_PATIENCE_SECS if side.log_bytes > _LOG_MOST_BYTES else 0.0
        if not self.checkpointing.acquire(timeout=patience_secs):
            return
        # If it fails the log stays long for now; if the file is to blame, the next commit says so.
        try:
            with suppress(DiskRefused, JournalDamaged):
                side.bound_log()
        finally:
            self.checkpointing.release()

    def note(self, note: Note) -> Outcome:
        """While the disk refuses: write the mark alone."""
        self._mark.write(note)
        return Outcome(False, bytes_on_disk=self.bytes_on_disk())

    def replace(self, batch: Batch, note: Note) -> tuple[Outcome, str]:
        """Move a damaged file aside, start a new one with a batch; also the moved file's name."""
        self._close_side()
        try:
            aside = move_aside(self._path).name
        except OSError as error:
            return Outcome(False, f"{self._path} cannot be renamed ({error.strerror})", damaged=True), ""
        return self.commit(batch, note), aside

    def forget(self, before_us: int, keep_bytes: int) -> Loss | None:
        """A step of retention. Raises `DiskRefused` or `JournalDamaged`."""
        return self._opened().forget(before_us, keep_bytes)

    def bytes_on_disk(self) -> int:
        """File and write-ahead log, looked up; commits look every megabyte or so."""
        total = 0
        for suffix in ("", "-wal"):
            try:
                total += os.stat(f"{self._path}{suffix}").st_size
            except OSError:
                continue
        self._bytes_on_disk = total
        return total

    def close(self) -> None:
        """Close file and mark; the lock is free then."""
        self._close_side()
        self._mark.close()

    def _opened(self) -> WriteSide:
        if self._side is None:
            self._side = WriteSide(self._path, self._pbx, power=self._power)
        return self._side

    def _close_side(self) -> None:
        if self._side is not None:
            self._side.close()
            self._side = None


class Checkpointer:
    """Brings the log into the file from a thread of its own, so that no commit waits for the disk's sync."""

    def __init__(self, path: Path, checkpointing: threading.Lock, *, power: bool) -> None:
        self._path = path
        self._checkpointing = checkpointing
        self._power = power
        self._file: SqliteFile | None = None

    def run(self) -> None:
        """One checkpoint that waits for nobody. What the disk refuses is left for the next time."""
        try:
            if self._file is None:
                self._file = SqliteFile(self._path, writable=True, power=self._power)
            with self._checkpointing:
                self._file.checkpoint("PASSIVE")
        except (DiskRefused, JournalDamaged):
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
