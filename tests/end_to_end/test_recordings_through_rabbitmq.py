"""Recorded traffic from `amibus simulate` through `amibus run` onto RabbitMQ, compared event by event."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.domain.independent import parties
from tests.end_to_end.installation import ENVIRONMENT, SECRET, Installation, PbxLine
from tests.end_to_end.naive import Naive, packets, text_of, traces
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


def of_the_trace(arrivals: list[Arrived]) -> list[Arrived]:
    return [one for one in arrivals if one.kind in ("event", "malformed")]


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

    concern_208 = [packet.text for packet in expected if packet.is_event and "208" in parties(packet.raw)]
    assert concern_208
    assert [text_of(one.body) for one in of_the_trace(of_208.all)] == concern_208
    assert len({one.message_id for one in of_208.all}) == len(of_208.all)


def check_numbers(arrivals: list[Arrived]) -> None:
    assert [one.body["seq"] for one in arrivals] == list(range(1, len(arrivals) + 1))
    assert [one.headers["seq"] for one in arrivals] == [one.body["seq"] for one in arrivals]
    assert len({one.body["epoch"] for one in arrivals}) == 1
    assert len({one.message_id for one in arrivals}) == len(arrivals)
    assert all(one.message_id == one.body["id"] for one in arrivals)


def check_bodies(arrivals: list[Arrived], expected: list[Naive]) -> None:
    assert len(arrivals) == len(expected)
    for one, packet in zip(arrivals, expected, strict=True):
        assert text_of(one.body) == packet.text
        if not packet.is_event:
            assert one.body["event"] == "control.malformed"
            continue
        assert one.body["event"] == packet.name
        assert ("text" in one.body) == (not packet.ordinary)
        assert bool(one.body.get("suspect")) == ("Privilege" not in list(packet.fields)[1:2])
        assert bool(one.body.get("undecodable")) == (
            packet.raw.decode("utf-8", "replace") != packet.raw.decode("utf-8", "ignore")
        )
        if packet.ordinary:
            assert one.body["fields"] == packet.fields
            assert list(one.body["fields"]) == list(packet.fields)
        assert all(key.startswith(f"main.{packet.name.lower()}.") for key in (one.routing_key, *one.cc))
        assert len({one.routing_key, *one.cc}) == 1 + len(one.cc)
