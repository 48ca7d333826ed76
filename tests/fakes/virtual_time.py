"""An event loop whose time passes only while everybody waits, and then at once."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _LeapingSelector(selectors.DefaultSelector):
    """Waits for no socket: it tells how long the loop would have waited."""

    def __init__(self, leap: Callable[[float], None]) -> None:
        super().__init__()
        self._leap = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits, and for nothing that will ever come"
        self._leap(max(0.0, timeout))
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """For tests without sockets and threads."""

    def __init__(self) -> None:
        self._now = 1_000.0
        super().__init__(_LeapingSelector(self._pass))

    def time(self) -> float:
        return self._now

    def _pass(self, secs: float) -> None:
        # The loop runs what is due within its clock's resolution; a step must not be lost to rounding.
        self._now += secs + 1e-9 if secs else 0.0


class VirtualClock:
    """Implements `publisher.ports.Clock` by the running loop's time."""

    def __init__(self) -> None:
        self._began_us = time.time_ns() // 1000

    def now_us(self) -> int:
        return self._began_us + int(self.monotonic() * 1_000_000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, secs: float) -> None:
        await asyncio.sleep(secs)


def run_virtual(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
