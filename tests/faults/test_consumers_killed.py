"""`amibus run --role consumers`, several of them, killed with SIGKILL and added while events flow: each event
reaches the sink, each call in order, and what comes twice has the same id."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from schemas import JSON, Event, encode, event_id
from tests.command.amibus import environment
from tests.end_to_end.taker import new_vhost
from tests.forwarder.oracle import until
from tests.services.choice import RabbitmqServer
from tests.services.guard import Guard
from tests.sinks.receiver import Receiver

pytestmark = [pytest.mark.rabbitmq, pytest.mark.faults]

CALLS = 40
CONFIG = """
[bus]
url = "{url}"
[log]
format = "json"
[[binding]]
name = "crm"
keys = ["main.#"]
regex = "Wanted: yes"
sink = "webhook"
url = "http://127.0.0.1:{port}/"
partitions = {partitions}
retry_secs = 0.1
retry_most_secs = 1.0
"""


class Traffic:
    """Numbered events of many calls at a time; every fourth is one that the filter leaves."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._draw = random.Random(5)
        self.wanted: dict[str, tuple[str, int]] = {}

    async def run(self, rate: float) -> None:
        connection = await aio_pika.connect(self._url)
        async with connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange("ami.events")
            for number in itertools.count(1):
                await self._publish(exchange, number)
                await asyncio.sleep(1 / rate)

    async def _publish(self, exchange: aio_pika.abc.AbstractExchange, number: int) -> None:
        call, wanted = f"call-{self._draw.randrange(CALLS)}", number % 4 != 0
        id = event_id("main", 1, number)
        event = Event(
            id=id,
            pbx="main",
            epoch=1,
            seq=number,
            received_at="2026-01-02T03:04:05.000000Z",
            event="Newstate",
            fields={"Event": "Newstate", "Wanted": "yes" if wanted else "no"},
            call=call,
        )
        if wanted:
            self.wanted[id] = (call, number)
        headers: dict[str, Any] = {"pbx": "main", "epoch": 1, "seq": number, "call": call}
        message = aio_pika.Message(
            encode(JSON, event), headers=headers, message_id=id, content_type=JSON, delivery_mode=2
        )
        await exchange.publish(message, "main.newstate.200")


class Fleet:
    """Processes that serve the binding."""

    def __init__(self, folder: Path, guard: Guard) -> None:
        self._folder = folder
        self._guard = guard
        self._log = (folder / "log").open("ab")
        self.processes: list[asyncio.subprocess.Process] = []

    async def add(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "publisher.command.main", "run", "--role", "consumers"),
            cwd=self._folder,
            env=environment(),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,
        )
        self._guard.watch_group(process.pid)
        self.processes.append(process)

    async def end(self, process: asyncio.subprocess.Process, how: signal.Signals) -> int:
        self.processes.remove(process)
        process.send_signal(how)
        code = await process.wait()
        self._guard.forget_group(process.pid)
        return code

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = (self._folder / "log").read_text(encoding="utf-8").splitlines()
        return [said for said in map(json.loads, lines) if said["event"] == event]

    async def close(self) -> None:
        for process in list(self.processes):
            with contextlib.suppress(ProcessLookupError):
                await self.end(process, signal.SIGKILL)
        self._log.close()


@asynccontextmanager
async def consuming(
    server: RabbitmqServer, guard: Guard, folder: Path, partitions: int
) -> AsyncIterator[tuple[Fleet, Receiver, str]]:
    vhost = await new_vhost(server)
    url = f"amqp://{server.user}:{server.password}@{server.host}:{server.port}/{vhost}"
    receiver = Receiver()
    await receiver.start()
    config = folder / "amibus.toml"
    config.write_text(CONFIG.format(url=url, port=receiver.port, partitions=partitions), encoding="utf-8")
    config.chmod(0o600)
    fleet = Fleet(folder, guard)
    try:
        await fleet.add()
        await until(lambda: bool(fleet.told("BindingServed")), 60)
        yield fleet, receiver, url
    finally:
        await fleet.close()
        await receiver.stop()


def ids_of(receiver: Receiver) -> list[str]:
    return [request.json["id"] for request in receiver.requests]


def check(receiver: Receiver, traffic: Traffic, in_order: bool) -> None:
    arrived = ids_of(receiver)
    assert set(arrived) == set(traffic.wanted)
    if in_order:
        numbers: dict[str, list[int]] = {}
        for id in dict.fromkeys(arrived):
            call, number = traffic.wanted[id]
            numbers.setdefault(call, []).append(number)
        assert all(each == sorted(each) for each in numbers.values())


@pytest.mark.parametrize(
    ("partitions", "kills"),
    [(0, 8), (4, 12), pytest.param(8, 100, marks=pytest.mark.soak)],
)
async def test_consumers_killed_and_added_under_load_lose_nothing_and_keep_each_call_in_order(
    rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path, partitions: int, kills: int
) -> None:
    async with consuming(rabbitmq, guard, tmp_path, partitions) as (fleet, receiver, url):
        traffic = Traffic(url)
        flowing = asyncio.create_task(traffic.run(rate=300))
        moments = random.Random(3)
        for _ in range(2):
            await fleet.add()
        for _ in range(kills):
            wanted = len(receiver.requests) + moments.randrange(200)
            await until(lambda wanted=wanted: len(receiver.requests) > wanted, 60)
            await fleet.end(moments.choice(fleet.processes), signal.SIGKILL)
            await fleet.add()
        flowing.cancel()
        await asyncio.gather(flowing, return_exceptions=True)
        await until(lambda: set(ids_of(receiver)) >= set(traffic.wanted), 60)
        for process in list(fleet.processes):
            # One that has only just begun does not listen yet.
            assert await fleet.end(process, signal.SIGTERM) in (0, -signal.SIGTERM)
        check(receiver, traffic, in_order=partitions > 0)
        assert not fleet.told("BindingCrashed")
        assert not fleet.told("EventParked")
