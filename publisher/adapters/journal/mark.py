"""The mark: a small file beside the journal that locks it and remembers how far readers have come.

Strategy: the file is made at its full size, so that writing into it needs no space and works on a full
disk. After each commit, and before anyone may read the records, the writer notes the last readable
position and the cursors. At the next opening a journal that ends before the mark has lost its tail (a
torn write-ahead log, a power cut, records that were in memory only): the lost positions are then known
exactly, are announced, and are never given out again.

Invariants: one process holds the lock (flock, so it goes with the process); a note is one write within
the preallocated bytes; a note whose checksum fails counts as none.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zlib import crc32

import msgpack  # type: ignore[import-untyped]

from publisher.errors import JournalError, JournalInUse

MARK_BYTES: Final = 32 << 10
_HEADER: Final = struct.Struct("<4sII")
_MAGIC: Final = b"AMJ1"


@dataclass(slots=True)
class Note:
    """`last_pos` is readable; `epoch` began at `epoch_pos`. `last_us`: when the last record came.

    `cursors` may be empty where there are too many for the file (about a thousand).
    `held`: the records at the end were in memory only.
    """

    last_pos: int = 0
    epoch: int = 0
    epoch_pos: int = 0
    last_us: int = 0
    held: bool = False
    cursors: dict[str, int] = field(default_factory=dict)


class MarkFile:
    """The locked side file of a journal. Made by `lock`; `close` gives the lock back."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def lock(cls, path: Path) -> MarkFile:
        """Raises `JournalInUse` when another process, or another journal object here, has it."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(
                f"the journal's lock file {path} cannot be opened: {error.strerror}"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            journal = path.with_name(path.name.removesuffix(".lock"))
            raise JournalInUse(
                f"the journal {journal} is in use: another amibus process writes it; "
                "stop that one or set another [journal] dir"
            ) from error
        try:
            missing = MARK_BYTES - os.fstat(descriptor).st_size
            if missing > 0:
                # Zeros, not a hole: a hole would need space when it is written.
                os.pwrite(descriptor, bytes(missing), MARK_BYTES - missing)
        except OSError as error:
            os.close(descriptor)
            raise JournalError(
                f"the journal's lock file {path} cannot be written: {error.strerror}"
            ) from error
        return cls(path, descriptor)

    def read(self) -> Note:
        """What was noted last; a note with zeros where there is none or it is damaged."""
        try:
            block = os.pread(self._descriptor, MARK_BYTES, 0)
            magic, checksum, size = _HEADER.unpack_from(block)
            body = block[_HEADER.size : _HEADER.size + size]
            if magic != _MAGIC or crc32(body) != checksum:
                return Note()
            last_pos, epoch, epoch_pos, last_us, held, cursors = msgpack.unpackb(body)
            return Note(last_pos, epoch, epoch_pos, last_us, held, cursors)
        except (OSError, ValueError, struct.error, msgpack.exceptions.UnpackException):
            return Note()

    def write(self, note: Note) -> bool:
        """Note; False when the disk refuses even this."""
        body = self._packed(note, note.cursors)
        if len(body) > MARK_BYTES - _HEADER.size:
            body = self._packed(note, {})
        try:
            block = _HEADER.pack(_MAGIC, crc32(body), len(body)) + body
            return os.pwrite(self._descriptor, block, 0) == len(block)
        except OSError:
            return False

    def close(self) -> None:
        """Give the lock back. A second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @staticmethod
    def _packed(note: Note, cursors: Mapping[str, int]) -> bytes:
        body: bytes = msgpack.packb(
            (note.last_pos, note.epoch, note.epoch_pos, note.last_us, note.held, cursors)
        )
        return body
