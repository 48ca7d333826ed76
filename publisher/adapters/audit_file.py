"""The audit: one JSON line for each command that is sent and for each that ends, in files that rotate.

A line that the disk refuses is an error for whoever writes it; nothing is sent without its line. Half a line
that a full disk took is ended before the next one, so that each line stands by itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from publisher.errors import CommandJournalError


class _LineFile(RotatingFileHandler):
    """The standard library's rotating file, whose errors are raised and whose files only the owner reads."""

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        raise


class AuditFile:
    """Appends to `path`; beyond `max_bytes` the file is renamed, and `kept` old ones are kept."""

    def __init__(self, path: Path, max_bytes: int, kept: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._file: _LineFile | None = None
        self._torn = False

    def write(self, lines: Iterable[bytes]) -> None:
        """Append lines, each without its end. Raises `CommandJournalError`; some of them may stand then."""
        text = b"\n".join(lines).decode("utf-8", "replace")
        if not text:
            return
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = _LineFile(
                    self._path, maxBytes=self._max_bytes, backupCount=self._kept, encoding="utf-8"
                )
            self._file.emit(logging.makeLogRecord({"msg": "\n" + text if self._torn else text}))
            self._torn = False
        except OSError as error:
            self._torn = True
            raise CommandJournalError(
                f"the audit {self._path} cannot be written: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Close the file. Never raises."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError:
                # What could not be written was told to whoever wrote it.
                return
