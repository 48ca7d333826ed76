"""One binding served: from its place on the bus through its filter to its sink, until it is stopped.

What breaks is replaced: a lost subscription by a new one, a sink that is away by its next opening. A runner
shares nothing with other runners but the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from consumers.dispatching.held import Feed, Held
from consumers.dispatching.intake import Answer, Gate, decode_all
from consumers.dispatching.settings import DispatchSettings
from consumers.dispatching.share import surplus
from consumers.dispatching.worker import PARKING_RETRY_SECS, Worker
from consumers.errors import BusRefused, ConsumerError
from consumers.plugin import Sink, SinkEvent
from consumers.ports import Binding, BusSource, ParkingLot
from consumers.reports import (
    BindingBusDown,
    BindingEnded,
    BindingReporter,
    BindingServed,
    FilterQuarantined,
    FilterTimedOut,
)
from consumers.waits import doubled_secs
from schemas.message import Delivery, Message

_BATCH: Final = 200
_FIRST_SECS: Final = 0.5
_MOST_SECS: Final = 30.0
_LEAST_QUARANTINE_SECS: Final = 1.0
_SHARE_SECS: Final = 2.0


class BindingRunner:
    """See the module. `run` until cancelled; it then drains."""

    def __init__(
        self,
        binding: Binding,
        settings: DispatchSettings,
        source: BusSource,
        gate: Gate,
        sink: Sink,
        lot: ParkingLot,
        report: BindingReporter,
    ) -> None:
        self._binding = binding
        self._settings = settings
        self._source = source
        self._gate = gate
        self._report = report
        self._feeds: dict[str, Feed] = {}
        self.worker = Worker(binding.name, settings, sink, lot, report)
        self.filtered_out = 0

    @property
    def name(self) -> str:
        return self._binding.name

    async def run(self) -> None:
        """Serve it, until cancelled; then finish what is under way (see `DispatchSettings.drain_secs`)."""
        tasks = [asyncio.create_task(work()) for work in (self.worker.run, self._serve)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            tasks[0].cancel()
            await self.worker.drain()
            # Only now: the subscriptions' ends say what was settled.
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._gate.close()
            self._report(BindingEnded(self.name, self.worker.taken, self.worker.parked))

    async def _serve(self) -> None:
        """Bind, and take from each of the binding's places; after a loss from the beginning."""
        failures = 0
        while True:
            try:
                await self._source.bind(self._binding)
                places = await self._source.places(self.name)
                self._report(BindingServed(self.name, type(self.worker.keeper.sink).__name__))
                failures = 0
                await self._take_from_all(places)
            except ConsumerError as error:
                failures += 1
                await self._pause(error, failures)

    async def _take_from_all(self, places: Sequence[str]) -> None:
        """Until one of them is lost; the others end with it."""
        tasks = [asyncio.create_task(self._take_from(place)) for place in places]
        if len(places) > 1:
            tasks.append(asyncio.create_task(self._share(len(places))))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_from(self, place: str) -> None:
        """One place, by one subscription after the other: it may be let go for another process."""
        while True:
            feed = Feed(await self._source.subscribe(place, self._settings.prefetch))
            self._feeds[place] = feed
            try:
                await self._take_until_let_go(feed)
                await self.worker.finish(feed)
            finally:
                self.worker.feed_lost(feed)
                del self._feeds[place]
                await feed.subscription.close()

    async def _take_until_let_go(self, feed: Feed) -> None:
        let_go = asyncio.create_task(feed.let_go.wait())
        receiving: asyncio.Task[Sequence[Delivery]] | None = None
        try:
            while not feed.let_go.is_set():
                receiving = asyncio.create_task(_received(feed))
                await asyncio.wait((receiving, let_go), return_when=asyncio.FIRST_COMPLETED)
                if receiving.done():
                    await self._admit(feed, receiving.result())
        finally:
            for task in (let_go, receiving):
                if task is not None:
                    task.cancel()
            await asyncio.gather(let_go, *([receiving] if receiving else []), return_exceptions=True)

    async def _share(self, partitions: int) -> None:
        """Let go of partitions that are above this process's share."""
        before = 0
        while True:
            await asyncio.sleep(_SHARE_SECS)
            ours = {place: feed for place, feed in self._feeds.items() if feed.delivered}
            if not ours:
                continue
            consumers = await self._consumers()
            # Twice the same: whoever has just come or gone is counted everywhere.
            if consumers and consumers == before:
                busy = {place: self.worker.busy_with(feed) for place, feed in ours.items()}
                for place in surplus(busy, partitions, consumers):
                    ours[place].let_go.set()
            before = consumers

    async def _consumers(self) -> int:
        """How many processes take from the binding, by what any of its places says."""
        for feed in list(self._feeds.values()):
            # One that is just being let go, or lost, has nothing to say.
            if feed.alive and not feed.let_go.is_set():
                with suppress(ConsumerError):
                    return await feed.subscription.consumers()
        return 0

    async def _pause(self, error: ConsumerError, failures: int) -> None:
        step = doubled_secs(_FIRST_SECS, _MOST_SECS, failures)
        if isinstance(error, BusRefused):
            step = _MOST_SECS
        self._report(BindingBusDown(self.name, str(error), step))
        await asyncio.sleep(step)

    async def _admit(self, feed: Feed, deliveries: Sequence[Delivery]) -> None:
        """Decode and filter deliveries; what passes goes to the worker, in order."""
        feed.delivered = True
        decoded = decode_all(deliveries)
        for delivery, reason in decoded.bad:
            await self._put_aside(feed, delivery.tag, delivery.message, reason)
        rest = decoded.good
        while rest:
            answers = await self._gate.answers([event.event for _, event in rest])
            rest = await self._sort(feed, rest, answers)
            if rest:
                secs = max(_LEAST_QUARANTINE_SECS, self._gate.quarantine_secs)
                self._report(FilterQuarantined(self.name, round(secs, 1)))
                await asyncio.sleep(secs)

    async def _sort(
        self, feed: Feed, events: Sequence[tuple[Delivery, SinkEvent]], answers: Sequence[Answer]
    ) -> list[tuple[Delivery, SinkEvent]]:
        """Act on the answers; what is left for after the quarantine, from the first such on."""
        for index, ((delivery, event), answer) in enumerate(zip(events, answers, strict=True)):
            match answer:
                case Answer.YES:
                    headers = delivery.message.headers
                    lane = f"{headers.pbx}/{headers.call}"
                    self.worker.put(Held(feed, delivery.tag, event, lane, delivery.redelivered))
                case Answer.NO:
                    self.filtered_out += 1
                    feed.subscription.settle(delivery.tag)
                case Answer.TIMEOUT:
                    self._report(FilterTimedOut(self.name, event.id))
                    reason = "the filter's pattern took too long on it"
                    await self._put_aside(feed, delivery.tag, delivery.message, reason)
                case Answer.QUARANTINED:
                    return list(events[index:])
        return []

    async def _put_aside(self, feed: Feed, tag: int, message: Message, reason: str) -> None:
        while True:
            if await self.worker.park(message, reason, 0):
                feed.subscription.settle(tag)
                return
            await asyncio.sleep(PARKING_RETRY_SECS)


async def _received(feed: Feed) -> Sequence[Delivery]:
    return await feed.subscription.receive(_BATCH)
