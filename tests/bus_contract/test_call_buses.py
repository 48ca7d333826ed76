"""What the fold may rely on: its state, what it published, and what is parked for want of room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.adapters.embedded_calls import FILE_NAME
from consumers.adapters.parking_file import ParkingFile
from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.lot import RabbitLot
from consumers.adapters.replaying_source import ReplayingSource
from consumers.errors import BusLost
from consumers.folding import FOLD_BINDING, FOLDING
from consumers.ports import Binding
from consumers.reports import CallEventsDropped, CallStateLost
from schemas.broker_url import BrokerUrl
from tests.bus_contract.calls import EmbeddedCallsHarness, RabbitCallsHarness
from tests.bus_contract.harness import Numbers, drain, nothing_waits, take
from tests.fakes.parking_lot import FakeLot
from tests.forwarder.oracle import until
from tests.services.choice import RabbitmqServer

CallsHarness = EmbeddedCallsHarness | RabbitCallsHarness


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedCallsHarness]:
    made = EmbeddedCallsHarness(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def broker(rabbitmq: RabbitmqServer) -> AsyncIterator[RabbitCallsHarness]:
    made = RabbitCallsHarness(rabbitmq.amqp_url)
    await made.open()
    yield made
    await made.close()


@pytest.fixture(params=["embedded", pytest.param("broker", marks=pytest.mark.rabbitmq)])
def calls(request: pytest.FixtureRequest) -> CallsHarness:
    made: CallsHarness = request.getfixturevalue(request.param)
    return made


async def test_the_state_is_what_was_saved_last_until_it_is_forgotten(calls: CallsHarness) -> None:
    bus = calls.calls
    await bus.begin()
    assert await bus.state() == b""
    for number in range(30):
        await bus.save(b"%d" % number)
        assert await bus.state() == b"%d" % number
    # Looked at more often than a queue delivers anything by itself.
    for _ in range(30):
        assert await bus.state() == b"29"
    large = bytes(range(256)) * 20_000
    await bus.save(large)
    assert await bus.state() == large
    await bus.forget()
    await bus.begin()
    assert await bus.state() == b""


async def test_what_nobody_takes_is_dropped(calls: CallsHarness, numbers: Numbers) -> None:
    await calls.publish([numbers.make("main.ringing.200")])
    await calls.source.bind(Binding("late", ("#",)))
    subscription = await calls.source.subscribe("late")
    await nothing_waits(calls, subscription, "main.ended.200", numbers)
    await subscription.close()


async def test_embedded_the_state_outlives_the_process(
    embedded: EmbeddedCallsHarness, numbers: Numbers
) -> None:
    await embedded.calls.save(b"known")
    await embedded.reopen()
    assert await embedded.calls.state() == b"known"


async def test_embedded_what_is_told_again_after_a_crash_is_passed_over(
    embedded: EmbeddedCallsHarness, numbers: Numbers
) -> None:
    await embedded.source.bind(Binding("all", ("#",)))
    sent = [numbers.make(f"{pbx}.ringing.200") for pbx in ("main", "main", "branch", "main")]
    await embedded.publish(sent[:3])
    await embedded.reopen()
    await embedded.publish(sent)
    await embedded.publish(sent)
    subscription = await embedded.source.subscribe("all")
    assert [one.message_id for one in await drain(subscription, 4)] == [one.message_id for one in sent]
    await nothing_waits(embedded, subscription, "main.ended.-", numbers)


async def test_embedded_beyond_its_bound_the_oldest_are_parked_or_dropped_and_it_says_so(
    embedded: EmbeddedCallsHarness, numbers: Numbers
) -> None:
    lot = embedded.lot
    assert isinstance(lot, FakeLot)
    await embedded.source.bind(Binding("slow", ("#",), max_waiting=5))
    subscription = await embedded.source.subscribe("slow", prefetch=2)
    sent = [numbers.make("main.ringing.200") for _ in range(12)]
    await embedded.publish(sent[:2])
    held = await take(subscription, 2)
    lot.failures = 1
    await embedded.publish(sent[2:])
    # The two that are held are not taken away, and one could not be parked.
    assert [one.message.message_id for one in lot.events.values()] == [f"main-{n}" for n in range(4, 10)]
    assert {one.reason for one in lot.events.values()} == {"too many events were waiting for this binding"}
    assert embedded.reports == [CallEventsDropped("slow", 1, "the lot is out of reach")]
    for delivery in held:
        subscription.settle(delivery.tag)
    assert [one.message_id for one in await drain(subscription, 3)] == [f"main-{n}" for n in (10, 11, 12)]


async def test_embedded_a_damaged_file_is_put_aside_and_said(
    embedded: EmbeddedCallsHarness, tmp_path: Path
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 1000)
    await embedded.source.bind(Binding("b", ("#",)))
    assert await embedded.calls.state() == b""
    (report,) = embedded.reports
    assert isinstance(report, CallStateLost)
    assert (tmp_path / "calls.db.damaged").exists()


async def test_embedded_a_binding_that_is_not_durable_ends_with_the_process(
    embedded: EmbeddedCallsHarness, numbers: Numbers
) -> None:
    await embedded.source.bind(Binding("passing", ("#",), durable=False))
    await embedded.publish([numbers.make("main.ringing.200")])
    await embedded.reopen()
    await embedded.source.bind(Binding("passing", ("#",), durable=False))
    subscription = await embedded.source.subscribe("passing")
    await nothing_waits(embedded, subscription, "main.ended.200", numbers)


async def test_embedded_a_parked_call_event_comes_to_its_binding_again(
    embedded: EmbeddedCallsHarness, numbers: Numbers, tmp_path: Path
) -> None:
    lot = ParkingFile(tmp_path / "parked.db", lambda: 0)
    await lot.park("crm", numbers.make("main.missed.200"), "no", 1)
    source = ReplayingSource(embedded.source, lot)
    await source.bind(Binding("crm", ("#",)))
    subscription = await source.subscribe("crm")
    assert await lot.replay([one.key for one in await lot.parked()]) == 1
    (delivery,) = await take(subscription, 1)
    assert (delivery.message.message_id, delivery.redelivered) == ("main-1", True)
    subscription.settle(delivery.tag)
    await subscription.close()
    assert not await lot.to_replay("crm", 10)
    await lot.close()


@pytest.mark.rabbitmq
async def test_on_a_broker_a_parked_call_event_comes_to_its_binding_again(
    broker: RabbitCallsHarness, numbers: Numbers, rabbitmq: RabbitmqServer
) -> None:
    lot = RabbitLot(SourceSettings(BrokerUrl.parse(rabbitmq.amqp_url)), lambda: 0)
    await broker.source.bind(Binding("parked-calls", ("#",), max_waiting=2))
    sent = [numbers.make("main.missed.200") for _ in range(4)]
    await broker.publish(sent[:3])
    await until_parked(lot, 1)
    await lot.park("parked-calls", sent[3], "no", 1)
    parked = await lot.parked("parked-calls")
    assert sorted(one.message.message_id for one in parked) == ["main-1", "main-4"]
    subscription = await broker.source.subscribe("parked-calls")
    await drain(subscription, 2)
    assert await lot.replay([one.key for one in parked]) == 2
    assert {one.message_id for one in await drain(subscription, 2)} == {"main-1", "main-4"}
    await subscription.close()
    await lot.close()


async def until_parked(lot: RabbitLot, count: int) -> None:
    async with asyncio.timeout(20):
        while len(await lot.parked("parked-calls")) < count:
            pass


@pytest.mark.rabbitmq
async def test_on_a_broker_who_lost_its_connection_tells_nothing(
    broker: RabbitCallsHarness, numbers: Numbers, rabbitmq: RabbitmqServer
) -> None:
    other = RabbitCallsHarness(rabbitmq.amqp_url)
    await other.open()
    await broker.calls.save(b"old")
    source, standing_by = broker._taken, other._taken
    await source.bind(FOLD_BINDING)
    first = await source.subscribe(FOLDING)
    second = await standing_by.subscribe(FOLDING)
    assert source._connection is not None
    source._connection.socket.abort()
    await until(lambda: first.ended)
    with pytest.raises(BusLost):
        await broker.calls.save(b"late")
    # A connection that was made anew is another one.
    await source.connection()
    for telling in (broker.calls.publish([numbers.make("main.ended.-")]), broker.calls.save(b"late")):
        with pytest.raises(BusLost):
            await telling
    assert await other.calls.state() == b"old"
    await second.close()
    await standing_by.unbind(FOLDING)
    await other.close()
