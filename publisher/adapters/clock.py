"""The real clock."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """`publisher.ports.Clock` on the machine's clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, secs: float) -> None:
        await asyncio.sleep(secs)
