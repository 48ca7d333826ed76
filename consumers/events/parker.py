"""Puts events aside, one after the other, and settles each once it stands in the parking lot.

Where the lot cannot be reached the event is tried again, for ever: it is neither settled nor given out
meanwhile, and takes one of the subscription's places. What a lost subscription gave is left: it comes again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from consumers.errors import ConsumerError
from consumers.events.held import Held
from consumers.events.reports import EventParked, ParkingFailed, StreamReporter
from consumers.ports import ParkingLot

_RETRY_SECS: Final = 2.0
_REASON_CHARS: Final = 500


class Parker:
    """One subscription's. `run` until cancelled."""

    def __init__(self, stream: str, label: str, lot: ParkingLot, report: StreamReporter) -> None:
        self._stream = stream
        self._label = label
        self._lot = lot
        self._report = report
        self._doomed: deque[tuple[Held, str]] = deque()
        self._stirred = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def park(self, held: Held, reason: str) -> None:
        """Put it aside as soon as possible."""
        self._doomed.append((held, reason[:_REASON_CHARS]))
        self._idle.clear()
        self._stirred.set()

    async def run(self) -> None:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            while self._doomed:
                held, reason = self._doomed[0]
                if await self._parked(held, reason):
                    self._doomed.popleft()
                else:
                    await asyncio.sleep(_RETRY_SECS)
            self._idle.set()

    async def drained(self, most_secs: float) -> None:
        """Return when all stand in the lot, or after that time."""
        try:
            async with asyncio.timeout(most_secs):
                await self._idle.wait()
        except TimeoutError:
            return

    async def _parked(self, held: Held, reason: str) -> bool:
        if not held.feed.alive:
            return True
        try:
            await self._lot.park(self._label, held.message, reason, held.attempt)
        except ConsumerError as error:
            # A lost bus is told by itself, and its events come again.
            if held.feed.alive:
                self._report(ParkingFailed(self._stream, held.id, str(error)))
            return False
        held.settle()
        self._report(EventParked(self._stream, held.id, reason))
        return True
