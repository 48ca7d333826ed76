"""The parking lot of the embedded bus: one SQLite file beside the journals.

Whoever serves the bindings parks there; `amibus parked` works on the same file from another process, and what
it marks for replay comes to the binding within a second (`ReplayingSource`).

Bounds: `MOST_PARKED` events; beyond, `LotFull`, and the event's call waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from consumers.adapters.message_row import about, message_of
from consumers.adapters.sqlite_file import SqliteConnection, SqliteFile
from consumers.errors import LotFull
from consumers.ports import ParkedEvent
from schemas.message import Message
from schemas.timestamps import timestamp_text

FILE_NAME: Final = "parked.db"
MOST_PARKED: Final = 1_000_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS parked (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    binding TEXT NOT NULL,
    reason TEXT NOT NULL,
    tries INTEGER NOT NULL,
    parked_us INTEGER NOT NULL,
    about TEXT NOT NULL,
    body BLOB NOT NULL,
    replay INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS parked_by_binding ON parked (binding, key);
CREATE INDEX IF NOT EXISTS parked_to_replay ON parked (binding, key) WHERE replay;
"""


class ParkingFile:
    """Implements `consumers.ports.ParkingLot`. One thread, one connection, opened at the first use."""

    def __init__(self, path: Path, now_us: Callable[[], int], most: int = MOST_PARKED) -> None:
        self._path = path
        self._now_us = now_us
        self._most = most
        self._file = SqliteFile(path, _SCHEMA, "the parking lot")

    async def park(self, binding: str, message: Message, reason: str, tries: int) -> None:
        told = about(message)

        def insert(connection: SqliteConnection) -> None:
            (count,) = connection.execute("SELECT count(*) FROM parked").fetchone()
            if count >= self._most:
                raise LotFull(f"{count} events are parked in {self._path}; replay or drop some")
            connection.execute(
                "INSERT INTO parked (binding, reason, tries, parked_us, about, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (binding, reason, tries, self._now_us(), told, message.body),
            )

        await self._file.run(insert)

    async def parked(self, binding: str = "", limit: int = 1000) -> list[ParkedEvent]:
        def select(connection: SqliteConnection) -> list[Any]:
            return connection.execute(
                "SELECT key, binding, reason, tries, parked_us, about, body FROM parked"
                " WHERE NOT replay AND (?1 = '' OR binding = ?1) ORDER BY key LIMIT ?2",
                (binding, limit),
            ).fetchall()

        return [
            ParkedEvent(str(key), name, reason, tries, timestamp_text(at_us), message_of(told, body))
            for key, name, reason, tries, at_us, told, body in await self._file.run(select)
        ]

    async def replay(self, keys: Collection[str]) -> int:
        return await self._each("UPDATE parked SET replay = 1 WHERE key = ? AND NOT replay", keys)

    async def drop(self, keys: Collection[str]) -> int:
        return await self._each("DELETE FROM parked WHERE key = ?", keys)

    async def to_replay(self, binding: str, limit: int) -> list[tuple[int, Message]]:
        """What a binding is to get again, by number; the oldest first."""

        def select(connection: SqliteConnection) -> list[Any]:
            return connection.execute(
                "SELECT key, about, body FROM parked WHERE replay AND binding = ? ORDER BY key LIMIT ?",
                (binding, limit),
            ).fetchall()

        return [(key, message_of(told, body)) for key, told, body in await self._file.run(select)]

    async def replayed(self, keys: Collection[int]) -> None:
        """These were settled."""
        await self._each("DELETE FROM parked WHERE key = ? AND replay", [str(key) for key in keys])

    async def close(self) -> None:
        await self._file.close()

    async def _each(self, statement: str, keys: Collection[str]) -> int:
        numbers = [(int(key),) for key in keys if key.isascii() and key.isdigit() and len(key) < 19]

        def change(connection: SqliteConnection) -> int:
            return connection.executemany(statement, numbers).rowcount if numbers else 0

        return max(0, await self._file.run(change))
