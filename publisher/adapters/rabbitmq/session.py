"""A session on RabbitMQ: messages numbered from 1, published in batches, confirmed by number.

Strategy: a batch is encoded into one piece of bytes and written; no future, lock or task exists for a
message. Confirms are counted (`publisher.confirms`); the one waiter in `settled` is woken by news.

A frozen broker is noticed three ways: its heartbeats stop (the driver drops the connection after about
four of them), the network drops the connection, or the oldest message stays unconfirmed for the
watchdog's time. While the broker says that it is blocked, only the first two count: it is alive then.

Bounds: what is unconfirmed is the caller's window; nothing else is held.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from publisher.adapters.rabbitmq.driver import Link, LinkEvents
from publisher.adapters.rabbitmq.frames import MessageEncoder
from publisher.adapters.rabbitmq.refusals import silent
from publisher.confirms import Confirms
from publisher.errors import BusError, BusLost
from publisher.ports import Settled
from schemas.broker_url import BrokerUrl
from schemas.message import Message

_CHECKS_PER_TIMEOUT = 10


class RabbitSession:
    """Implements `publisher.ports.BusSession`. One waiter at a time in `settled` and in `wait_unblocked`."""

    def __init__(
        self, url: BrokerUrl, link: Link, encoder: MessageEncoder, confirm_timeout_secs: float
    ) -> None:
        self._url = url
        self._link = link
        self._encoder = encoder
        self._confirms = Confirms()
        self._told_through = 0
        self._unroutable = 0
        self._blocked = ""
        self._error: BusError | None = None
        self._news = asyncio.Event()
        self._unblocked = asyncio.Event()
        self._unblocked.set()
        self._loop = asyncio.get_running_loop()
        # (last number of a batch, when it was written), oldest first.
        self._batches: deque[tuple[int, float]] = deque()
        self._patient_since = self._loop.time()
        self._timeout_secs = confirm_timeout_secs
        self._watchdog = self._loop.call_later(confirm_timeout_secs / _CHECKS_PER_TIMEOUT, self._watch)
        link.attach(LinkEvents(self._on_confirm, self._on_return, self._on_blocked, self._on_lost))

    def publish(self, messages: Sequence[Message]) -> None:
        """Send in one write. Raises `BusLost` (or `BusRefused`) when the session has ended.

        Raises `ValueError`, and sends nothing, for a message that AMQP cannot carry.
        """
        if self._error is not None:
            raise self._error
        frames = self._encoder.encode(messages)
        self._confirms.send(len(messages))
        self._batches.append((self._confirms.sent, self._loop.time()))
        self._link.write(frames)

    async def settled(self) -> Settled:
        """Wait for news. What was confirmed before the end is told before the end is."""
        while True:
            self._news.clear()
            confirms = self._confirms
            refused = confirms.take_refused()
            if refused or self._unroutable or confirms.settled_through > self._told_through:
                self._told_through = confirms.settled_through
                unroutable, self._unroutable = self._unroutable, 0
                return Settled(confirms.settled_through, refused, unroutable)
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
        """Close the connection: in good manners while it lives, at once when it does not."""
        lost = self._error is not None
        self._on_lost(BusLost(f"{self._url.shown}: the session was closed by us"))
        await self._link.close(at_once=lost)

    def _on_confirm(self, number: int, multiple: bool, ack: bool) -> None:
        if ack:
            self._confirms.ack(number, multiple)
        else:
            self._confirms.nack(number, multiple)
        self._news.set()

    def _on_return(self) -> None:
        # The confirm of a returned message follows it and wakes the waiter.
        self._unroutable += 1

    def _on_blocked(self, reason: str) -> None:
        self._blocked = reason
        if reason:
            self._unblocked.clear()
        else:
            self._patient_since = self._loop.time()
            self._unblocked.set()

    def _on_lost(self, error: BusError) -> None:
        if self._error is None:
            self._error = error
            self._watchdog.cancel()
            self._news.set()
            self._unblocked.set()

    def _watch(self) -> None:
        batches, settled = self._batches, self._confirms.settled_through
        while batches and batches[0][0] <= settled:
            batches.popleft()
        if batches and not self._blocked:
            since = max(batches[0][1], self._patient_since)
            if self._loop.time() - since > self._timeout_secs:
                self._on_lost(silent(self._url, self._timeout_secs))
                return
        self._watchdog = self._loop.call_later(self._timeout_secs / _CHECKS_PER_TIMEOUT, self._watch)
