"""A whole line under test: a talking PBX, `amibus run` as a process, a broker, a queue for everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end_to_end.installation import SECRET, Installation, PbxLine
from tests.end_to_end.taker import Taker
from tests.faults.numbered_pbx import NumberedPbx, numbered_pbx
from tests.faults.oracle import Story, story_of
from tests.services.choice import RabbitmqServer
from tests.services.guard import Guard
from tests.services.proxy import CuttableProxy

WINDOW = 200
# Quick to notice a dead line, so that a test need not wait; the defaults are tried by the long runs.
QUICK_PBX: dict[str, Any] = {
    "ping_interval_secs": 0.5,
    "ping_timeout_secs": 1.0,
    "connect_timeout_secs": 2.0,
}
QUICK_BUS: dict[str, Any] = {"heartbeat_secs": 1, "connect_timeout_secs": 2.0, "window": WINDOW}


@dataclass(slots=True)
class Line:
    """What a test has in its hands. The proxies are there where they were asked for."""

    pbx: NumberedPbx
    amibus: Installation
    queue: Taker
    pbx_proxy: CuttableProxy
    bus_proxy: CuttableProxy

    async def flowing(self, timeout_secs: float = 60) -> None:
        """Return when events said from now on stand on the queue."""
        await self.queue.until(self.pbx.reached(self.pbx.numbers.last + 50), timeout_secs)

    async def story(self, timeout_secs: float = 60) -> Story:
        """End the talking, take the rest, stop the process, and judge."""
        self.pbx.hush()
        async with asyncio.timeout(timeout_secs):
            # Said while nobody listened, a number never comes: so one more, until the last one said is here.
            while not await self._arrives(self.pbx.say()):
                pass
        await self.amibus.stop()
        await self.queue.take()
        return story_of(self.queue.all, self.pbx.numbers.sent)

    async def _arrives(self, number: int) -> bool:
        try:
            await self.queue.until(self.pbx.reached(number), 1.0)
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def line(
    folder: Path,
    guard: Guard,
    server: RabbitmqServer,
    *,
    vhost: str = "",
    pbx: dict[str, Any] | None = None,
    bus: dict[str, Any] | None = None,
    journal: dict[str, Any] | None = None,
    rate: float = 1000.0,
    secret: str = SECRET,
    simulator: dict[str, Any] | None = None,
) -> AsyncIterator[Line]:
    """Start everything. Both connections lead through a proxy; the test's own lead straight to the broker."""
    queue = Taker(server, "#", vhost)
    await queue.bind()
    async with numbered_pbx(rate=rate, **(simulator or {})) as talking:
        with CuttableProxy(talking.port) as pbx_proxy, CuttableProxy(server.port) as bus_proxy:
            section = PbxLine(pbx_proxy.port, secret=secret, more=QUICK_PBX | (pbx or {}))
            url = f"amqp://{server.user}:{server.password}@127.0.0.1:{bus_proxy.port}/{vhost}"
            keys = QUICK_BUS | (bus or {})
            amibus = Installation(folder, guard, [section], str(keys.pop("url", url)), keys, journal)
            amibus.start()
            try:
                yield Line(talking, amibus, queue, pbx_proxy, bus_proxy)
            finally:
                amibus.kill9()
