"""The switchboard of the simulated PBX: it plays the scripts of calls, and keeps the books of what was done.

A script begins at once, so what an action causes follows its response, and goes on in a task of its own from
its first rest. Bounds: `MAX_CHANNELS` living channels and `MAX_SCRIPTS` scripts (an origination beyond them
fails), the tallies' own, and the last `MAX_ORIGINATIONS` originations.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from publisher.simulator.answers import Fields
from publisher.simulator.ask import Ask
from publisher.simulator.dialplan import Dialplan
from publisher.simulator.options import SimulatorOptions
from publisher.simulator.origination import Originated
from publisher.simulator.script import Rest, Say, Script
from publisher.simulator.state import Channel, PbxState
from publisher.simulator.tally import Tally

MAX_CHANNELS: Final = 20_000
MAX_SCRIPTS: Final = 40_000
MAX_ORIGINATIONS: Final = 10_000
# Longer than this no script rests at a time; a day without an end is none that a test waits for.
MAX_REST_SECS: Final = 86_400.0


class Switchboard:
    """Plays scripts on one PBX.

    `emit` sends an event, `drain` waits until clients have room, `thawed` is unset while the PBX stands
    still.
    `dialled` counts, by ActionID, each Originate that was really begun: a phone was rung or tried.
    `executed` counts each state-changing action that was carried out, whatever it answered.
    """

    def __init__(
        self,
        state: PbxState,
        options: SimulatorOptions,
        emit: Callable[[str, str, Fields], object],
        drain: Callable[[], Awaitable[None]],
        thawed: asyncio.Event,
    ) -> None:
        self.state = state
        self.options = options
        self.dialplan = Dialplan(state, options, random.Random(), self.play)
        self.dialled = Tally()
        self.executed = Tally()
        self.originations: deque[Originated] = deque(maxlen=MAX_ORIGINATIONS)
        self._emit = emit
        self._drain = drain
        self._thawed = thawed
        self._tasks: set[asyncio.Task[None]] = set()

    # Telling.

    def say(self, event: str, classes: str, fields: Fields) -> None:
        """One event, now."""
        self._emit(event, classes, fields)

    def play(self, script: Script) -> None:
        """Begin a script; what it says before its first rest is said before this returns."""
        for step in script:
            if isinstance(step, Rest):
                task = asyncio.get_running_loop().create_task(self._go_on(step, script))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return
            self.say(step.event, step.classes, step.fields)

    async def run(self, script: Script) -> None:
        """Play a script to its end. A restart of the PBX ends it, and its call with it."""
        began = self.state.started
        for step in script:
            if self.state.started != began:
                return
            await self._take(step)

    async def _go_on(self, rest: Rest, script: Script) -> None:
        await self._take(rest)
        await self.run(script)

    async def _take(self, step: Say | Rest) -> None:
        if isinstance(step, Say):
            self.say(step.event, step.classes, step.fields)
            return
        woken = asyncio.Event()
        for channel in step.channels:
            channel.wakers.append(woken.set)
            if channel.ask is not None:
                woken.set()
        try:
            await self._drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(step.secs, MAX_REST_SECS)):
                    await woken.wait()
        finally:
            for channel in step.channels:
                channel.wakers.remove(woken.set)
        await self._thawed.wait()

    async def stop(self) -> None:
        """End every script without a word."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Channels.

    def ask(self, *asks: tuple[Channel, Ask]) -> None:
        """Ask something of channels at once; who is carried by no script is from now on."""
        for channel, ask in asks:
            channel.ask_for(ask)
        for channel, _ in asks:
            if not channel.scripted:
                self.play(self.dialplan.take_over(channel))

    @property
    def full(self) -> bool:
        """Whether no more calls may begin."""
        return len(self.state.channels) >= MAX_CHANNELS or len(self._tasks) >= MAX_SCRIPTS
