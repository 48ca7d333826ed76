"""A refused login is told loudly and tried again slowly."""

from __future__ import annotations

import asyncio

from publisher.adapters.tcp import TcpConnector
from publisher.ami.session import SessionSettings
from publisher.reports import PbxLoginRefused, Report
from publisher.services.collector import Collector, CollectorSettings
from publisher.simulator import SimulatedPbx, SimulatorOptions, User
from tests.fakes.clock import RealClock
from tests.fakes.journal import FakeJournal


class WaitingClock(RealClock):
    """The long waits last until the test ends, and are remembered."""

    def __init__(self) -> None:
        self.long_waits: list[float] = []
        self.waiting = asyncio.Event()

    async def sleep(self, secs: float) -> None:
        if secs < 0.1:
            await asyncio.sleep(secs)
            return
        self.long_waits.append(secs)
        self.waiting.set()
        await asyncio.Event().wait()


async def test_a_refused_login_is_reported_as_one_and_not_tried_again_within_a_minute() -> None:
    clock, told = WaitingClock(), list[Report]()
    async with SimulatedPbx(SimulatorOptions(users={"bus": User("right")}, refusal_delay_secs=0.0)) as pbx:
        collector = Collector(
            CollectorSettings(SessionSettings(username="bus", secret="wrong")),
            TcpConnector(pbx.host, pbx.port),
            FakeJournal(),
            clock,
            told.append,
        )
        running = asyncio.create_task(collector.run())
        async with asyncio.timeout(20):
            await clock.waiting.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [type(report) for report in told] == [PbxLoginRefused]
    assert clock.long_waits[0] >= 60.0
