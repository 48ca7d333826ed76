"""One binding's takes: which events go to the sink when, and what becomes of each.

Bounds: `concurrency` takes at once, each ended after `take_secs`; what waits is bounded by the prefetch.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from consumers.dispatching.held import Feed, Held
from consumers.dispatching.lanes import Lanes
from consumers.dispatching.recent import RecentIds
from consumers.dispatching.settings import DispatchSettings
from consumers.dispatching.sink_keeper import SinkKeeper
from consumers.dispatching.strikes import Strikes
from consumers.errors import ConsumerError, SinkUnavailable
from consumers.plugin import Done, Outcome, Reject, Retry, Sink
from consumers.ports import ParkingLot
from consumers.reports import BindingCrashed, BindingReporter, EventParked, ParkingFailed
from consumers.waits import doubled_secs
from schemas.message import Message

PARKING_RETRY_SECS: Final = 2.0
_REASON_CHARS: Final = 500
# What another side may ask for at most: RabbitMQ ends a consumer that settles nothing for 30 minutes.
_LONGEST_WAIT_SECS: Final = 1_200.0


class Worker:
    """See the module. `run` until cancelled; `stir` it whenever something may go."""

    def __init__(
        self,
        binding: str,
        settings: DispatchSettings,
        sink: Sink,
        lot: ParkingLot,
        report: BindingReporter,
    ) -> None:
        self._binding = binding
        self._settings = settings
        self._lot = lot
        self._report = report
        self._strikes = Strikes()
        self._recent = RecentIds()
        self._stirred = asyncio.Event()
        self._takes: set[asyncio.Task[None]] = set()
        self._lanes = Lanes()
        self._draining = False
        self.keeper = SinkKeeper(binding, sink, report, self._stirred.set)
        self.parked = 0

    @property
    def taken(self) -> int:
        """Events that the sink has taken."""
        return self._strikes.taken

    def put(self, held: Held) -> None:
        """Let it go to the sink when its turn comes."""
        self._lanes.add(held)
        self._stirred.set()

    def feed_lost(self, feed: Feed) -> None:
        """The bus delivers again what was not settled; only what is under way goes on."""
        feed.alive = False
        self._lanes.drop_waiting(feed)

    async def finish(self, feed: Feed) -> None:
        """Begin no more of a feed, and wait until nothing of it is under way."""
        self.feed_lost(feed)
        while self._lanes.busy_with(feed):
            await asyncio.wait(self._takes, return_when=asyncio.FIRST_COMPLETED)

    def busy_with(self, feed: Feed) -> int:
        """How many events of a feed are under way."""
        return self._lanes.busy_with(feed)

    async def run(self) -> None:
        opening = asyncio.create_task(self.keeper.run())
        try:
            while True:
                self._stirred.clear()
                self._begin_takes()
                due = self._lanes.due() if self._has_room else None
                await self._stir_or_due(due)
        finally:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)

    async def drain(self) -> None:
        """Begin nothing more; wait for what is under way, at most `drain_secs`, then cancel it."""
        self._draining = True
        if self._takes:
            _, late = await asyncio.wait(self._takes, timeout=self._settings.drain_secs)
            for take in late:
                take.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.keeper.close()

    @property
    def _has_room(self) -> bool:
        return self.keeper.ready and not self._draining and len(self._takes) < self._settings.concurrency

    async def _stir_or_due(self, due: float | None) -> None:
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - now)):
                await self._stirred.wait()
        except TimeoutError:
            return

    def _begin_takes(self) -> None:
        loop = asyncio.get_running_loop()
        while self._has_room:
            batch = self._lanes.next_batch(loop.time(), self._settings.most_events)
            if not batch:
                return
            take = loop.create_task(self._take(batch))
            self._takes.add(take)
            take.add_done_callback(self._ended)

    def _ended(self, take: asyncio.Task[None]) -> None:
        self._takes.discard(take)
        self._stirred.set()

    async def _take(self, batch: Sequence[Held]) -> None:
        try:
            fresh = await self._offered(batch)
            outcomes = await self._ask(fresh) if fresh else None
            if outcomes is not None:
                await self._apply(fresh, outcomes)
        except Exception as error:  # A fault of ours: told, and not at once again.
            self._report(
                BindingCrashed(self._binding, f"{type(error).__name__}: {error}", PARKING_RETRY_SECS)
            )
            for held in batch:
                held.not_before = asyncio.get_running_loop().time() + PARKING_RETRY_SECS
        finally:
            self._lanes.back(batch, [held for held in batch if held.feed.alive and not held.settled])

    async def _offered(self, batch: Sequence[Held]) -> list[Held]:
        """Those that the sink is to get. What it took before, so that only the settling got lost, is settled;
        what is doomed and cannot be parked now is not offered again, and its lane waits for it."""
        stuck: set[str] = set()
        for held in batch:
            if (held.redelivered or self._settings.once) and held.event.id in self._recent:
                held.settle()
            elif held.doomed and not await self._park(held, held.doomed):
                stuck.add(held.lane)
        return [held for held in batch if not held.settled and held.lane not in stuck]

    async def _ask(self, batch: Sequence[Held]) -> Sequence[Outcome] | None:
        """The sink's answers, one for each; None when it takes nothing now."""
        keeper = self.keeper
        if not keeper.ready:
            return None
        for held in batch:
            held.event.attempt = held.strikes + 1
        try:
            async with asyncio.timeout(self._settings.take_secs):
                said = await keeper.sink.take([held.event for held in batch])
        except SinkUnavailable as error:
            keeper.away(str(error))
            return None
        except TimeoutError:
            return [Retry(f"the sink took longer than {self._settings.take_secs:g} s")] * len(batch)
        except Exception as error:  # A sink is somebody else's code: its faults are its events' tries.
            return [Retry(f"{type(error).__name__}: {error}")] * len(batch)
        return outcomes_of(said, len(batch))

    async def _apply(self, batch: Sequence[Held], outcomes: Sequence[Outcome]) -> None:
        """Settle, put off or park each."""
        taken = [held for held, outcome in zip(batch, outcomes, strict=True) if isinstance(outcome, Done)]
        for held in taken:
            held.settle()
            self._recent.add(held.event.id)
        if taken:
            self._strikes.note_taken(len(taken))
            self.keeper.took()
        failing: set[str] = set()
        for held, outcome in zip(batch, outcomes, strict=True):
            match outcome:
                case Done():
                    continue
                case Retry() if held.lane in failing:
                    # It waits for the one before it, and is not to blame.
                    continue
                case Retry():
                    failing.add(held.lane)
                    self._strikes.note_failure(held)
                    doomed = held.strikes >= self._settings.tries
                    self._put_off(held, outcome.after_secs)
                case Reject():
                    doomed = True
                    held.strikes += 1
            if doomed:
                await self._park(held, outcome.reason)

    async def _park(self, held: Held, reason: str) -> bool:
        held.doomed = reason
        if await self.park(held.event.message, reason, held.strikes):
            held.settle()
            return True
        held.not_before = asyncio.get_running_loop().time() + PARKING_RETRY_SECS
        return False

    def _put_off(self, held: Held, after_secs: float | None) -> None:
        settings = self._settings
        step = doubled_secs(settings.retry_secs, settings.retry_most_secs, held.strikes)
        wait = step * random.uniform(0.5, 1.0)
        if after_secs is not None:
            wait = max(wait, min(after_secs, _LONGEST_WAIT_SECS))
        elif self._strikes.sink_at_fault:
            wait = max(wait, settings.retry_most_secs * random.uniform(0.25, 0.5))
        held.not_before = asyncio.get_running_loop().time() + wait

    async def park(self, message: Message, reason: str, tries: int) -> bool:
        """Put it aside; False where it cannot be put aside now."""
        # A lone surrogate of a sink's text cannot be written anywhere.
        reason = reason[:_REASON_CHARS].encode("utf-8", "replace").decode()
        try:
            await self._lot.park(self._binding, message, reason, tries)
        except ConsumerError as error:
            self._report(ParkingFailed(self._binding, str(error)))
            return False
        except Exception as error:  # Whatever stands in the way of parking: it waits, and is told.
            self._report(ParkingFailed(self._binding, f"{type(error).__name__}: {error}"))
            return False
        self.parked += 1
        self._report(EventParked(self._binding, message.message_id, reason, tries))
        return True


def outcomes_of(said: object, count: int) -> list[Outcome]:
    """What a sink said, as one outcome for each of so many events. What it may not say is a fault of
    its, and a try of theirs."""
    if isinstance(said, Done | Retry | Reject):
        return [said] * count
    if not isinstance(said, Sequence):
        return [Retry(f"the sink gave {type(said).__name__} instead of an outcome")] * count
    if len(said) != count:
        return [Retry(f"the sink gave {len(said)} outcomes for {count} events")] * count
    return [
        one
        if isinstance(one, Done | Retry | Reject)
        else Retry(f"the sink gave {type(one).__name__} instead of an outcome")
        for one in said
    ]
