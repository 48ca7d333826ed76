"""A file that is only added to, and put aside when it is large enough or a day is over.

    calls.jsonl                               what is written now
    calls-20261124T085453850601Z.jsonl        put aside then (UTC); at most `keep_files` of them stay
    calls.jsonl.lock                          held while the file is open, with the holder's process number

Invariants
* One holder: the lock goes with the process, and a second one is refused, be it in this process.
* What `write` was given stands in the file whole, or not at all: what a full disk cut off is taken back, and
  what a crash cut off (a last line without its end) is taken off when the file is opened next. It was never
  reported as taken.
* A file that does not end as one of ours is left alone.
* The names of what was put aside rise, even where the clock is set back, so the oldest goes first.
* Somebody who moves the file away gets it: the next write makes a new one.

All calls block; one thread at a time. Errors are those of the system (`OSError`), and `NotUsable`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

LAST_YEAR: Final = 9999
_MODE: Final = 0o640
_STAMP: Final = "%Y%m%dT%H%M%S%fZ"
# A line is a body of at most 16 MiB; its escapes make it longer in the worst case.
_LONGEST_LINE: Final = 64 * 2**20
_BLOCK: Final = 64 * 1024


class NotUsable(Exception):
    """This file cannot be written, in one sentence."""


@dataclass(slots=True, frozen=True)
class Rotation:
    """When a file is put aside: before it would exceed `most_bytes` (0: never), `daily` at the first write of
    another day (UTC); and how many that were put aside are kept."""

    most_bytes: int
    daily: bool
    keep_files: int


def now_utc() -> datetime:
    return datetime.now(UTC)


class RotatingFile:
    """See the module. `tell` gets a sentence about what was mended or could not be removed."""

    def __init__(
        self,
        path: Path,
        rotation: Rotation,
        durable: bool,
        tell: Callable[[str], None],
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        """`durable`: what is put aside reaches the disk before that."""
        self.path = path
        self._rotation = rotation
        self._durable = durable
        self._tell = tell
        self._now = now
        self._lock: int | None = None
        self._file: int | None = None
        self._size = 0
        self._day = ""
        self._put_aside = re.compile(
            rf"{re.escape(path.stem)}-(\d{{8}}T\d{{12}}Z){re.escape(path.suffix)}", re.ASCII
        )

    def open(self) -> None:
        """Take the lock, and mend what a crash left."""
        if not self.path.parent.is_dir():
            raise NotUsable(f"the folder {self.path.parent} does not exist: make it, or correct the path")
        self._lock = self._locked()
        try:
            self._file = self._begun()
            self._prune()
        except BaseException:
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Add these whole lines."""
        self._make_room(len(data))
        file = self._opened()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
        except OSError:
            os.ftruncate(file, self._size)
            raise
        self._size += len(data)
        self._day = self._today()

    def sync(self) -> None:
        """What was written is on the disk when this returns."""
        if self._file is not None:
            os.fsync(self._file)

    def close(self) -> None:
        """Give up the file and the lock. What was written is handed to the system, not synced."""
        file, self._file = self._file, None
        lock, self._lock = self._lock, None
        for descriptor in (file, lock):
            if descriptor is not None:
                os.close(descriptor)

    def _locked(self) -> int:
        path = self.path.with_name(f"{self.path.name}.lock")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            whose = "another binding of this process" if holder == str(os.getpid()) else f"process {holder}"
            raise NotUsable(f"{self.path} is being written by {whose}: give each a file of its own") from None
        except OSError:
            os.close(lock)
            raise
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock

    def _begun(self) -> int:
        """Open what is there, or begin a file."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        file = os.open(self.path, flags, _MODE)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise NotUsable(f"{self.path} is no ordinary file")
            self._size = found.st_size
            self._day = _day_of(datetime.fromtimestamp(found.st_mtime, UTC))
            if self._size:
                self._mend(file)
            else:
                self._sync_folder()
        except BaseException:
            os.close(file)
            raise
        return file

    def _mend(self, file: int) -> None:
        """Take a last line off that has no end."""
        if os.pread(file, 1, self._size - 1) == b"\n":
            return
        begin = self._last_line(file)
        if _is_whole(os.pread(file, self._size - begin, begin)):
            # Somebody edited it and left the line's end away.
            self._size += os.write(file, b"\n")
            return
        first = os.pread(file, 1, begin)
        if first not in (b"{", b"\0"):
            raise NotUsable(
                f"{self.path} does not end with a line of JSON: another program's file? Left as it is"
            )
        cut = self._size - begin
        os.ftruncate(file, begin)
        self._size = begin
        self._tell(f"{self.path}: took off the last line, which a crash had cut short ({cut} bytes)")

    def _last_line(self, file: int) -> int:
        """Where what stands after the last line's end begins."""
        end = self._size
        while end > max(0, self._size - _LONGEST_LINE):
            begin = max(0, end - _BLOCK)
            if (found := os.pread(file, end - begin, begin).rfind(b"\n")) >= 0:
                return begin + found + 1
            end = begin
        if end:
            raise NotUsable(f"{self.path} holds no lines: another program's file? Left as it is")
        return 0

    def _opened(self) -> int:
        if self._file is None:
            self._file = self._begun()
        return self._file

    def _make_room(self, coming: int) -> None:
        """Before a write: put the file aside if it is time, and begin anew if somebody moved it."""
        if self._file is not None and self._is_elsewhere(self._file):
            os.close(self._file)
            self._file = None
        self._opened()
        limit = self._rotation.most_bytes
        full = 0 < limit < self._size + coming
        over = self._rotation.daily and self._day != self._today()
        if self._size and (full or over):
            self._rotate()

    def _is_elsewhere(self, file: int) -> bool:
        try:
            return not os.path.samestat(os.stat(self.path), os.fstat(file))
        except FileNotFoundError:
            return True

    def _rotate(self) -> None:
        if self._durable:
            self.sync()
        stamps = self._stamps()
        stamp = self._now().strftime(_STAMP)
        if stamps and stamp <= stamps[-1]:
            last = datetime.strptime(stamps[-1], _STAMP)
            stamp = (last + timedelta(microseconds=1)).strftime(_STAMP)
        os.rename(self.path, self._aside(stamp))
        file, self._file = self._opened(), None
        os.close(file)
        self._file = self._begun()
        self._prune()

    def _prune(self) -> None:
        stamps = self._stamps()
        for stamp in stamps[: max(0, len(stamps) - self._rotation.keep_files)]:
            try:
                self._aside(stamp).unlink(missing_ok=True)
            except OSError as error:
                self._tell(f"{self._aside(stamp)} cannot be removed: {error.strerror}")

    def _stamps(self) -> list[str]:
        """Of what was put aside, the oldest first."""
        found = (self._put_aside.fullmatch(name) for name in os.listdir(self.path.parent))
        return sorted(match[1] for match in found if match is not None and _is_stamp(match[1]))

    def _aside(self, stamp: str) -> Path:
        return self.path.with_name(f"{self.path.stem}-{stamp}{self.path.suffix}")

    def _sync_folder(self) -> None:
        """A new name reaches the disk too; where a file system cannot do that, it needs no such thing."""
        if not self._durable:
            return
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):
                os.fsync(folder)
        finally:
            os.close(folder)

    def _today(self) -> str:
        return _day_of(self._now())


def _is_stamp(text: str) -> bool:
    try:
        return datetime.strptime(text, _STAMP).year < LAST_YEAR
    except ValueError:
        return False


def _is_whole(line: bytes) -> bool:
    try:
        return line.startswith(b"{") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _day_of(moment: datetime) -> str:
    return moment.strftime("%Y%m%d")
