"""The embedded bus of call events: one SQLite file beside the journals.

A published message becomes a row for each binding that takes it, in one transaction for a whole batch, and
leaves when it is settled. The same transaction notes the raw event that the batch came to: what is published
once more after a crash, because the fold's state was older, is passed over. So a binding gets each call event
once, and again only what it had not settled.

Bounds: a binding holds `max_waiting` messages; beyond, the oldest that are not handed out go to the parking
lot, and where that takes no more they are dropped, which is reported. What is settled leaves the file within
a turn of the loop.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from consumers.adapters.embedded_place import EmbeddedPlace, PlaceSubscription
from consumers.adapters.message_row import about, message_of
from consumers.adapters.sqlite_file import FileDamaged, SqliteConnection, SqliteFile
from consumers.errors import BusLost, BusRefused, ConsumerError
from consumers.ports import Binding, ParkingLot
from consumers.reports import BindingReporter, CallEventsDropped, CallStateLost
from schemas.message import Message
from schemas.routing import TopicMatcher

FILE_NAME: Final = "calls.db"
_TOO_MANY: Final = "too many events were waiting for this binding"
_FLUSH_RETRY_SECS: Final = 1.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS binding (
    name TEXT PRIMARY KEY,
    keys TEXT NOT NULL,
    durable INTEGER NOT NULL,
    max_waiting INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS message (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    binding TEXT NOT NULL,
    about TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS message_by_binding ON message (binding, key);
CREATE TABLE IF NOT EXISTS published (pbx TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), state BLOB NOT NULL);
"""


class EmbeddedCalls:
    """Implements `consumers.ports.BusSource` and `consumers.ports.CallBus`. Opened at the first use."""

    def __init__(self, path: Path, lot: ParkingLot, report: BindingReporter, subject: str) -> None:
        """`subject` is what reports of the file itself are about."""
        self._file = SqliteFile(path, _SCHEMA, "the file of call events")
        self._lot = lot
        self._report = report
        self._subject = subject
        self._places: dict[str, EmbeddedPlace] | None = None
        self._matcher: TopicMatcher[str] = TopicMatcher()
        self._changing = asyncio.Lock()
        self._settled: list[int] = []
        self._flush_due = asyncio.Event()
        self._flusher: asyncio.Task[None] | None = None
        self._closed = False

    # -- as a source ----------------------------------------------------------

    async def bind(self, binding: Binding) -> None:
        """As the port says; a new binding begins now, whatever its `start`."""
        if not binding.name or not binding.keys:
            raise BusRefused(f"binding {binding.name!r} needs a name and at least one key")
        keys = tuple(dict.fromkeys(binding.keys))
        async with self._changing:
            places = await self._opened()
            row = (binding.name, json.dumps(keys), binding.durable, binding.max_waiting)
            await self._file.run(
                lambda connection: connection.execute(
                    "INSERT OR REPLACE INTO binding VALUES (?, ?, ?, ?)", row
                )
            )
            place = places.get(binding.name)
            if place is None:
                places[binding.name] = EmbeddedPlace(binding.name, self._read, self._settle)
                place = places[binding.name]
            place.keys, place.max_waiting = keys, binding.max_waiting
            self._keys_changed(places)

    async def unbind(self, name: str) -> None:
        """As the port says; its subscriptions end."""
        async with self._changing:
            places = await self._opened()

            def remove(connection: SqliteConnection) -> None:
                connection.execute("DELETE FROM binding WHERE name = ?", (name,))
                connection.execute("DELETE FROM message WHERE binding = ?", (name,))

            await self._file.run(remove)
            place = places.pop(name, None)
            if place is not None:
                self._keys_changed(places)
                place.remove()

    async def places(self, name: str) -> list[str]:
        """As the port says: one process serves a binding, so it is never divided."""
        return [name]

    async def subscribe(self, name: str, prefetch: int = 500) -> PlaceSubscription:
        """As the port says. Raises `BusRefused` when there is no such binding."""
        async with self._changing:
            place = (await self._opened()).get(name)
        if place is None:
            raise BusRefused(f"there is no binding {name!r}; bind it first")
        return PlaceSubscription(place, prefetch)

    async def close(self) -> None:
        """End the subscriptions; what is unsettled comes again."""
        if self._closed:
            return
        self._closed = True
        for place in (self._places or {}).values():
            place.remove()
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
            # What cannot be said any more comes again.
            with suppress(ConsumerError):
                await self._flush()
        await self._file.close()

    # -- as the bus that the fold publishes to ----------------------------------

    async def begin(self) -> None:
        async with self._changing:
            await self._opened()

    async def state(self) -> bytes:
        def select(connection: SqliteConnection) -> bytes:
            row = connection.execute("SELECT state FROM state").fetchone()
            return bytes(row[0]) if row else b""

        return await self._file.run(select)

    async def save(self, state: bytes) -> None:
        await self._file.run(
            lambda connection: connection.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (state,))
        )

    async def forget(self) -> None:
        def remove(connection: SqliteConnection) -> None:
            connection.execute("DELETE FROM state")
            connection.execute("DELETE FROM published")

        await self._file.run(remove)

    async def publish(self, messages: Sequence[Message]) -> None:
        """As the port says, as one transaction. All that is made of one raw event must be in one batch."""
        async with self._changing:
            places = await self._opened()
            routed = [
                (message, sorted(self._matcher.targets_of((message.routing_key, *message.headers.cc))))
                for message in messages
            ]
            added = await self._file.run(lambda connection: _insert(connection, routed))
            for name, count in added.items():
                places[name].waiting += count
                places[name].wake()
            for name in added:
                await self._keep_bound(places[name])

    # -- inside ---------------------------------------------------------------

    async def _opened(self) -> dict[str, EmbeddedPlace]:
        """The bindings by name. Those of an earlier process that were to end with it are gone."""
        if self._closed:
            raise BusLost("the bus of call events is closed")
        if self._places is None:
            try:
                rows = await self._file.run(_load)
            except FileDamaged as error:
                aside = await self._file.set_aside()
                self._report(CallStateLost(self._subject, f"{error}; it is put aside as {aside.name}"))
                rows = await self._file.run(_load)
            self._places = {}
            for name, keys, max_waiting, waiting, last in rows:
                place = EmbeddedPlace(name, self._read, self._settle)
                place.keys, place.max_waiting = tuple(json.loads(keys)), max_waiting
                place.waiting, place.seen = waiting, last
                self._places[name] = place
            self._keys_changed(self._places)
            self._flusher = asyncio.create_task(self._flush_for_ever())
        return self._places

    def _keys_changed(self, places: Mapping[str, EmbeddedPlace]) -> None:
        self._matcher = TopicMatcher()
        for place in places.values():
            for key in place.keys:
                self._matcher.bind(key, place.name)

    async def _read(self, binding: str, after: int, limit: int) -> list[tuple[int, Message]]:
        """The next rows of a binding."""

        def select(connection: SqliteConnection) -> list[Any]:
            return connection.execute(
                "SELECT key, about, body FROM message WHERE binding = ? AND key > ? ORDER BY key LIMIT ?",
                (binding, after, limit),
            ).fetchall()

        return [(key, message_of(told, body)) for key, told, body in await self._file.run(select)]

    async def _keep_bound(self, place: EmbeddedPlace) -> None:
        while (excess := place.waiting - place.max_waiting) > 0:
            async with place.reading:
                rows = await self._read(place.name, place.looked, min(excess, 500))
                if not rows:
                    return
                place.looked = rows[-1][0]
            dropped, why = 0, ""
            for _, message in rows:
                try:
                    await self._lot.park(place.name, message, _TOO_MANY, 0)
                except ConsumerError as error:
                    dropped, why = dropped + 1, str(error)
            if dropped:
                self._report(CallEventsDropped(place.name, dropped, why))
            await self._file.run(_deleting([key for key, _ in rows]))
            place.waiting -= len(rows)

    def _settle(self, place: EmbeddedPlace, key: int) -> None:
        place.waiting -= 1
        self._settled.append(key)
        self._flush_due.set()

    async def _flush_for_ever(self) -> None:
        while True:
            await self._flush_due.wait()
            # One turn later, so that the settling of a whole batch goes together.
            await asyncio.sleep(0)
            self._flush_due.clear()
            try:
                await self._flush()
            except ConsumerError:
                await asyncio.sleep(_FLUSH_RETRY_SECS)
                self._flush_due.set()

    async def _flush(self) -> None:
        settled, self._settled = self._settled, []
        try:
            await self._file.run(_deleting(settled))
        except BaseException:
            # Cancelled too: deleting twice does no harm.
            self._settled += settled
            raise


def _load(connection: SqliteConnection) -> list[Any]:
    connection.execute("DELETE FROM message WHERE binding NOT IN (SELECT name FROM binding WHERE durable)")
    connection.execute("DELETE FROM binding WHERE NOT durable")
    return connection.execute(
        "SELECT name, keys, max_waiting, count(message.key), coalesce(max(message.key), 0)"
        " FROM binding LEFT JOIN message ON message.binding = binding.name GROUP BY name"
    ).fetchall()


def _insert(connection: SqliteConnection, routed: Sequence[tuple[Message, Sequence[str]]]) -> Counter[str]:
    """A row for each message and binding, but for what was published before; how many for each binding."""
    rows = connection.execute("SELECT pbx, epoch, seq FROM published")
    known: dict[str, tuple[int, int]] = {pbx: (epoch, seq) for pbx, epoch, seq in rows}
    latest = dict(known)
    added: Counter[str] = Counter()
    for message, names in routed:
        headers = message.headers
        number = (headers.epoch, headers.seq)
        if number <= known.get(headers.pbx, (-1, -1)):
            continue
        latest[headers.pbx] = max(number, latest.get(headers.pbx, number))
        told = about(message)
        for name in names:
            connection.execute(
                "INSERT INTO message (binding, about, body) VALUES (?, ?, ?)", (name, told, message.body)
            )
            added[name] += 1
    changed = [(pbx, *number) for pbx, number in latest.items() if known.get(pbx) != number]
    connection.executemany("INSERT OR REPLACE INTO published VALUES (?, ?, ?)", changed)
    return added


def _deleting(keys: Sequence[int]) -> Callable[[SqliteConnection], None]:
    def delete(connection: SqliteConnection) -> None:
        connection.executemany("DELETE FROM message WHERE key = ?", [(key,) for key in keys])

    return delete
