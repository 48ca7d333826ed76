"""A bus as consumers see it, in memory: places with single consumers, losses when it is told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar

from consumers.errors import BusLost, ConsumerError
from consumers.ports import Binding
from schemas.message import Delivery, Message

# The process that subscribes, where a test has several.
owner: ContextVar[object] = ContextVar("owner", default=None)


class FakePlace:
    """A queue. Its first subscription is the active one, as with a single active consumer."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Message, bool]] = deque()
        self.settled: list[str] = []
        self.on_settle: Callable[[str], None] = lambda id: None
        self.subscriptions: list[FakeSubscription] = []

    def put(self, message: Message) -> None:
        self.waiting.append((message, False))
        self.wake()

    def wake(self) -> None:
        for subscription in self.subscriptions:
            subscription.news.set()


class FakeSource:
    """Implements `consumers.ports.BusSource`. `errors` are raised by the next calls of `bind`, one each."""

    def __init__(self, places: int = 1) -> None:
        self.places_of: dict[str, FakePlace] = {}
        self._count = places
        self.bound: list[Binding] = []
        self.errors: list[ConsumerError] = []

    def place(self, name: str) -> FakePlace:
        return self.places_of.setdefault(name, FakePlace())

    async def bind(self, binding: Binding) -> None:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        self.bound.append(binding)

    async def unbind(self, name: str) -> None:
        for place in await self.places(name):
            del self.places_of[place]

    async def places(self, name: str) -> list[str]:
        return [name] if self._count == 1 else [f"{name}:{index}" for index in range(self._count)]

    async def subscribe(self, name: str, prefetch: int = 500) -> FakeSubscription:
        return FakeSubscription(self.place(name), prefetch)

    def lose(self) -> None:
        """Every subscription ends, as when the broker is killed."""
        for place in self.places_of.values():
            for subscription in list(place.subscriptions):
                subscription.lose()

    async def close(self) -> None:
        self.lose()


class FakeSubscription:
    """Implements `consumers.ports.Subscription`."""

    def __init__(self, place: FakePlace, prefetch: int) -> None:
        self._place = place
        self._prefetch = prefetch
        self._open: dict[int, Message] = {}
        self._tag = 0
        self._over = False
        self.news = asyncio.Event()
        self.owner = owner.get()
        place.subscriptions.append(self)

    async def receive(self, limit: int = 500) -> Sequence[Delivery]:
        while True:
            if self._over:
                raise BusLost("the subscription is over")
            room = min(limit, self._prefetch - len(self._open))
            if self._place.subscriptions[0] is self and self._place.waiting and room:
                break
            self.news.clear()
            await self.news.wait()
        found = []
        while self._place.waiting and len(found) < room:
            message, again = self._place.waiting.popleft()
            self._tag += 1
            self._open[self._tag] = message
            found.append(Delivery(self._tag, message, again))
        return found

    def settle(self, tag: int) -> None:
        if self._over:
            return
        id = self._open.pop(tag).message_id
        self._place.on_settle(id)
        self._place.settled.append(id)
        self.news.set()

    def retry(self, tag: int) -> None:
        if not self._over:
            self._place.waiting.appendleft((self._open.pop(tag), True))
            self.news.set()

    async def consumers(self) -> int:
        return len(self._place.subscriptions)

    def lose(self) -> None:
        """What is not settled stands first in the queue again, in its order."""
        if self._over:
            return
        self._over = True
        self._place.subscriptions.remove(self)
        self._place.waiting.extendleft((message, True) for message in reversed(self._open.values()))
        self.news.set()
        self._place.wake()

    async def close(self) -> None:
        self.lose()
