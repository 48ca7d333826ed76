"""The embedded bus with what `amibus parked replay` sends again: a binding gets both by one subscription.

Replays carry tags below zero. They are looked for once a second; a settled one leaves the parking lot, one
that was not settled comes again with the next subscription.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from consumers.adapters.parking_file import ParkingFile
from consumers.errors import ConsumerError
from consumers.ports import Binding, BusSource, Subscription
from schemas.message import Delivery

_LOOK_SECS: Final = 1.0
_AT_ONCE: Final = 100


class ReplayingSource:
    """Implements `consumers.ports.BusSource` over another one."""

    def __init__(self, source: BusSource, lot: ParkingFile) -> None:
        self._source = source
        self._lot = lot

    async def bind(self, binding: Binding) -> None:
        await self._source.bind(binding)

    async def unbind(self, name: str) -> None:
        await self._source.unbind(name)

    async def places(self, name: str) -> Sequence[str]:
        return await self._source.places(name)

    async def subscribe(self, name: str, prefetch: int = 500) -> ReplayingSubscription:
        return ReplayingSubscription(await self._source.subscribe(name, prefetch), self._lot, name)

    async def close(self) -> None:
        await self._source.close()


class ReplayingSubscription:
    """Implements `consumers.ports.Subscription`."""

    def __init__(self, inner: Subscription, lot: ParkingFile, binding: str) -> None:
        self._inner = inner
        self._lot = lot
        self._binding = binding
        self._found: asyncio.Queue[list[Delivery]] = asyncio.Queue(1)
        self._handed_out: set[int] = set()
        self._settled: list[int] = []
        self._receiving: asyncio.Task[Sequence[Delivery]] | None = None
        self._looking = asyncio.create_task(self._look())

    async def receive(self, limit: int = 500) -> Sequence[Delivery]:
        if self._receiving is None:
            self._receiving = asyncio.create_task(_received(self._inner, limit))
        found = asyncio.create_task(self._found.get())
        try:
            await asyncio.wait((self._receiving, found), return_when=asyncio.FIRST_COMPLETED)
            if found.done():
                return found.result()
            receiving, self._receiving = self._receiving, None
            return receiving.result()
        finally:
            # A queue gives nothing to a get that is cancelled before it had something.
            found.cancel()

    def settle(self, tag: int) -> None:
        if tag < 0:
            self._settled.append(-tag)
        else:
            self._inner.settle(tag)

    def retry(self, tag: int) -> None:
        if tag < 0:
            self._handed_out.discard(-tag)
        else:
            self._inner.retry(tag)

    async def consumers(self) -> int:
        return await self._inner.consumers()

    async def close(self) -> None:
        self._looking.cancel()
        if self._receiving is not None:
            self._receiving.cancel()
        waited = [task for task in (self._looking, self._receiving) if task is not None]
        await asyncio.gather(*waited, return_exceptions=True)
        with suppress(ConsumerError):
            await self._say_settled()
        await self._inner.close()

    async def _look(self) -> None:
        """At most `_AT_ONCE` are handed out and not settled."""
        while True:
            # What cannot be looked up now is there a second later.
            with suppress(ConsumerError):
                await self._say_settled()
                found = await self._lot.to_replay(self._binding, _AT_ONCE)
                fresh = [
                    Delivery(-key, message, True) for key, message in found if key not in self._handed_out
                ]
                if fresh:
                    self._handed_out.update(-delivery.tag for delivery in fresh)
                    await self._found.put(fresh)
            await asyncio.sleep(_LOOK_SECS)

    async def _say_settled(self) -> None:
        settled, self._settled = self._settled, []
        if settled:
            try:
                await self._lot.replayed(settled)
                self._handed_out.difference_update(settled)
            except BaseException:
                # Cancelled too: whether it was done is not known, and doing it again does no harm.
                self._settled += settled
                raise


async def _received(inner: Subscription, limit: int) -> Sequence[Delivery]:
    return await inner.receive(limit)
