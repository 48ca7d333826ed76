"""One subscription: events to iterate over, each to be settled by whoever gets it.

    bus ─▶ intake (read, filter) ─▶ backlog (a call each) ─▶ async for ─▶ ack, retry or reject

Invariants
* At most `prefetch` events are held, whether they wait, are in hand, were put off or are being parked. The
  bus gives no more before some are settled.
* Events are given out in the order of the bus. One that is put off holds up its own call, and no other.
* A loss of the bus ends nothing: what was not settled comes again, marked `redelivered`; but what was acked
  here does not, even where the bus has not heard of it.
* Cancelling whoever waits for an event loses none.

Several tasks may iterate over one stream: each event goes to one of them. Its order within a call is then
theirs to keep.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from consumers.errors import ConsumerError
from consumers.events.acked_ids import AckedIds
from consumers.events.backlog import Backlog
from consumers.events.held import Held
from consumers.events.intake import Intake, Reader, Wanted
from consumers.events.parker import Parker
from consumers.events.received import Received, Settling
from consumers.events.reports import FilterQuarantined, StreamReporter
from consumers.filtering import CompiledFilter, LoneFilter, PatternQuarantined
from consumers.ports import BusSource, ParkingLot
from consumers.waits import doubled_secs

T = TypeVar("T", bound=Received)

NOT_NAMED: Final = "(no name)"
"""What the parking lot calls the subscriptions without a name: their events cannot be replayed."""

_RETRY_SECS: Final = 1.0
_RETRY_MOST_SECS: Final = 60.0
# RabbitMQ ends a channel that leaves a delivery unsettled for half an hour.
_LONGEST_WAIT_SECS: Final = 600.0
_DRAIN_SECS: Final = 5.0


class EventStream(Generic[T]):
    """Made by `EventClient`; to be used as a context, once."""

    def __init__(
        self,
        wanted: Wanted,
        source: BusSource,
        lot: ParkingLot,
        read: Reader,
        wrap: Callable[[Held, Settling], T],
        filter: CompiledFilter | None,
        ack_when_next: bool,
        report: StreamReporter,
    ) -> None:
        self._binding = wanted.binding
        self._source = source
        self._wrap = wrap
        self._ack_when_next = ack_when_next
        self._backlog = Backlog()
        self._news = asyncio.Event()
        self._acked = AckedIds()
        self._report = report
        self._tasks: list[asyncio.Task[None]] = []
        self._used = False
        self._closed = False
        self.name = self._binding.name
        label = self.name if self._binding.durable else NOT_NAMED
        self._parker = Parker(self.name, label, lot, report)
        asked = None if filter is None else LoneFilter(filter, self._quarantined)
        self._intake = Intake(
            wanted, source, read, asked, self._backlog, self._parker, self._news.set, report
        )

    async def __aenter__(self) -> Self:
        """Subscribe. Raises `BusUnreachable` and `BusRefused`; later losses are overcome, and told."""
        if self._used:
            raise RuntimeError("a subscription can be used once; ask the client for another one")
        self._used = True
        try:
            await self._intake.begin()
        except BaseException:
            await self._intake.end()
            raise
        self._tasks = [asyncio.create_task(work()) for work in (self._intake.run, self._parker.run)]
        for task in self._tasks:
            task.add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Park what was rejected (for at most 5 s), say what was acked, and end. What is not settled comes
        again to whoever is next. Whoever iterates has come to the end."""
        if self._closed or not self._tasks:
            return
        self._closed = True
        self._news.set()
        try:
            await self._parker.drained(_DRAIN_SECS)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            alive = await self._intake.end()
            if alive and not self._binding.durable:
                # The queue would else stay as long as the connection.
                with suppress(ConsumerError):
                    await self._source.unbind(self.name)

    async def __aiter__(self) -> AsyncIterator[T]:
        while (event := await self.next_event()) is not None:
            yield event
            if self._ack_when_next:
                event.ack()

    async def next_event(self) -> T | None:
        """The next event; None once the stream is closed. May be cancelled: the event stays for the next."""
        if not self._tasks:
            raise RuntimeError("subscribe first: async with bus.subscribe(…) as events")
        now = asyncio.get_running_loop().time
        while not self._closed:
            for task in self._tasks:
                if task.done():
                    # A fault of ours, or of the function that gets the reports.
                    task.result()
            held = self._backlog.take(now())
            if held is None:
                self._news.clear()
                await self._wait(self._backlog.due, now())
            elif self._acked.covers(held):
                self.acked(held)
            else:
                held.attempt += 1
                return self._wrap(held, self)
        return None

    async def _wait(self, due: float | None, now: float) -> None:
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - now)):
                await self._news.wait()
        except TimeoutError:
            return

    def _quarantined(self, found: PatternQuarantined) -> None:
        self._report(FilterQuarantined(self.name, found.part, round(found.retry_secs, 1)))

    # -- for the events in hand ------------------------------------------------

    def acked(self, held: Held) -> None:
        self._acked.note(held)
        held.settle()

    def put_off(self, held: Held, after_secs: float | None) -> None:
        if after_secs is None:
            after_secs = doubled_secs(_RETRY_SECS, _RETRY_MOST_SECS, held.attempt)
        if held.feed.alive:
            wait = min(_LONGEST_WAIT_SECS, max(0.0, after_secs))
            self._backlog.put_off(held, asyncio.get_running_loop().time() + wait)
            self._news.set()

    def rejected(self, held: Held, reason: str) -> None:
        self._parker.park(held, reason)
