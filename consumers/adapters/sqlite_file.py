"""The one door to sqlite3: one file, one connection, one thread that works on it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from consumers.errors import BusUnreachable

_BUSY_SECS: Final = 10.0

SqliteConnection = sqlite3.Connection
T = TypeVar("T")


class FileDamaged(BusUnreachable):
    """It is no database, or what stands in it makes no sense."""


class SqliteFile:
    """The file `path` with the tables of `schema`, opened at the first use; `what` names it in errors.

    What `run` has committed outlasts a power cut.
    """

    def __init__(self, path: Path, schema: str, what: str) -> None:
        self._path = path
        self._schema = schema
        self._what = what
        self._connection: SqliteConnection | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=path.stem)

    async def run(self, work: Callable[[SqliteConnection], T]) -> T:
        """Do the work as one transaction, after what was asked for before. Raises `BusUnreachable`, and of
        it `FileDamaged`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._work, work)

    async def set_aside(self) -> Path:
        """Give the damaged file another name, so that a new one is begun. Raises `BusUnreachable`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._set_aside)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        self._executor.shutdown(wait=False)

    def _work(self, work: Callable[[SqliteConnection], T]) -> T:
        try:
            connection = self._opened()
            with connection:
                return work(connection)
        except sqlite3.Error as error:
            self._close()
            kind = FileDamaged if type(error) is sqlite3.DatabaseError else BusUnreachable
            raise kind(f"{self._what} {self._path} cannot be used: {error}") from error

    def _opened(self) -> SqliteConnection:
        if self._connection is None:
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECS, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            # What is put here is settled on the bus next: it must outlast a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(self._schema)
            self._connection = connection
        return self._connection

    def _set_aside(self) -> Path:
        self._close()
        aside = self._path.with_name(f"{self._path.name}.damaged")
        try:
            for suffix in ("", "-wal", "-shm"):
                file = self._path.with_name(self._path.name + suffix)
                if file.exists():
                    file.replace(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise BusUnreachable(f"{self._what} {self._path} cannot be renamed: {error.strerror}") from error
        return aside

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
