"""Keeps one binding's sink open: opens it, and closes and opens it again when it says that it is away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from consumers.errors import SinkUnavailable
from consumers.plugin import Sink
from consumers.reports import BindingReporter, SinkDown
from consumers.waits import doubled_secs

_OPEN_SECS: Final = 30.0
_CLOSE_SECS: Final = 10.0
_FIRST_SECS: Final = 0.5
_MOST_SECS: Final = 30.0


class SinkKeeper:
    """One sink. `run` opens it whenever it is not open; `ready` is set while it is."""

    def __init__(
        self, binding: str, sink: Sink, report: BindingReporter, on_ready: Callable[[], None]
    ) -> None:
        self._binding = binding
        self._report = report
        self._on_ready = on_ready
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._opened = False
        self._failures = 0
        self.sink = sink
        self.ready = False

    def away(self, reason: str) -> None:
        """It has said that it takes nothing now."""
        if self.ready:
            self.ready = False
            self._tell(reason)
            self._wanted.set()

    def took(self) -> None:
        """It has taken something: whatever was before is over."""
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while not self.ready:
                if self._failures:
                    await asyncio.sleep(self._pause_secs())
                await self._try()
            self._on_ready()

    async def _try(self) -> None:
        await self._close()
        try:
            async with asyncio.timeout(_OPEN_SECS):
                self._opened = True
                await self.sink.open()
        except SinkUnavailable as error:
            self._tell(str(error))
        except TimeoutError:
            self._tell(f"it was not open after {_OPEN_SECS:g} s")
        except Exception as error:  # A sink is somebody else's code: what it raises must not end the binding.
            self._tell(f"{type(error).__name__}: {error}")
        else:
            self.ready = True

    def _tell(self, reason: str) -> None:
        self._failures += 1
        self._report(SinkDown(self._binding, reason, round(self._step_secs(), 1)))

    def _step_secs(self) -> float:
        return doubled_secs(_FIRST_SECS, _MOST_SECS, self._failures)

    def _pause_secs(self) -> float:
        return self._step_secs() * random.uniform(0.5, 1.0)

    async def close(self) -> None:
        """For good."""
        self.ready = False
        await self._close()

    async def _close(self) -> None:
        if not self._opened:
            return
        self._opened = False
        try:
            async with asyncio.timeout(_CLOSE_SECS):
                await self.sink.close()
        except Exception as error:  # As above; what it could not close is its own loss.
            self._report(SinkDown(self._binding, f"closing it failed: {type(error).__name__}: {error}", 0.0))
