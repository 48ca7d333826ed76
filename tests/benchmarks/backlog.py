"""A broker that is away: what the backlog costs in memory, and how it drains when the broker is back.

The service starts with the URL of a broker that is stopped, and a PBX floods it until the wanted number of
records stands in the journal; that also shows how fast one PBX is read and journalled alone. Then the
resident memory is read. Then the broker starts while the PBX goes on at 1,000 events a second. The time to
the first confirm counts from the moment at which the broker answers a connection; draining is measured
from there over 150,000 events, which are read from disk.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.broker import Broker
from tests.benchmarks.figures import Row, absent, at_least, at_most
from tests.benchmarks.latency import RATE
from tests.benchmarks.machine import CpuWatch, mean_cores, peak_resident_bytes, resident_bytes
from tests.benchmarks.processes import Service
from tests.benchmarks.progress import Progress
from tests.benchmarks.recordings import recording
from tests.benchmarks.talker import TalkingPbx
from tests.services.guard import Guard

FULL_LOAD: Final = 14_500
"""Events per second: the highest one-second peak seen of one 2-core Asterisk."""
GOAL_RSS_MB: Final = 150.0
GOAL_FIRST_SECS: Final = 5.0
GOAL_OF_STEADY: Final = 0.8
_MOST_SECS: Final = 600.0
_STEP: Final = 20_000
_DRAINED: Final = 150_000


async def measure(
    guard: Guard, broker: Broker, folder: Path, backlog: int, steady: Sequence[float]
) -> list[Row]:
    """`steady`: rates of the path without an outage, measured before; may be empty."""
    await asyncio.to_thread(broker.server.stop)
    place = folder / "backlog"
    try:
        async with TalkingPbx(recording("20")) as pbx:
            service = Service(guard, pbx.port, broker.url, place)
            try:
                progress = await Progress.of(service)
                try:
                    await pbx.wait_listening()
                    rows = await _fill(pbx, service, progress, backlog)
                    return rows + await _drain(pbx, broker, service, progress, backlog, steady)
                finally:
                    await progress.close()
            finally:
                service.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if not broker.server.running:
            await asyncio.to_thread(broker.server.start)
        await broker.purge()


async def _fill(pbx: TalkingPbx, service: Service, progress: Progress, backlog: int) -> list[Row]:
    rates = []
    watch = CpuWatch({"amibus run": service.pid})
    before = await progress.look()
    while before.recorded < backlog:
        await pbx.flood(min(_STEP, backlog - before.recorded))
        target = min(before.recorded + _STEP // 2, backlog)
        now = await progress.until(lambda now, target=target: now.recorded >= target, _MOST_SECS)  # type: ignore[misc]
        rates.append((now.recorded - before.recorded) / (now.at - before.at))
        before = now
    used = watch.cores()
    title = f"{backlog:,} events of backlog"
    resident = resident_bytes(service.pid) / 1e6
    ever = peak_resident_bytes(service.pid) / 1e6
    return [
        at_least("one PBX at full load: AMI → journal", rates, FULL_LOAD, "events/s", mean_cores([used])),
        at_most(f"memory with {title}", [resident], GOAL_RSS_MB, "MB", f"at most {ever:.0f} MB on the way"),
    ]


async def _drain(
    pbx: TalkingPbx,
    broker: Broker,
    service: Service,
    progress: Progress,
    backlog: int,
    steady: Sequence[float],
) -> list[Row]:
    enough = min(_DRAINED, backlog * 9 // 10)
    talking = asyncio.create_task(pbx.talk(RATE * int(_MOST_SECS), RATE))
    try:
        await asyncio.to_thread(broker.server.start)
        answered = time.monotonic()
        first = await progress.until(lambda now: now.confirmed > 0, _MOST_SECS, poll_secs=0.02)
        watch = CpuWatch({"amibus run": service.pid, "broker": broker.pid})
        last = await progress.until(lambda now: now.confirmed >= enough, _MOST_SECS)
        peak = peak_resident_bytes(service.pid) / 1e6
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    rate = (last.confirmed - first.confirmed) / (last.at - first.at)
    cores = mean_cores([watch.cores()])
    rows = [
        at_most("broker back: first confirm", [max(0.0, first.at - answered)], GOAL_FIRST_SECS, "s"),
        at_most("memory while the backlog drains", [peak], GOAL_RSS_MB, "MB", "the most ever held"),
    ]
    name = "draining, PBX at 1,000 events/s, against the steady rate"
    if not steady:
        return [*rows, absent(name, f"{rate:,.0f} events/s; run with `path` to compare")]
    share = rate / statistics.median(steady)
    return [*rows, at_least(name, [share], GOAL_OF_STEADY, "×", f"{rate:,.0f} events/s; {cores}")]
