"""The parking lot of the embedded bus: one SQLite file beside the journals.

Whoever serves the bindings parks there; `amibus parked` works on the same file from another process, and what
it marks for replay comes to the binding within a second (`ReplayingSource`).

Bounds: `MOST_PARKED` events; beyond, `LotFull`, and the event's call waits.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from consumers.errors import BusUnreachable, LotFull
from consumers.ports import ParkedEvent
from schemas.message import Headers, Message
from schemas.timestamps import timestamp_text

FILE_NAME: Final = "parked.db"
MOST_PARKED: Final = 1_000_000
_BUSY_SECS: Final = 10.0
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

T = TypeVar("T")


class ParkingFile:
    """Implements `consumers.ports.ParkingLot`. One thread, one connection, opened at the first use."""

    def __init__(self, path: Path, now_us: Callable[[], int], most: int = MOST_PARKED) -> None:
        self._path = path
        self._now_us = now_us
        self._most = most
        self._connection: sqlite3.Connection | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="parking")

    async def park(self, binding: str, message: Message, reason: str, tries: int) -> None:
        about = _about(message)

        def insert(connection: sqlite3.Connection) -> None:
            (count,) = connection.execute("SELECT count(*) FROM parked").fetchone()
            if count >= self._most:
                raise LotFull(f"{count} events are parked in {self._path}; replay or drop some")
            connection.execute(
                "INSERT INTO parked (binding, reason, tries, parked_us, about, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (binding, reason, tries, self._now_us(), about, message.body),
            )

        await self._run(insert)

    async def parked(self, binding: str = "", limit: int = 1000) -> list[ParkedEvent]:
        def select(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute(
                "SELECT key, binding, reason, tries, parked_us, about, body FROM parked"
                " WHERE NOT replay AND (?1 = '' OR binding = ?1) ORDER BY key LIMIT ?2",
                (binding, limit),
            ).fetchall()

        return [
            ParkedEvent(str(key), name, reason, tries, timestamp_text(at_us), _message(about, body))
            for key, name, reason, tries, at_us, about, body in await self._run(select)
        ]

    async def replay(self, keys: Collection[str]) -> int:
        return await self._each("UPDATE parked SET replay = 1 WHERE key = ? AND NOT replay", keys)

    async def drop(self, keys: Collection[str]) -> int:
        return await self._each("DELETE FROM parked WHERE key = ?", keys)

    async def to_replay(self, binding: str, limit: int) -> list[tuple[int, Message]]:
        """What a binding is to get again, by number; the oldest first."""

        def select(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute(
                "SELECT key, about, body FROM parked WHERE replay AND binding = ? ORDER BY key LIMIT ?",
                (binding, limit),
            ).fetchall()

        return [(key, _message(about, body)) for key, about, body in await self._run(select)]

    async def replayed(self, keys: Collection[int]) -> None:
        """These were settled."""
        await self._each("DELETE FROM parked WHERE key = ? AND replay", [str(key) for key in keys])

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        self._executor.shutdown(wait=False)

    async def _each(self, statement: str, keys: Collection[str]) -> int:
        numbers = [(int(key),) for key in keys if key.isascii() and key.isdigit() and len(key) < 19]

        def change(connection: sqlite3.Connection) -> int:
            return connection.executemany(statement, numbers).rowcount if numbers else 0

        return max(0, await self._run(change))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._work, work)

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._opened()
            with connection:
                return work(connection)
        except sqlite3.Error as error:
            self._close()
            raise BusUnreachable(f"the parking lot {self._path} cannot be used: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECS, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            # What is parked is settled on the bus next: it must outlast a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_SCHEMA)
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _about(message: Message) -> str:
    """Everything but the body."""
    headers = message.headers
    return json.dumps(
        [
            message.routing_key,
            [headers.pbx, headers.epoch, headers.seq, headers.call, headers.linkedid, headers.cc],
            message.message_id,
            message.type,
            message.timestamp,
            message.content_type,
        ],
        ensure_ascii=False,
    )


def _message(about: str, body: bytes) -> Message:
    key, (pbx, epoch, seq, call, linkedid, cc), id, type_, timestamp, content_type = json.loads(about)
    headers = Headers(pbx, epoch, seq, call, linkedid, tuple(cc))
    return Message(key, headers, id, type_, timestamp, body, content_type)
