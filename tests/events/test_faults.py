"""The broker is killed, the connection closed, the queue deleted: nothing that the queue kept is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from consumers.events import BusBack, BusDown, EventClient, StreamReport
from schemas.broker_topology import queue_name
from tests.events.office import numbered_event, publish, take_and_ack
from tests.forwarder.oracle import until
from tests.rabbitmq.broker import bus_on, channel_on
from tests.services.choice import RabbitmqServer

pytestmark = [pytest.mark.rabbitmq, pytest.mark.faults]


class Oracle:
    """Takes all events of one subscription, and puts some off. It stops at the one numbered `STOP` until it
    is told to go on; that one is acked late."""

    STOP = 101

    def __init__(self, server: RabbitmqServer) -> None:
        self.server = server
        self.acked: Counter[int] = Counter()
        self.given: list[int] = []
        self.redelivered = 0
        self.stopped = asyncio.Event()
        self.go = asyncio.Event()
        self.reports: list[StreamReport] = []

    async def run(self, ready: asyncio.Event) -> None:
        client = EventClient.connect(self.server.amqp_url, heartbeat_secs=1, on_report=self.reports.append)
        async with client, client.subscribe("oracle", prefetch=50) as events:
            ready.set()
            async for event in events:
                self.given.append(event.seq)
                self.redelivered += event.redelivered
                if event.seq % 40 == 0 and event.attempt == 1:
                    event.retry(after_secs=0.02)
                    continue
                if event.seq == self.STOP:
                    self.stopped.set()
                    await self.go.wait()
                event.ack()
                self.acked[event.seq] += 1

    def told(self, kind: type[StreamReport]) -> int:
        return sum(isinstance(report, kind) for report in self.reports)


# A queue that was declared in the last half second is not on the broker's disk, whatever it has confirmed.
_QUEUES_TO_DISK = "[dets:sync(Table) || Table <- dets:all()]."


async def killed(server: RabbitmqServer) -> None:
    await asyncio.to_thread(server.kill9)
    await asyncio.to_thread(server.start)


async def closed_by_the_operator(server: RabbitmqServer) -> None:
    await asyncio.to_thread(server.rabbitmqctl, "close_all_connections", "maintenance")


@pytest.mark.parametrize("fault", [killed, closed_by_the_operator])
async def test_the_iteration_goes_on_and_nothing_is_lost_or_acked_twice(
    own_rabbitmq: RabbitmqServer, fault: Callable[[RabbitmqServer], Awaitable[None]]
) -> None:
    oracle, ready = Oracle(own_rabbitmq), asyncio.Event()
    running = asyncio.create_task(oracle.run(ready))
    try:
        await asyncio.wait_for(ready.wait(), 30)
        await asyncio.to_thread(own_rabbitmq.rabbitmqctl, "eval", _QUEUES_TO_DISK)
        session = await bus_on(own_rabbitmq).open()
        await publish(session, (numbered_event(seq, call=str(seq % 7)) for seq in range(1, 601)))
        await asyncio.wait_for(oracle.stopped.wait(), 30)
        await fault(own_rabbitmq)
        oracle.go.set()
        await session.close()
        # Before, a quorum queue may have no leader yet, and a publisher's confirms do not come.
        await until(lambda: oracle.redelivered > 0)
        session = await bus_on(own_rabbitmq).open()
        await publish(session, (numbered_event(seq, call=str(seq % 7)) for seq in range(601, 801)))
        await session.close()
        await until(lambda: len(oracle.acked) == 800 or running.done(), 60)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert set(oracle.acked) == set(range(1, 801)), "lost"
    # One that was given, lost with its connection and acked too late is acked once more, by its own name.
    assert set(oracle.acked.values()) == {1}, "given again after its ack"
    assert oracle.told(BusDown) >= 1
    assert oracle.told(BusBack) >= 1
    assert oracle.redelivered > 0
    for call in range(7):
        firsts = [seq for seq in dict.fromkeys(oracle.given) if seq % 7 == call]
        assert firsts == sorted(firsts)


async def test_a_deleted_queue_is_told_and_made_anew(own_rabbitmq: RabbitmqServer) -> None:
    reports: list[StreamReport] = []
    client = EventClient.connect(own_rabbitmq.amqp_url, on_report=reports.append)
    async with client, client.subscribe("crm") as events:
        async with channel_on(own_rabbitmq) as channel:
            await channel.queue_delete(queue_name("crm"))
        await until(lambda: any(isinstance(report, BusBack) for report in reports))
        session = await bus_on(own_rabbitmq).open()
        await publish(session, [numbered_event(1)])
        await session.close()
        assert await take_and_ack(events, 1) == [1]
    down, back = reports
    assert "the queue was deleted" in str(down)
    assert isinstance(back, BusBack)
    assert back.missed
    assert "missing" in str(back)
