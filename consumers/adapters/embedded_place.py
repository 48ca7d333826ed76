"""One binding's rows on the embedded bus of call events, and a subscription to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from heapq import heappop, heappush

from consumers.errors import BusLost
from consumers.ports import MAX_WAITING
from schemas.message import Delivery, Message

Row = tuple[int, Message]
Read = Callable[[str, int, int], Awaitable[list[Row]]]


class EmbeddedPlace:
    """How far a binding is: rows after `looked` were not handed out, those in `again` are to be once more.

    `waiting` counts all rows; up to `seen` they may have been delivered before.
    """

    def __init__(self, name: str, read: Read, settle: Callable[[EmbeddedPlace, int], None]) -> None:
        self.name = name
        self.keys: tuple[str, ...] = ()
        self.max_waiting = MAX_WAITING
        self.waiting = 0
        self.looked = 0
        self.seen = 0
        self.removed = False
        self.reading = asyncio.Lock()
        self._again: list[tuple[int, Message]] = []
        self._read = read
        self._settle = settle
        self._listeners: set[asyncio.Event] = set()

    async def take(self, limit: int) -> list[Delivery]:
        """At most `limit`, or nothing."""
        found: list[Delivery] = []
        while self._again and len(found) < limit:
            key, message = heappop(self._again)
            found.append(Delivery(key, message, True))
        if found:
            return found
        async with self.reading:
            for key, message in await self._read(self.name, self.looked, limit):
                self.looked = key
                found.append(Delivery(key, message, key <= self.seen))
        return found

    def settled(self, key: int) -> None:
        if not self.removed:
            self._settle(self, key)

    def returned(self, rows: Sequence[Row]) -> None:
        """They come again, before new ones."""
        for row in rows:
            heappush(self._again, row)
        self.wake()

    def listen(self, listener: asyncio.Event) -> None:
        self._listeners.add(listener)

    def leave(self, listener: asyncio.Event) -> None:
        self._listeners.discard(listener)

    def wake(self) -> None:
        for listener in self._listeners:
            listener.set()

    def remove(self) -> None:
        """It is gone, or its bus is."""
        self.removed = True
        self.wake()


class PlaceSubscription:
    """Implements `consumers.ports.Subscription`. A tag is a row's key."""

    def __init__(self, place: EmbeddedPlace, prefetch: int) -> None:
        self._place = place
        self._prefetch = prefetch
        self._unsettled: dict[int, Message] = {}
        self._news = asyncio.Event()
        self._closed = False
        place.listen(self._news)

    async def receive(self, limit: int = 500) -> Sequence[Delivery]:
        while True:
            self._news.clear()
            if self._closed or self._place.removed:
                raise BusLost(f"the subscription of binding {self._place.name!r} was closed")
            room = min(limit, self._prefetch - len(self._unsettled))
            found = await self._place.take(room) if room > 0 else []
            if self._closed:
                self._place.returned([(one.tag, one.message) for one in found])
                continue
            if found:
                self._unsettled.update((one.tag, one.message) for one in found)
                return found
            await self._news.wait()

    def settle(self, tag: int) -> None:
        if self._unsettled.pop(tag, None) is not None:
            self._place.settled(tag)
            self._news.set()

    def retry(self, tag: int) -> None:
        message = self._unsettled.pop(tag, None)
        if message is not None:
            self._place.returned([(tag, message)])

    async def consumers(self) -> int:
        """As the port says: nobody else can."""
        return 1

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._place.leave(self._news)
            self._place.returned(list(self._unsettled.items()))
            self._unsettled.clear()
            self._news.set()
