"""A PBX that tells when it said what: real events of a recording, each with a header `Sent`.

`Sent` is the machine's monotonic clock in microseconds at the moment at which the event is handed to the
socket; processes of one machine share that clock. Events go out evenly, or in a flood of whole blocks.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from publisher.simulator import SimulatedPbx, SimulatorOptions, User
from tests.benchmarks.processes import SECRET
from tests.benchmarks.recordings import Recording

SENT: Final = "Sent"
_BLOCK_EVENTS: Final = 128


def now_us() -> int:
    """The clock of `Sent`."""
    return time.monotonic_ns() // 1000


class TalkingPbx(SimulatedPbx):
    """Accepts the service's login, then says what it is told to say."""

    def __init__(self, recording: Recording) -> None:
        version = recording.version
        super().__init__(SimulatorOptions(port=0, version=version, users={"bus": User(SECRET)}))
        # Without the empty line and its own end: a header follows.
        self._heads = [event[:-2] for event in recording.events]
        self._blocks = [
            b"".join(recording.events[start : start + _BLOCK_EVENTS])
            for start in range(0, len(recording.events) - _BLOCK_EVENTS, _BLOCK_EVENTS)
        ]
        self.said = 0

    async def __aenter__(self) -> TalkingPbx:
        await self.start()
        return self

    async def wait_listening(self) -> None:
        """Return as soon as a client has events switched on."""
        await self.wait_until(lambda: any(session.listens for session in self.sessions))

    async def talk(self, events: int, per_sec: float) -> None:
        """Say so many events at an even pace. What is late is said at once."""
        heads, loop = self._heads, asyncio.get_running_loop()
        began = loop.time()
        for number in range(events):
            due = began + number / per_sec
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            head = heads[self.said % len(heads)]
            self.send_bytes(b"%s%s: %d\r\n\r\n" % (head, SENT.encode(), now_us()))
            self.said += 1

    async def flood(self, events: int) -> None:
        """Say at least so many events as fast as they are taken, without `Sent`."""
        until = self.said + events
        while self.said < until:
            for block in self._blocks:
                await self.drain()
                self.send_bytes(block)
                self.said += _BLOCK_EVENTS
                await asyncio.sleep(0)
                if self.said >= until:
                    break
