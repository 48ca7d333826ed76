"""The door to SQLite: one connection to one journal file, its errors turned into the journal's own.

Strategy
* WAL mode. `synchronous` is NORMAL for durability "process" and FULL for "power". NORMAL never leaves a
  damaged file after a power cut, it may only lose the last commits; what the process wrote survives its
  own end in either case.
* No automatic checkpoint: it would make a commit wait for the disk. The journal checkpoints from another
  thread, and through the writer where the log would else grow (see `checkpoint`).
* Connections are used by the one thread that opened them. Transactions are explicit; a single statement is
  its own.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from publisher.errors import JournalDamaged, JournalError

_BUSY_TIMEOUT_SECS: Final = 5.0
_CACHE_KIB: Final = 2048
_REASONS: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an input/output error",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_READONLY: "the file may not be written",
    sqlite3.SQLITE_PERM: "the file may not be written",
    sqlite3.SQLITE_BUSY: "another program holds a lock on the file",
    sqlite3.SQLITE_LOCKED: "another program holds a lock on the file",
    sqlite3.SQLITE_PROTOCOL: "another program holds a lock on the file",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
}

Value = int | str | bytes | None


class DiskRefused(JournalError):
    """The disk takes or gives nothing now; trying again later may work. The message is the reason."""


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
        # Ours, such as a closed connection: no news about the file.
        raise
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _REASONS:
            raise DiskRefused(_REASONS[code]) from error
        # What is left means that the file does not hold what this program put there: pages that cannot
        # be read, tables that are missing, text that does not decode, keys that exist twice.
        raise JournalDamaged(f"the journal {path} is damaged ({error})") from error
    except (OverflowError, UnicodeDecodeError) as error:
        raise JournalDamaged(f"the journal {path} is damaged (a value that cannot be read)") from error


def _make_private(path: Path) -> None:
    """Make the file, where there is none, for its user alone; the log beside it gets the same rights. One
    that is there is not touched: opening and closing it would drop the locks that SQLite holds on it."""
    with suppress(OSError):  # SQLite finds the same fault, and says it
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


class SqliteFile:
    """One connection. Every method raises `DiskRefused` or `JournalDamaged`, and nothing of sqlite3's."""

    def __init__(self, path: Path, *, writable: bool, power: bool = False, tolerant: bool = False) -> None:
        """Open; a writable file is made when it is missing.

        `tolerant` opens a damaged file to save what can be read from it.
        """
        self.path = path
        mode = "rwc" if writable else "ro"
        if writable:
            _make_private(path)
        with _translated(path):
            self._connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode={mode}",
                uri=True,
                isolation_level=None,
                timeout=_BUSY_TIMEOUT_SECS,
            )
        try:
            with _translated(path):
                execute = self._connection.execute
                if tolerant:
                    # Else SQLite reads nothing at all from a file that is shorter than its header says.
                    execute("PRAGMA writable_schema = ON")
                execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
                if writable:
                    execute("PRAGMA auto_vacuum = INCREMENTAL")
                    execute("PRAGMA journal_mode = WAL")
                    execute(f"PRAGMA synchronous = {'FULL' if power else 'NORMAL'}")
                    execute("PRAGMA wal_autocheckpoint = 0")
                else:
                    execute("PRAGMA query_only = ON")
        except JournalError:
            self._connection.close()
            raise

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Reads inside see one moment. It ends without a commit: on a damaged file even that can fail."""
        self.run("BEGIN DEFERRED")
        try:
            yield
        finally:
            self._roll_back()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Run one statement; how many rows it changed."""
        with _translated(self.path):
            return self._connection.execute(statement, values).rowcount

    def run_each(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        with _translated(self.path):
            self._connection.executemany(statement, rows)

    def run_script(self, script: str) -> None:
        """Run several statements. The script must not hold a transaction of its own."""
        with _translated(self.path):
            self._connection.executescript(script)

    def rows(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        with _translated(self.path):
            return self._connection.execute(statement, values).fetchall()

    def each(self, statement: str, values: Sequence[Value] = ()) -> Generator[tuple[Any, ...], None, None]:
        """Rows one at a time. Close the iterator to end the statement early."""
        with _translated(self.path):
            cursor = self._connection.execute(statement, values)
            try:
                yield from cursor
            finally:
                cursor.close()

    def value(self, statement: str, values: Sequence[Value] = ()) -> Any:
        """The first column of the first row; None without a row."""
        rows = self.rows(statement, values)
        return rows[0][0] if rows else None

    def checkpoint(self, mode: str = "PASSIVE") -> bool:
        """Bring the log into the file; whether all of it was.

        "PASSIVE" waits for nobody. "RESTART" also waits (at most the busy timeout) until readers are done
        with the log, so that it is written from its start again.
        """
        rows = self.rows(f"PRAGMA wal_checkpoint({mode})")
        busy, in_log, moved = rows[0]
        return not busy and in_log == moved

    def set_busy_timeout(self, secs: float) -> None:
        self.run(f"PRAGMA busy_timeout = {int(secs * 1000)}")

    def close(self) -> None:
        """Close; what an open transaction did is undone. Never raises."""
        try:
            self._connection.close()
        except sqlite3.Error:
            # The connection is gone either way; what it committed stands.
            return

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # A failed statement may have rolled back by itself; the next BEGIN tells if anything is wrong.
            return
