"""A bus in memory that loses sessions, nacks, blocks and refuses when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from publisher.confirms import Confirms
from publisher.errors import BusError, BusLost
from publisher.ports import Settled
from schemas.message import Message


class FakeBus:
    """Implements `publisher.ports.Bus`. `stored` is what its one queue holds, in order."""

    def __init__(self) -> None:
        self.stored: list[Message] = []
        self.open_errors: list[BusError] = []
        """Raised by the next calls of `open`, one each."""
        self.nack: Callable[[Message], bool] = lambda message: False
        self.unroutable: Callable[[Message], bool] = lambda message: False
        self.confirming = True
        """False: messages are stored, but nothing is said of them."""
        self.sessions: list[FakeSession] = []
        self.most_in_flight = 0

    async def open(self) -> FakeSession:
        await asyncio.sleep(0)
        if self.open_errors:
            raise self.open_errors.pop(0)
        session = FakeSession(self)
        self.sessions.append(session)
        return session

    @property
    def session(self) -> FakeSession:
        return self.sessions[-1]


class FakeSession:
    """Implements `publisher.ports.BusSession`."""

    def __init__(self, bus: FakeBus) -> None:
        self._bus = bus
        self._confirms = Confirms()
        self._told = 0
        self._unroutable = 0
        self._error: BusError | None = None
        self._blocked = ""
        self._news = asyncio.Event()
        self._unblocked = asyncio.Event()
        self._unblocked.set()
        self._said = 0
        self.batches: list[int] = []
        self.closed = False

    def publish(self, messages: Sequence[Message]) -> None:
        if self._error is not None:
            raise self._error
        assert messages, "an empty write"
        assert not self._blocked, "published while blocked"
        self.batches.append(len(messages))
        bus, confirms = self._bus, self._confirms
        for message in messages:
            confirms.send(1)
            number = confirms.sent
            refused = bus.nack(message)
            if not refused:
                bus.stored.append(message)
                self._unroutable += bus.unroutable(message)
            asyncio.get_running_loop().call_soon(self._say, number, refused)
        bus.most_in_flight = max(bus.most_in_flight, confirms.outstanding)

    async def settled(self) -> Settled:
        while True:
            self._news.clear()
            refused = self._confirms.take_refused()
            if refused or self._confirms.settled_through > self._told:
                self._told = self._confirms.settled_through
                unroutable, self._unroutable = self._unroutable, 0
                return Settled(self._told, refused, unroutable)
            if self._error is not None:
                raise self._error
            await self._news.wait()

    @property
    def blocked(self) -> str:
        return self._blocked

    async def wait_unblocked(self) -> None:
        await self._unblocked.wait()
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        self.closed = True
        self.lose(BusLost("closed by us"))

    def lose(self, error: BusError | None = None) -> None:
        """End the session: what was not confirmed stays unknown."""
        if self._error is None:
            self._error = error or BusLost("the line was cut")
            self._news.set()
            self._unblocked.set()

    def block(self, reason: str) -> None:
        self._blocked = reason
        self._unblocked.clear()

    def unblock(self) -> None:
        self._blocked = ""
        self._unblocked.set()

    def _say(self, number: int, refused: bool) -> None:
        if self._error is not None or not (self._bus.confirming or refused):
            return
        if refused:
            self._confirms.nack(number, multiple=False)
        else:
            self._confirms.ack(number, multiple=False)
        self._news.set()
