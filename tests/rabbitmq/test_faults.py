"""The forwarder on a real broker that is stopped, killed, frozen, filled up and cut off.

The oracle numbers every event. Lost: none. Duplicates: at most the window for each lost session. Order:
what arrives first of each event arrives in order. The same event has the same id, however often it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from publisher.adapters.rabbitmq.bus import RabbitBus
from publisher.reports import BusBlocked, BusDown, BusRefusal, MessagesRefused, Report
from publisher.services.forwarder import CURSOR, Forwarder, ForwarderSettings
from schemas.message import EVENTS_EXCHANGE, UNROUTED_QUEUE
from tests.fakes.clock import RealClock
from tests.fakes.journal import FakeJournal
from tests.forwarder.oracle import decode, duplicates, first_arrivals_in_order, lost, until
from tests.rabbitmq.broker import Stored, bus_on, channel_on, drain, new_queue
from tests.services.choice import RabbitmqServer
from tests.services.proxy import CuttableProxy

pytestmark = [pytest.mark.rabbitmq, pytest.mark.faults]

WINDOW = 200


class Line:
    """A journal that keeps growing, and the forwarder that empties it onto the broker."""

    def __init__(self, bus: RabbitBus) -> None:
        self.journal = FakeJournal(commit_secs=0.005)
        self.reports: list[Report] = []
        settings = ForwarderSettings(window=WINDOW, batch=50)
        self.forwarder = Forwarder(self.journal, bus, decode, self.reports.append, RealClock(), settings)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.forwarder.run())
        feeding = asyncio.create_task(self._feed())
        try:
            yield
        finally:
            feeding.cancel()
            task.cancel()
            ends = await asyncio.gather(task, feeding, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends

    async def _feed(self) -> None:
        while True:
            self.journal.append_events(10)
            await asyncio.sleep(0.01)

    @property
    def last(self) -> int:
        return self.journal.next_pos - 1

    async def confirmed(self, pos: int, timeout_secs: float = 60) -> None:
        await until(lambda: self.journal.durable_cursor(CURSOR) >= pos, timeout_secs)

    async def flowing(self) -> None:
        """Wait until what is appended from now on gets confirmed."""
        await self.confirmed(self.last + 100)

    def told(self, kind: type[Report]) -> list[Report]:
        return [report for report in self.reports if isinstance(report, kind)]


def check(stored: Sequence[Stored], count: int, faults: int, in_order: bool = True) -> None:
    seqs = [each.seq for each in stored]
    assert lost(seqs, count) == set()
    assert duplicates(seqs) <= WINDOW * faults
    if in_order:
        assert first_arrivals_in_order(seqs)
    ids = {each.seq: each.message_id for each in stored}
    assert all(ids[each.seq] == each.message_id for each in stored)
    assert len(set(ids.values())) == len(ids)


def stopped_line(line: Line) -> int:
    """The last number up to which all was confirmed."""
    return line.journal.cursor(CURSOR)


@pytest.fixture
async def queue(own_rabbitmq: RabbitmqServer) -> str:
    session = await bus_on(own_rabbitmq).open()
    await session.close()
    return await new_queue(own_rabbitmq)


async def test_a_broker_that_is_stopped_and_started_loses_nothing(
    own_rabbitmq: RabbitmqServer, queue: str
) -> None:
    line = Line(bus_on(own_rabbitmq))
    async with line.running():
        await line.flowing()
        await asyncio.to_thread(own_rabbitmq.stop)
        await until(lambda: bool(line.told(BusDown)))
        await asyncio.to_thread(own_rabbitmq.start)
        await line.flowing()
    check(await drain(own_rabbitmq, queue), stopped_line(line), len(line.told(BusDown)))


async def test_a_broker_killed_in_the_middle_of_publishing_loses_nothing(
    own_rabbitmq: RabbitmqServer, queue: str
) -> None:
    line = Line(bus_on(own_rabbitmq))
    async with line.running():
        for _ in range(2):
            await line.flowing()
            own_rabbitmq.kill9()
            await asyncio.to_thread(own_rabbitmq.start)
        await line.flowing()
    check(await drain(own_rabbitmq, queue), stopped_line(line), len(line.told(BusDown)))


async def test_a_frozen_broker_is_noticed_and_after_it_thaws_nothing_is_lost(
    own_rabbitmq: RabbitmqServer, queue: str
) -> None:
    line = Line(bus_on(own_rabbitmq, heartbeat_secs=1, connect_timeout_secs=2.0))
    async with line.running():
        await line.flowing()
        own_rabbitmq.sigstop()
        await until(lambda: bool(line.told(BusDown)), 40)
        own_rabbitmq.sigcont()
        await line.flowing()
    check(await drain(own_rabbitmq, queue), stopped_line(line), len(line.told(BusDown)))


async def test_a_broker_low_on_memory_blocks_the_forwarder_and_loses_nothing(
    own_rabbitmq: RabbitmqServer, queue: str
) -> None:
    line = Line(bus_on(own_rabbitmq, confirm_timeout_secs=3.0))
    async with line.running():
        await line.flowing()
        await asyncio.to_thread(own_rabbitmq.rabbitmqctl, "set_vm_memory_high_watermark", "0.00001")
        await until(lambda: bool(line.told(BusBlocked)))
        assert "memory" in line.forwarder.state
        # Longer than the watchdog allows an open line: being blocked is no reason to reconnect.
        await asyncio.sleep(4)
        await asyncio.to_thread(own_rabbitmq.rabbitmqctl, "set_vm_memory_high_watermark", "0.4")
        await line.flowing()
    assert line.told(BusDown) == []
    check(await drain(own_rabbitmq, queue), stopped_line(line), faults=0)


async def test_a_full_queue_that_refuses_gets_everything_once_it_has_room_again(
    own_rabbitmq: RabbitmqServer, queue: str
) -> None:
    small = await new_queue(own_rabbitmq, arguments={"x-max-length": 120, "x-overflow": "reject-publish"})
    line = Line(bus_on(own_rabbitmq))
    taken: list[Stored] = []
    async with line.running():
        await until(lambda: len(line.told(MessagesRefused)) >= 2)
        while stopped_line(line) < 1000:
            taken += await drain(own_rabbitmq, small)
        # What is refused from here on is published again when the small queue is bound no more.
        owed = stopped_line(line)
        async with channel_on(own_rabbitmq) as channel:
            await (await channel.get_queue(small)).unbind(EVENTS_EXCHANGE, "#")
        await line.flowing()
    count = stopped_line(line)
    refusals = len(line.told(MessagesRefused))
    check(await drain(own_rabbitmq, queue), count, refusals)
    taken += await drain(own_rabbitmq, small)
    assert lost([each.seq for each in taken], owed) == set()


async def test_a_revoked_topic_permission_is_told_and_nothing_is_lost_once_it_is_granted(
    own_rabbitmq: RabbitmqServer, queue: str
) -> None:
    ctl = own_rabbitmq.rabbitmqctl
    ctl("add_user", "office", "secret")
    ctl("set_permissions", "office", ".*", ".*", ".*")
    line = Line(bus_on(own_rabbitmq, user="office", password="secret"))
    async with line.running():
        await line.flowing()
        await asyncio.to_thread(ctl, "set_topic_permissions", "office", EVENTS_EXCHANGE, "^other\\.", ".*")
        # The broker remembers for a channel what it once allowed: only a new one feels the change.
        await asyncio.to_thread(ctl, "close_all_connections", "permissions changed")
        await until(lambda: bool(line.told(BusRefusal)))
        [refusal, *_] = line.told(BusRefusal)
        assert isinstance(refusal, BusRefusal)
        assert "main.hangup.200" in refusal.reason
        await asyncio.to_thread(ctl, "clear_topic_permissions", "office")
        await line.flowing()
    faults = len(line.told(BusRefusal)) + len(line.told(BusDown))
    check(await drain(own_rabbitmq, queue), stopped_line(line), faults)


async def test_a_line_cut_again_and_again_loses_nothing(own_rabbitmq: RabbitmqServer, queue: str) -> None:
    with CuttableProxy(own_rabbitmq.port) as proxy:
        line = Line(bus_on(own_rabbitmq, port=proxy.port))
        async with line.running():
            for _ in range(5):
                await line.flowing()
                proxy.cut()
            await line.flowing()
        check(await drain(own_rabbitmq, queue), stopped_line(line), len(line.told(BusDown)))
        assert len(line.told(BusDown)) == 5


async def test_a_half_open_line_is_noticed_and_nothing_is_lost(
    own_rabbitmq: RabbitmqServer, queue: str
) -> None:
    with CuttableProxy(own_rabbitmq.port) as proxy:
        line = Line(bus_on(own_rabbitmq, port=proxy.port, confirm_timeout_secs=1.0, connect_timeout_secs=1.0))
        async with line.running():
            await line.flowing()
            proxy.freeze()
            await until(lambda: bool(line.told(BusDown)))
            proxy.resume()
            await line.flowing()
        check(await drain(own_rabbitmq, queue), stopped_line(line), len(line.told(BusDown)))


async def test_connections_closed_by_an_operator_are_replaced(
    own_rabbitmq: RabbitmqServer, queue: str
) -> None:
    line = Line(bus_on(own_rabbitmq))
    async with line.running():
        await line.flowing()
        await asyncio.to_thread(own_rabbitmq.rabbitmqctl, "close_all_connections", "maintenance")
        await until(lambda: bool(line.told(BusDown)))
        await line.flowing()
    [down] = line.told(BusDown)
    assert isinstance(down, BusDown)
    assert "maintenance" in down.reason
    check(await drain(own_rabbitmq, queue), stopped_line(line), faults=1)


async def test_events_that_nobody_takes_wait_on_the_unrouted_queue(own_rabbitmq: RabbitmqServer) -> None:
    line = Line(bus_on(own_rabbitmq))
    async with line.running():
        await line.flowing()
    count = stopped_line(line)
    check(await drain(own_rabbitmq, UNROUTED_QUEUE), count, faults=0)
    assert line.forwarder.counters.unroutable == 0
