"""A parking lot in memory, that can be out of reach."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from consumers.errors import BusUnreachable
from consumers.ports import ParkedEvent
from schemas.message import Message


class FakeLot:
    """Implements `consumers.ports.ParkingLot`. `failures`: so many of the next calls of `park` fail."""

    def __init__(self) -> None:
        self.events: dict[str, ParkedEvent] = {}
        self.failures = 0

    async def park(self, binding: str, message: Message, reason: str, tries: int) -> None:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise BusUnreachable("the lot is out of reach")
        key = str(len(self.events) + 1)
        self.events[key] = ParkedEvent(key, binding, reason, tries, "", message)

    async def parked(self, binding: str = "", limit: int = 1000) -> list[ParkedEvent]:
        return [event for event in self.events.values() if binding in ("", event.binding)][:limit]

    async def replay(self, keys: Collection[str]) -> int:
        return await self.drop(keys)

    async def drop(self, keys: Collection[str]) -> int:
        return sum(self.events.pop(key, None) is not None for key in keys)

    async def close(self) -> None:
        return None
