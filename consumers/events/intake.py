"""From the bus to the backlog: subscribed, read, filtered; after a loss subscribed again, for ever.

What cannot be read is parked. What the filter cannot decide in its time is parked too, and a filter in
quarantine holds the subscription up, so that nothing is taken for a "no"; or, where that was asked for, both
are given out with the reason.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from consumers.errors import BusRefused, ConsumerError
from consumers.events.backlog import Backlog
from consumers.events.held import Body, Feed, Held
from consumers.events.parker import Parker
from consumers.events.reports import BusBack, BusDown, StreamReporter
from consumers.filtering import QUARANTINED, LoneFilter, Said
from consumers.ports import Binding, BusSource, Subscription
from schemas.envelope import Event
from schemas.errors import DecodeError
from schemas.message import Delivery, Message

Reader = Callable[[Message], Body]

_FIRST_SECS: Final = 0.25
_MOST_SECS: Final = 15.0
_HALF_MADE_SECS: Final = 2.0
_LEAST_QUARANTINE_SECS: Final = 1.0


@dataclass(slots=True, frozen=True)
class Wanted:
    """What one subscription takes. `offer`: also what the filter cannot decide."""

    binding: Binding
    prefetch: int
    offer: bool = False


class Intake:
    """One subscription's. `begin`, then `run` until cancelled, then `end`."""

    def __init__(
        self,
        wanted: Wanted,
        source: BusSource,
        read: Reader,
        filter: LoneFilter | None,
        backlog: Backlog,
        parker: Parker,
        arrived: Callable[[], None],
        report: StreamReporter,
    ) -> None:
        self._wanted = wanted
        self._name = wanted.binding.name
        self._source = source
        self._read = read
        self._filter = filter
        self._backlog = backlog
        self._parker = parker
        self._arrived = arrived
        self._report = report
        self._feed: Feed | None = None
        self._count = 0

    async def begin(self) -> None:
        """Make the place on the bus and subscribe. Raises `ConsumerError`."""
        await self._source.bind(self._wanted.binding)
        self._feed = Feed(await self._subscribed())

    async def run(self) -> None:
        """Take what comes. Errors of the bus are told and overcome."""
        while True:
            assert self._feed is not None
            try:
                while True:
                    deliveries = await self._feed.subscription.receive()
                    await self._admit(self._feed, deliveries)
            except ConsumerError as error:
                await self._lose()
                await self._begin_again(error)

    async def end(self) -> bool:
        """Say what was settled and end; what was not comes again. Whether the bus was there until now."""
        alive = self._feed is not None and self._feed.alive
        await self._lose()
        if self._filter is not None:
            self._filter.close()
        return alive

    async def _subscribed(self) -> Subscription:
        making = asyncio.create_task(self._source.subscribe(self._name, self._wanted.prefetch))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            # A subscription that is left half-made would take events, and give them to nobody.
            await asyncio.wait([making], timeout=_HALF_MADE_SECS)
            if making.cancel() or making.cancelled() or making.exception() is not None:
                raise
            await making.result().close()
            raise

    async def _lose(self) -> None:
        """Whatever the subscription gave and is not settled comes again."""
        if self._feed is not None and self._feed.alive:
            self._feed.alive = False
            self._backlog.drop(self._feed)
            await self._feed.subscription.close()

    async def _begin_again(self, error: ConsumerError) -> None:
        step = _FIRST_SECS
        while True:
            secs = round(step * random.uniform(0.5, 1.0), 3)
            self._report(BusDown(self._name, str(error), secs))
            await asyncio.sleep(secs)
            step = min(_MOST_SECS, step * 2)
            try:
                made = await self._subscribed_or_bound()
            except ConsumerError as failed:
                error = failed
                continue
            missed = made or not self._wanted.binding.durable
            self._report(BusBack(self._name, missed))
            return

    async def _subscribed_or_bound(self) -> bool:
        """Subscribe to what is there, or make it anew; whether that was needed."""
        try:
            self._feed = Feed(await self._subscribed())
            return False
        except BusRefused:
            # Somebody has deleted the queue.
            await self._source.bind(self._wanted.binding)
            self._feed = Feed(await self._subscribed())
            return True

    async def _admit(self, feed: Feed, deliveries: Sequence[Delivery]) -> None:
        """Read and filter; what passes waits to be given out, in order."""
        good = []
        for delivery in deliveries:
            held = self._held(feed, delivery)
            if held.body is not None:
                good.append(held)
        while good:
            good = self._sorted(good, await self._answers(good))
            if good and self._filter is not None:
                await asyncio.sleep(max(_LEAST_QUARANTINE_SECS, self._filter.quarantine_secs))

    def _held(self, feed: Feed, delivery: Delivery) -> Held:
        self._count += 1
        message, again = delivery.message, delivery.redelivered
        try:
            return Held(feed, delivery.tag, self._count, message, self._read(message), again)
        except DecodeError as error:
            held = Held(feed, delivery.tag, self._count, message, None, again)
            self._parker.park(held, f"the body cannot be read: {error}")
            return held

    async def _answers(self, events: Sequence[Held]) -> Sequence[Said]:
        if self._filter is None:
            return [True] * len(events)
        return await self._filter.answers([held.body for held in events if isinstance(held.body, Event)])

    def _sorted(self, events: Sequence[Held], answers: Sequence[Said]) -> list[Held]:
        """Act on the answers; what is left for after the quarantine, from the first such on."""
        for index, (held, answer) in enumerate(zip(events, answers, strict=True)):
            if answer is False:
                held.settle()
            elif answer is True or self._wanted.offer:
                held.undecided = "" if answer is True else answer
                self._backlog.put(held)
                self._arrived()
            elif answer == QUARANTINED:
                return list(events[index:])
            else:
                self._parker.park(held, "the filter's pattern took too long on it")
        return []
