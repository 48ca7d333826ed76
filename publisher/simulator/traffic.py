"""What a simulated PBX tells of itself: a trace replayed, or calls of its own.

`Replay` in two ways. Each client alone: every session gets the whole trace from its start, as soon as it has
events switched on. Shared: one running stream, as a real PBX has; it starts with the first listener, waits
while nobody listens, and the live state follows it.

Pace: `rate` events a second, or as fast as the slowest client reads (0). A replay that fell behind, for
a client that did not read, makes up for at most one second.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from typing import Final

from publisher.simulator.calls import Caller
from publisher.simulator.options import Pace
from publisher.simulator.pbx import SimulatedPbx
from publisher.simulator.script import Script
from publisher.simulator.session import Session
from publisher.simulator.trace import Trace

_TICK_SECS: Final = 0.005
_MAX_DEBT_SECS: Final = 1.0
# Events between two looks at the loop where events go out one by one.
_BURST: Final = 256


class Replay:
    """Sends a trace's events. `done` counts sessions (shared: passes) that have had it to its end."""

    def __init__(
        self, pbx: SimulatedPbx, trace: Trace, *, rate: float = 0.0, loop: bool = False, shared: bool = False
    ) -> None:
        self._pbx = pbx
        self._trace = trace
        self._rate = rate
        self._loop = loop
        self._shared = shared
        self._tasks: dict[Session | None, asyncio.Task[None]] = {}
        self.done = 0
        self.finished = asyncio.Event()
        pbx.boots_by_itself = not trace.boots
        if trace.uptime is not None:
            pbx.state.started = time.time() - trace.uptime
        pbx.on_listening.append(self._listening)

    async def stop(self) -> None:
        self._pbx.on_listening.remove(self._listening)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _listening(self, session: Session) -> None:
        key = None if self._shared else session
        if key in self._tasks:
            return
        task = asyncio.get_running_loop().create_task(self._run(key))
        self._tasks[key] = task
        if key is not None:
            task.add_done_callback(lambda _: self._forget(session))

    def _forget(self, session: Session) -> None:
        # A session that has had its trace stays known while it lives: Events on again is no second one.
        if session.closed.is_set():
            self._tasks.pop(session, None)

    async def _run(self, session: Session | None) -> None:
        boot = self._trace.boots and not self._pbx.boots_by_itself
        while True:
            # The trace's FullyBooted belongs to the login; a second pass has none.
            first = 0 if boot or not self._trace.boots else 1
            boot = False
            if session is None or self._rate or not session.takes_everything or self._pbx.chunk_bytes:
                alive = await self._send_events(session, first)
            else:
                alive = await self._send_blocks(session, first)
            if not alive:
                break
            self.done += 1
            self.finished.set()
            if not self._loop:
                await (session.closed if session else self.finished).wait()
                break
        if session is not None:
            self._tasks.pop(session, None)

    async def _send_blocks(self, session: Session, first: int) -> bool:
        for block, events in self._trace.blocks:
            if first:
                block, events, first = block[len(self._trace.events[0]) :], events - 1, 0
            await self._pbx.thawed.wait()
            await session.drain()
            if session.closed.is_set():
                return False
            session.write(block)
            session.count(events)
            # So that the socket's own news (a cut, an action) gets its turn.
            await asyncio.sleep(0)
        await session.drain()
        return not session.closed.is_set()

    async def _send_events(self, session: Session | None, first: int) -> bool:
        events = self._trace.events
        start, offset = time.monotonic(), first
        sent = first
        while sent < len(events):
            await self._pbx.thawed.wait()
            if session is None:
                await self._pbx.wait_until(lambda: any(one.listens for one in self._pbx.sessions))
                await self._pbx.drain()
            else:
                await session.drain()
                if session.closed.is_set():
                    return False
            now = time.monotonic()
            until = sent + _BURST
            if self._rate:
                due = offset + int((now - start) * self._rate)
                if due - sent > self._rate * _MAX_DEBT_SECS:
                    start, offset = now, sent
                    continue
                until = min(until, due)
            for event in events[sent:until]:
                if session is None:
                    self._pbx.state.follow(event)
                    self._pbx.send(event)
                elif session.listens:
                    session.offer(event)
            sent = max(sent, min(until, len(events)))
            await asyncio.sleep(_TICK_SECS if self._rate and sent >= until else 0)
        return True


class Traffic:
    """Calls of its own, at a rate. `calls` counts those begun; a call with no two free extensions is none."""

    def __init__(
        self, pbx: SimulatedPbx, calls_per_second: float, *, pace: Pace | None = None, seed: int | None = None
    ) -> None:
        self._pbx = pbx
        self._rate = calls_per_second
        self._rng = random.Random(seed)
        self._caller = Caller(pbx.state, self._rng, pace, pbx.options, pbx.board.play)
        self._calls: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self.calls = 0

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End at once; the calls that live then end without a word."""
        tasks = [*self._calls, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._rng.expovariate(self._rate))
            await self._pbx.thawed.wait()
            task = asyncio.get_running_loop().create_task(self._call(self._caller.next_call()))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _call(self, script: Script) -> None:
        first = next(script, None)
        if first is not None:
            self.calls += 1
            await self._pbx.board.run(itertools.chain([first], script))
