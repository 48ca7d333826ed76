"""Latency: from the PBX's socket to a consumer that has the event in hand, at 1,000 events a second.

On RabbitMQ the consumer takes from a queue of its own bound to `#`, in a process of its own; on the embedded
bus it stands in the service's process, as every consumer there does (`embedded_service.py`). The events are
those of a recording, with the time of sending in a header.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.broker import Broker
from tests.benchmarks.figures import Row, at_most
from tests.benchmarks.machine import CpuWatch, mean_cores
from tests.benchmarks.processes import ProcessFailed, Service, write_configuration
from tests.benchmarks.recordings import recording
from tests.benchmarks.talker import TalkingPbx
from tests.services.guard import Guard

RATE: Final = 1000
GOAL_P50_MS: Final = 3.0
GOAL_P99_MS: Final = 15.0
WARM_SECS: Final = 2
_MOST_SECS: Final = 60.0


async def measure(guard: Guard, broker: Broker, folder: Path, secs: int, rounds: int) -> list[Row]:
    rows = []
    for bus in ("RabbitMQ", "embedded"):
        p50, p99, cores = [], [], []
        for number in range(rounds):
            place = folder / f"latency-{bus}-{number}"
            late_us, used = await _one(guard, broker, place, bus, secs)
            shutil.rmtree(place, ignore_errors=True)
            p50.append(statistics.median(late_us) / 1000)
            p99.append(sorted(late_us)[len(late_us) * 99 // 100] / 1000)
            cores.append(used)
        rows += [
            at_most(f"latency at 1,000 events/s, {bus}: p50", p50, GOAL_P50_MS, "ms", mean_cores(cores)),
            at_most(f"latency at 1,000 events/s, {bus}: p99", p99, GOAL_P99_MS, "ms"),
        ]
    return rows


async def _one(
    guard: Guard, broker: Broker, folder: Path, bus: str, secs: int
) -> tuple[Sequence[int], dict[str, float]]:
    """Latencies in µs of all events after the warm-up, and who used the cores meanwhile."""
    total = RATE * (WARM_SECS + secs)
    async with TalkingPbx(recording("20")) as pbx:
        if bus == "embedded":
            config = write_configuration(folder, pbx.port, "embedded")
            consumer = await _start("tests.benchmarks.embedded_service", str(config), str(total))
            watch = CpuWatch({"service": consumer.pid})
            return await _talk(pbx, consumer, total, watch)
        service = Service(guard, pbx.port, broker.url, folder)
        try:
            consumer = await _start("tests.benchmarks.rabbitmq_consumer", broker.url, str(total))
            watch = CpuWatch({"amibus run": service.pid, "broker": broker.pid, "consumer": consumer.pid})
            return await _talk(pbx, consumer, total, watch)
        finally:
            service.stop()


async def _start(module: str, *args: str) -> asyncio.subprocess.Process:
    consumer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *args, stdout=asyncio.subprocess.PIPE, limit=1 << 26
    )
    assert consumer.stdout is not None
    ready = await asyncio.wait_for(consumer.stdout.readline(), _MOST_SECS)
    if not ready:
        raise ProcessFailed(f"{module} did not start")
    return consumer


async def _talk(
    pbx: TalkingPbx, consumer: asyncio.subprocess.Process, total: int, watch: CpuWatch
) -> tuple[Sequence[int], dict[str, float]]:
    assert consumer.stdout is not None
    try:
        async with asyncio.timeout(_MOST_SECS):
            await pbx.wait_listening()
            await pbx.talk(total, RATE)
            # The consumer still lives: its use of the cores can be seen.
            used = watch.cores()
            text = await consumer.stdout.readline()
            await consumer.wait()
    finally:
        if consumer.returncode is None:
            consumer.terminate()
            await consumer.wait()
    late_us: list[int] = json.loads(text)
    return late_us[RATE * WARM_SECS :], used
