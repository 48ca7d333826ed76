"""The service that folds: one binding of its own on the events' bus, taken from in order.

Strategy. Events are folded as they come, and what they tell is published at once. What is known of the calls
is saved, and then the events are settled, a little later: after `save_secs`, or `SAVE_SHARE` times as long as
the last saving took, or when half of the prefetch is unsettled. So a state is at least as new as what is
settled. After a crash the events since then come again, to the state of then, and give the same call events
with the same ids; the embedded bus passes those over, on RabbitMQ they are published once more.

One at a time. The place is taken by one consumer; others stand by (RabbitMQ gives it to the next when the
first is gone). So the state is read when the first delivery comes, never before. All that a service publishes
and saves goes over the connection that its deliveries come by: whoever has lost its place can tell nothing.

A state that is damaged or of another version is reported, and the fold begins anew: calls that go on are told
from then on, as `begun_unseen`. What cannot be read as an event is parked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consumers.calls import CallEvent, CallFold, CallStateError, call_message
from consumers.errors import BusRefused, ConsumerError
from consumers.folding.kept_state import StateTooLarge, packed, unpacked
from consumers.ports import Binding, BusSource, CallBus, ParkingLot, Subscription
from consumers.reports import (
    BindingBusDown,
    BindingReporter,
    CallStateLost,
    CallStateNotSaved,
    EventParked,
    FoldingBegun,
    FoldingEnded,
    FoldingReady,
    ParkingFailed,
)
from consumers.waits import doubled_secs
from schemas.codecs import decode
from schemas.errors import DecodeError
from schemas.message import MSGPACK, Delivery, Message
from schemas.routing import escape_token

# No configured binding begins with an underscore.
FOLDING: Final = "_calls"
FOLD_BINDING: Final = Binding(
    FOLDING, tuple(f"*.{escape_token(name)}.#" for name in ("control", *sorted(CallFold.names))), single=True
)
SAVE_SHARE: Final = 20.0
_BATCH: Final = 500
_AT_ONCE: Final = 100
_FIRST_SECS: Final = 0.5
_MOST_SECS: Final = 30.0
_PARKING_RETRY_SECS: Final = 2.0
_LAST_SECS: Final = 5.0


@dataclass(slots=True, frozen=True)
class FoldingSettings:
    """`prefetch`: events taken and not settled. `save_secs`: how long one stays so, where saving is cheap.
    `content_type`: of the call events' bodies."""

    prefetch: int = 4000
    save_secs: float = 0.25
    content_type: str = MSGPACK


class CallFolding:
    """See the module. `run` until cancelled; it then saves and settles what it has told.

    `trunks`: of each PBX by name, the peers that are trunks.
    """

    def __init__(
        self,
        source: BusSource,
        calls: CallBus,
        lot: ParkingLot,
        trunks: Mapping[str, Iterable[str]],
        report: BindingReporter,
        settings: FoldingSettings | None = None,
    ) -> None:
        self._source = source
        self._calls = calls
        self._lot = lot
        self._trunks = {pbx: tuple(names) for pbx, names in trunks.items()}
        self._report = report
        self._settings = settings or FoldingSettings()
        self.told = 0

    async def run(self) -> None:
        """Until cancelled. What breaks is begun anew."""
        failures = 0
        try:
            while True:
                told = self.told
                try:
                    await self._serve()
                except ConsumerError as error:
                    failures = 1 if self.told > told else failures + 1
                    await self._pause(error, failures)
        finally:
            self._report(FoldingEnded(FOLDING, self.told))

    async def _serve(self) -> None:
        await self._source.bind(FOLD_BINDING)
        await self._calls.begin()
        subscription = await self._source.subscribe(FOLDING, self._settings.prefetch)
        self._report(FoldingReady(FOLDING))
        turn = _Turn(subscription)
        receiving: asyncio.Task[Sequence[Delivery]] | None = None
        try:
            while True:
                if receiving is None:
                    receiving = asyncio.create_task(_received(subscription))
                await asyncio.wait((receiving,), timeout=turn.due_in_secs(self._settings))
                if receiving.done():
                    deliveries, receiving = receiving.result(), None
                    await self._fold(turn, deliveries)
                if turn.due_in_secs(self._settings) == 0:
                    await self._save(turn)
        finally:
            if receiving is not None:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
            await self._end(turn, subscription)

    async def _end(self, turn: _Turn, subscription: Subscription) -> None:
        try:
            async with asyncio.timeout(_LAST_SECS):
                await self._save(turn)
        except (ConsumerError, TimeoutError):
            # What is not settled comes again, to the state of before.
            pass
        finally:
            await subscription.close()

    async def _fold(self, turn: _Turn, deliveries: Sequence[Delivery]) -> None:
        """Fold and publish; nothing is noted as done before it is published."""
        if turn.fold is None:
            turn.fold = await self._begun()
        fold = turn.fold
        for first in range(0, len(deliveries), _AT_ONCE):
            told: list[CallEvent] = []
            turn.ahead = True
            part = deliveries[first : first + _AT_ONCE]
            for delivery in part:
                message = delivery.message
                try:
                    told += fold.feed(decode(message.content_type, message.body))
                except DecodeError as error:
                    await self._put_aside(message, f"the body cannot be read: {error}")
            if told:
                await self._calls.publish([call_message(one, self._settings.content_type) for one in told])
                self.told += len(told)
            turn.done += [delivery.tag for delivery in part]
            turn.ahead = False
            await asyncio.sleep(0)

    async def _begun(self) -> CallFold:
        fold = CallFold(self._trunks)
        kept = await self._calls.state()
        if kept:
            try:
                fold.restore(await asyncio.to_thread(unpacked, kept))
            except CallStateError as error:
                self._report(CallStateLost(FOLDING, str(error)))
        self._report(FoldingBegun(FOLDING, fold.open_calls))
        return fold

    async def _save(self, turn: _Turn) -> None:
        """Save what is known after all that is done, then settle that."""
        if turn.fold is None or turn.ahead or not turn.done:
            return
        begun = time.monotonic()
        done, turn.done = turn.done, []
        try:
            # Nothing is folded meanwhile; a large state must not hold up the loop.
            state = await asyncio.to_thread(_kept, turn.fold)
        except StateTooLarge as error:
            self._report(CallStateNotSaved(FOLDING, str(error)))
        else:
            await self._calls.save(state)
        for tag in done:
            turn.subscription.settle(tag)
        turn.saved(begun)

    async def _put_aside(self, message: Message, reason: str) -> None:
        while True:
            try:
                await self._lot.park(FOLDING, message, reason, 0)
            except ConsumerError as error:
                self._report(ParkingFailed(FOLDING, str(error)))
                await asyncio.sleep(_PARKING_RETRY_SECS)
            else:
                self._report(EventParked(FOLDING, message.message_id, reason, 0))
                return

    async def _pause(self, error: ConsumerError, failures: int) -> None:
        step = doubled_secs(_FIRST_SECS, _MOST_SECS, failures)
        if isinstance(error, BusRefused):
            step = _MOST_SECS
        self._report(BindingBusDown(FOLDING, str(error), step))
        await asyncio.sleep(step)


class _Turn:
    """From one subscription's beginning to its end. `fold` is there once something was delivered; `done` are
    the deliveries that are folded and published, and not settled. While it is `ahead`, the fold knows of
    events that are not published, and must not be saved."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.fold: CallFold | None = None
        self.done: list[int] = []
        self.ahead = False
        self._saved_at = time.monotonic()
        self._took_secs = 0.0

    def due_in_secs(self, settings: FoldingSettings) -> float | None:
        """When to save; None where there is nothing to settle."""
        if not self.done:
            return None
        if len(self.done) >= settings.prefetch // 2:
            return 0.0
        wait = max(settings.save_secs, SAVE_SHARE * self._took_secs)
        return max(0.0, self._saved_at + wait - time.monotonic())

    def saved(self, begun: float) -> None:
        self._saved_at = time.monotonic()
        self._took_secs = self._saved_at - begun


def _kept(fold: CallFold) -> bytes:
    return packed(fold.snapshot())


async def _received(subscription: Subscription) -> Sequence[Delivery]:
    return await subscription.receive(_BATCH)
