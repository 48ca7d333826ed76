"""The same on a real broker: who comes gets a share of the partitions, who goes leaves them to the others."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.source import RabbitSource
from consumers.dispatching.intake import OpenGate
from consumers.dispatching.runner import BindingRunner
from consumers.dispatching.settings import DispatchSettings
from consumers.ports import Binding
from consumers.reports import BindingReport
from schemas.broker_url import BrokerUrl
from tests.dispatching.office import ScriptedSink, message
from tests.dispatching.test_parking_lots import publish_event
from tests.fakes.parking_lot import FakeLot
from tests.forwarder.oracle import until
from tests.rabbitmq.broker import channel_on
from tests.services.choice import RabbitmqServer

pytestmark = pytest.mark.rabbitmq

PARTITIONS = 4


class Process:
    """One process's share of a binding."""

    def __init__(self, server: RabbitmqServer, binding: Binding, sink: ScriptedSink) -> None:
        self.source = RabbitSource(SourceSettings(BrokerUrl.parse(server.amqp_url)))
        self.reports: list[BindingReport] = []
        self.runner = BindingRunner(
            binding, DispatchSettings(), self.source, OpenGate(), sink, FakeLot(), self.reports.append
        )
        self.task = asyncio.create_task(self.runner.run())

    @property
    def share(self) -> int:
        """How many partitions have given it something since it subscribed to them."""
        return sum(feed.delivered for feed in self.runner._feeds.values())

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.source.close()


@asynccontextmanager
async def traffic(server: RabbitmqServer, pbx: str, sent: list[str]) -> AsyncIterator[None]:
    async def flow() -> None:
        async with channel_on(server) as channel:
            for number in itertools.count(1):
                each = message(number, f"call-{number % 64}", pbx=pbx)
                await publish_event(channel, each)
                sent.append(each.message_id)
                await asyncio.sleep(0.002)

    flowing = asyncio.create_task(flow())
    yield
    flowing.cancel()
    await asyncio.gather(flowing, return_exceptions=True)


async def test_processes_share_the_partitions_and_take_over_from_each_other(rabbitmq: RabbitmqServer) -> None:
    name = f"shared-{uuid.uuid4().hex[:8]}"
    binding = Binding(name, (f"{name}.#",), partitions=PARTITIONS)
    sink = ScriptedSink()
    others = [ScriptedSink(done=sink.done, busy=sink.busy) for _ in range(2)]
    first = Process(rabbitmq, binding, sink)
    sent: list[str] = []
    await until(lambda: len(first.runner._feeds) == PARTITIONS, 30)
    async with traffic(rabbitmq, name, sent):
        await until(lambda: first.share == PARTITIONS, 30)
        second = Process(rabbitmq, binding, others[0])
        await until(lambda: (first.share, second.share) == (2, 2), 60)
        await first.end()
        await until(lambda: second.share == PARTITIONS, 60)
        third = Process(rabbitmq, binding, others[1])
        await until(lambda: (second.share, third.share) == (2, 2), 60)
    await until(lambda: set(sent) <= set(sink.done), 60)
    for process in (second, third):
        await process.end()
    assert len(sink.done) == len(set(sink.done))
    numbers: dict[int, list[int]] = {}
    for id in sink.done:
        number = int(id.rpartition("-")[2], 16)
        numbers.setdefault(number % 64, []).append(number)
    assert all(each == sorted(each) for each in numbers.values())
    async with channel_on(rabbitmq) as channel:
        for index in range(PARTITIONS):
            await channel.queue_delete(f"amibus.{name}:{index}")
