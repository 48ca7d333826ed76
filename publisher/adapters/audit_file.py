"""The audit: one JSON line for each command that is sent and for each that ends, in files that rotate.

A line that the disk refuses is an error for whoever writes it; nothing is sent without its line. What a full
disk took of it is taken back, and half a line that a power cut left is ended before the next one, so that
each line stands by itself, and once.

The files are this user's alone: who called whom is nobody else's business.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from publisher.errors import CommandJournalError


class AuditFile:
    """Appends to `path`; before it grows beyond `max_bytes` it is renamed to `path`.1, and so on; `kept` old
    ones are kept, at least one."""

    def __init__(self, path: Path, max_bytes: int, kept: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._file: int | None = None
        self._size = 0
        self._torn = False
        self._before: int | None = None

    def write(self, lines: Iterable[bytes]) -> None:
        """Append lines, each without its end. Raises `CommandJournalError`; none of them stands then."""
        data = b"".join(line + b"\n" for line in lines)
        if not data:
            return
        self._before = None
        try:
            file = self._opened(len(data))
            self._before = self._size
            self._append(file, b"\n" + data if self._torn else data)
        except OSError as error:
            self.take_back()
            raise CommandJournalError(
                f"the audit {self._path} cannot be written: {error.strerror}"
            ) from error
        self._torn = False

    def take_back(self) -> None:
        """Undo the last write: what its lines tell of did not come about. Never raises."""
        if self._file is None or self._before is None or self._size == self._before:
            return
        try:
            os.ftruncate(self._file, self._before)
            self._size = self._before
        except OSError:
            # Then it stays; the next line begins on a line of its own.
            self._torn = True
        self._before = None

    def close(self) -> None:
        """Close the file. Never raises."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None

    def _append(self, file: int, data: bytes) -> None:
        left = memoryview(data)
        while left:
            written = os.write(file, left)
            self._size += written
            left = left[written:]

    def _opened(self, more_bytes: int) -> int:
        """The file to append so many bytes to."""
        if self._file is not None and self._size and self._size + more_bytes > self._max_bytes:
            self._rotate()
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            size = os.fstat(self._file).st_size
            self._torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        # Others may have emptied it, as tools that rotate logs do.
        self._size = os.fstat(self._file).st_size
        return self._file

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept, 0, -1):
            older = self._path if number == 1 else self._numbered(number - 1)
            with contextlib.suppress(FileNotFoundError):
                older.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
