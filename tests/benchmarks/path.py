"""The path: AMI socket to confirmed message, beside a C client and plain aio-pika, taking turns.

Ours is the whole of it: a simulated PBX in one process sends a recording as fast as it is read, `amibus
run` in another reads, journals, decodes and publishes. Reading goes before publishing, so the journal runs
ahead; then the PBX falls silent, and a stretch ends when all is confirmed. Its rate is thus what the path
can bear for good. The two others only publish: they are given the finished messages of the same recording.
All share the machine with the broker, and each has it alone while it runs; the queue is emptied in between.
Rates are compared within a round, so that what slows the machine for a while slows all three.
"""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.benchmarks.broker import Broker
from tests.benchmarks.ceiling import NEEDS, c_rate, compiled, gather_rate
from tests.benchmarks.figures import Row, absent, at_least, reported
from tests.benchmarks.machine import CpuWatch, mean_cores
from tests.benchmarks.messages import write_messages
from tests.benchmarks.processes import Service, Simulator
from tests.benchmarks.progress import Progress
from tests.benchmarks.recordings import recording
from tests.services.guard import Guard

GOAL_OF_C: Final = 0.85
GOAL_OF_GATHER: Final = 3.0
VERSION: Final = "20"
_MOST_SECS: Final = 180.0


@dataclass(slots=True)
class Stretch:
    """One stretch of the whole path. `lag`: how much the journal was ahead when the PBX fell silent."""

    confirmed_per_sec: float
    recorded_per_sec: float
    lag: int
    broker_us: float
    """Processor time of the broker for each message."""
    cores: dict[str, float] = field(default_factory=dict)


async def measure(guard: Guard, broker: Broker, folder: Path, count: int, rounds: int) -> list[Row]:
    """`count` events a stretch; `rounds` times each of the three."""
    messages = folder / "messages"
    body_bytes = write_messages(messages, recording(VERSION), count)
    program = compiled(folder)
    ours: list[Stretch] = []
    plain: list[float] = []
    ceiling: list[float] = []
    for number in range(rounds):
        ours.append(await run_path(guard, broker, folder / f"path-{number}", count))
        await broker.purge()
        plain.append(await gather_rate(broker, messages))
        await broker.purge()
        if program is not None:
            ceiling.append(await c_rate(program, broker, messages))
            await broker.purge()
        say_round(number, rounds, {"ours": ours[-1].confirmed_per_sec, "gather": plain[-1]}, ceiling[-1:])
    rates = [stretch.confirmed_per_sec for stretch in ours]
    of_plain = [one / other for one, other in zip(rates, plain, strict=True)]
    rows = [
        reported("path: AMI → journal → RabbitMQ, confirmed", rates, "events/s", _remarks(ours)),
        reported("path: plain aio-pika, gather", plain, "messages/s", f"bodies of {body_bytes:.0f} B"),
        at_least("path against plain aio-pika", of_plain, GOAL_OF_GATHER, "×"),
    ]
    if program is None:
        return [*rows, absent("path against a C client", NEEDS)]
    of_c = [one / other for one, other in zip(rates, ceiling, strict=True)]
    return [
        *rows,
        reported("path: C client, librabbitmq", ceiling, "messages/s", "publishes only: the ceiling"),
        at_least("path against the C client", of_c, GOAL_OF_C, "×"),
    ]


def say_round(number: int, rounds: int, rates: Mapping[str, float], ceiling: Sequence[float]) -> None:
    """Long work shows how far it is."""
    named = [*rates.items(), *[("C", rate) for rate in ceiling]]
    told = ", ".join(f"{name} {rate:,.0f}" for name, rate in named)
    print(f"benchmarks: path, round {number + 1} of {rounds}: {told} a second", file=sys.stderr, flush=True)


def _remarks(stretches: list[Stretch]) -> str:
    broker_us = sum(stretch.broker_us for stretch in stretches) / len(stretches)
    cores = mean_cores([stretch.cores for stretch in stretches])
    return f"{cores}; broker {broker_us:.0f} µs a message"


async def run_path(
    guard: Guard, broker: Broker, folder: Path, count: int, bus: Mapping[str, int] | None = None
) -> Stretch:
    """Start simulator and service, let them settle, measure, stop them."""
    simulator = Simulator(guard, recording(VERSION).path, folder)
    try:
        service = Service(guard, simulator.port, broker.url, folder, bus)
        try:
            progress = await Progress.of(service)
            try:
                named = {"amibus run": service.pid, "broker": broker.pid, "simulator": simulator.pid}
                return await _stretch(progress, simulator, named, count)
            finally:
                await progress.close()
        finally:
            service.stop()
    finally:
        simulator.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _stretch(progress: Progress, simulator: Simulator, named: dict[str, int], count: int) -> Stretch:
    warm = max(2_000, count // 5)
    first = await progress.until(lambda now: now.confirmed >= warm, _MOST_SECS)
    watch = CpuWatch(named)
    ahead = await progress.until(lambda now: now.recorded >= first.confirmed + count, _MOST_SECS)
    simulator.signal(signal.SIGSTOP)
    try:
        last = await progress.until(lambda now: now.confirmed == now.recorded, _MOST_SECS)
    finally:
        simulator.signal(signal.SIGCONT)
    took = last.at - first.at
    confirmed = last.confirmed - first.confirmed
    cores = watch.cores()
    return Stretch(
        confirmed / took,
        (ahead.recorded - first.recorded) / (ahead.at - first.at),
        ahead.recorded - ahead.confirmed,
        cores["broker"] * took / confirmed * 1e6,
        cores,
    )
