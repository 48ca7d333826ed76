"""A PBX that never stops talking: numbered events at a steady rate, whether anybody listens or not."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from publisher.simulator import SimulatedPbx, SimulatorOptions, User
from publisher.simulator.packets import ALL_CLASSES
from tests.end_to_end.installation import SECRET, USER
from tests.end_to_end.taker import Arrived
from tests.faults.oracle import Numbers

_TICK_SECS = 0.005


class NumberedPbx:
    """The simulated PBX and its running numbers."""

    def __init__(self, pbx: SimulatedPbx, rate: float, padding: int) -> None:
        self.pbx = pbx
        self.numbers = Numbers()
        self._rate = rate
        self._padding = "x" * padding
        self._quiet = False

    @property
    def port(self) -> int:
        return self.pbx.port

    def say(self) -> int:
        """One numbered event, now."""
        number = self.numbers.next()
        fields = [("UserEvent", "Count"), ("Number", number), ("Padding", self._padding)]
        self.pbx.emit("UserEvent", "user,all", fields)
        return number

    async def talk(self) -> None:
        began, said = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - began) * self._rate)
            while said < due and not self._quiet:
                said += 1
                self.say()
            said = due
            await asyncio.sleep(_TICK_SECS)

    async def said(self, number: int) -> None:
        """Return when that number has been said."""
        while self.numbers.last < number:  # noqa: ASYNC110 - the talking itself is paced by the clock
            await asyncio.sleep(_TICK_SECS)

    def hush(self) -> int:
        """Say no more; the last number."""
        self._quiet = True
        return self.numbers.last

    def reached(self, number: int) -> _Reached:
        return _Reached(number)


class _Reached:
    """Whether a number, or a later one, is among what arrived."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, arrivals: Sequence[Arrived]) -> bool:
        return any(int(one.body["fields"].get("Number", 0)) >= self._number for one in arrivals)


@asynccontextmanager
async def numbered_pbx(
    rate: float = 1000.0, padding: int = 100, read_only: bool = False, **options: object
) -> AsyncIterator[NumberedPbx]:
    """A PBX that talks until the block ends. `read_only`: a manager user without write classes."""
    write = frozenset() if read_only else ALL_CLASSES
    settings = SimulatorOptions(users={USER: User(SECRET, write=write)}, **options)  # type: ignore[arg-type]
    async with SimulatedPbx(settings) as pbx:
        numbered = NumberedPbx(pbx, rate, padding)
        task = asyncio.create_task(numbered.talk())
        try:
            yield numbered
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
