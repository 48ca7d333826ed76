"""Recorded traffic from `amibus simulate` through `amibus run` onto RabbitMQ, compared event by event."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from publisher.simulator import Replay, SimulatedPbx, SimulatorOptions, Trace, User
from publisher.simulator.packets import ALL_CLASSES
from tests.end_to_end.comparison import check_bodies, check_numbers, check_share_of_208, of_the_trace
from tests.end_to_end.installation import ENVIRONMENT, SECRET, USER, Installation, PbxLine
from tests.end_to_end.naive import packets, traces
from tests.end_to_end.taker import Arrived, Taker, new_vhost
from tests.services.choice import RabbitmqServer
from tests.services.guard import Guard

pytestmark = pytest.mark.rabbitmq


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.name}"


@asynccontextmanager
async def simulated(trace: Path, *options: str) -> AsyncIterator[int]:
    """`amibus simulate --trace` as a process; its port."""
    command = [sys.executable, "-m", "publisher.command.main", "simulate", "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--trace", str(trace), *options),
        env={**ENVIRONMENT, "AMIBUS_SECRET": SECRET},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            facts = json.loads(await process.stdout.readline())
        yield int(facts["port"])
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize("trace", traces(), ids=name_of)
async def test_every_recorded_event_stands_on_the_queue_once_in_order_and_as_it_was_sent(
    trace: Path, rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path
) -> None:
    expected = packets(trace)
    vhost = await new_vhost(rabbitmq)
    everything, of_208 = Taker(rabbitmq, "#", vhost), Taker(rabbitmq, "*.*.208", vhost)
    await everything.bind()
    await of_208.bind()
    async with simulated(trace) as port:
        pbx = PbxLine(port, more={"trunks": ["trunk"]})
        amibus = Installation(tmp_path, guard, [pbx], everything.url)
        amibus.start()
        left = len(expected)

        def all_here(batch: list[Arrived]) -> bool:
            nonlocal left
            left -= len(of_the_trace(batch))
            return left <= 0

        await everything.until(all_here, 120)
        summary = await amibus.stop()
    await everything.take()
    await of_208.take()

    assert summary["recorded"] == summary["confirmed"] == len(everything.all)
    check_numbers(everything.all)
    assert next(one.kind for one in everything.all) == "up"
    assert not [one for one in everything.all if one.kind in ("gap", "synthetic")]
    check_bodies(of_the_trace(everything.all), expected)

    check_share_of_208(of_208.all, expected)


@pytest.mark.parametrize("filters", [True, False], ids=["by-the-pbx", "here"])
async def test_events_that_are_left_out_reach_no_queue_and_are_counted_where_it_was_done_here(
    rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path, filters: bool
) -> None:
    trace = traces()[-1]
    expected = packets(trace)
    wanted = [packet for packet in expected if packet.name != "VarSet"]
    vhost = await new_vhost(rabbitmq)
    everything = Taker(rabbitmq, "#", vhost)
    await everything.bind()
    rights = ALL_CLASSES if filters else ALL_CLASSES - {"system"}
    users = {USER: User(SECRET, write=frozenset(rights))}
    async with SimulatedPbx(SimulatorOptions(users=users, version="22")) as pbx:
        replay = Replay(pbx, Trace.read(trace))
        more = {"trunks": ["trunk"], "leave_out": ["VarSet"]}
        amibus = Installation(tmp_path, guard, [PbxLine(pbx.port, more=more)], everything.url)
        amibus.start()
        left = len(wanted)

        def all_here(batch: list[Arrived]) -> bool:
            nonlocal left
            left -= len(of_the_trace(batch))
            return left <= 0

        await everything.until(all_here, 120)
        [session] = pbx.sessions
        summary = await amibus.stop()
        await replay.stop()
    await everything.take()
    check_numbers(everything.all)
    check_bodies(of_the_trace(everything.all), wanted)
    left_out = len(expected) - len(wanted)
    assert left_out
    assert session.events_filtered == (left_out if filters else 0)
    assert summary.get("left_out", 0) == (0 if filters else left_out)
    assert bool(amibus.told("FilterNotSet")) == (not filters)
