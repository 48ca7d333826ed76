"""A bus of call events in memory: fails when it is told to, also after it has done what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from consumers.errors import BusLost
from schemas.message import Message


class FakeCallBus:
    """Implements `consumers.ports.CallBus`. `fails` is asked before and after each step, by its name."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.kept = b""
        self.saves = 0
        self.fails: Callable[[str], bool] = lambda step: False

    async def begin(self) -> None:
        self._maybe("begin")

    async def state(self) -> bytes:
        self._maybe("state")
        return self.kept

    async def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._maybe("publish")
            await asyncio.sleep(0)
            self.published.append(message)
        self._maybe("published")

    async def save(self, state: bytes) -> None:
        self._maybe("save")
        await asyncio.sleep(0)
        self.kept = state
        self.saves += 1
        self._maybe("saved")

    async def forget(self) -> None:
        self.kept = b""

    def _maybe(self, step: str) -> None:
        if self.fails(step):
            raise BusLost(f"it is gone at {step}")
