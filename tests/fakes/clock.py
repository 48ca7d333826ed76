"""The real clock behind the port, and one whose sleeps are short."""

from __future__ import annotations

import asyncio
import time


class RealClock:
    """Implements `publisher.ports.Clock`."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, secs: float) -> None:
        await asyncio.sleep(secs)


class HurryingClock(RealClock):
    """Remembers how long it was asked to sleep, and lets everyone else run once instead."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, secs: float) -> None:
        self.slept.append(secs)
        await asyncio.sleep(0)
