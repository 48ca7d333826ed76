"""The supervisor: a crash of one service is that service's affair."""

from __future__ import annotations

import asyncio

from publisher.reports import Report, ServiceCrashed
from publisher.services.supervisor import Supervisor


class QuickClock:
    """Real order, no waiting."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.now = 0.0

    def now_us(self) -> int:
        return 0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, secs: float) -> None:
        self.slept.append(secs)
        await asyncio.sleep(0)


async def test_a_crashed_service_is_reported_and_started_again() -> None:
    reports: list[Report] = []
    clock = QuickClock()
    runs = 0
    done = asyncio.Event()

    async def service() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise ValueError("broken")
        done.set()
        await asyncio.Event().wait()

    supervisor = Supervisor(clock, reports.append)
    supervisor.start("main", "collector", service)
    await done.wait()
    await supervisor.stop()
    assert [type(report) for report in reports] == [ServiceCrashed] * 3
    assert clock.slept == sorted(clock.slept)


async def test_an_inner_cancellation_is_a_crash_and_not_the_end() -> None:
    reports: list[Report] = []
    again = asyncio.Event()
    runs = 0

    async def service() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise asyncio.CancelledError
        again.set()
        await asyncio.Event().wait()

    supervisor = Supervisor(QuickClock(), reports.append)
    supervisor.start("main", "forwarder", service)
    await again.wait()
    await supervisor.stop()
    assert len(reports) == 1


async def test_the_other_services_go_on_while_one_keeps_crashing() -> None:
    crashes: list[Report] = []
    counted = 0
    enough = asyncio.Event()

    async def broken() -> None:
        raise RuntimeError("always")

    async def healthy() -> None:
        nonlocal counted
        while True:
            counted += 1
            if counted == 100:
                enough.set()
            await asyncio.sleep(0)

    supervisor = Supervisor(QuickClock(), crashes.append)
    supervisor.start("bad", "collector", broken)
    supervisor.start("good", "collector", healthy)
    await enough.wait()
    await supervisor.stop()
    assert crashes


async def test_a_crash_after_a_long_good_run_is_waited_for_as_the_first() -> None:
    clock = QuickClock()
    runs = 0
    done = asyncio.Event()

    async def service() -> None:
        nonlocal runs
        runs += 1
        if runs == 9:
            done.set()
            await asyncio.Event().wait()
        if runs == 8:
            clock.now += 3600.0
        raise ValueError("broken")

    supervisor = Supervisor(clock, lambda report: None)
    supervisor.start("main", "collector", service)
    await done.wait()
    await supervisor.stop()
    assert clock.slept[6] >= 15.0
    assert clock.slept[7] == 0.5
