"""What every parking lot promises: the SQLite file, the queue on RabbitMQ, and the fake in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.adapters.parking_file import ParkingFile
from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.lot import RabbitLot
from consumers.adapters.rabbitmq.source import RabbitSource
from consumers.adapters.replaying_source import ReplayingSource
from consumers.errors import BusUnreachable, LotFull
from consumers.ports import Binding, BusSource, ParkedEvent, ParkingLot, Subscription
from schemas.broker_topology import PARKED, queue_name
from schemas.broker_url import BrokerUrl
from schemas.message import Message
from tests.bus_contract.harness import take
from tests.dispatching.office import message
from tests.fakes.parking_lot import FakeLot
from tests.fakes.source import FakeSource
from tests.forwarder.oracle import until
from tests.rabbitmq.broker import channel_on
from tests.services.choice import RabbitmqServer


def now_us() -> int:
    return time.time_ns() // 1000


@asynccontextmanager
async def empty_rabbit_lot(server: RabbitmqServer) -> AsyncIterator[RabbitLot]:
    lot = RabbitLot(SourceSettings(BrokerUrl.parse(server.amqp_url)), now_us)
    await lot.drop([event.key for event in await lot.parked()])
    yield lot
    await lot.drop([event.key for event in await lot.parked()])
    await lot.close()


@pytest.fixture
async def rabbit_lot(rabbitmq: RabbitmqServer) -> AsyncIterator[RabbitLot]:
    async with empty_rabbit_lot(rabbitmq) as lot:
        yield lot


@pytest.fixture(params=["fake", "file", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def lot(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ParkingLot]:
    match request.param:
        case "fake":
            yield FakeLot()
        case "file":
            made = ParkingFile(tmp_path / "parked.db", now_us)
            yield made
            await made.close()
        case _:
            async with empty_rabbit_lot(request.getfixturevalue("rabbitmq")) as rabbit:
                yield rabbit


def parked_message(number: int) -> Message:
    plain = message(number, f"call-{number}")
    headers = replace(plain.headers, linkedid="1700000000.1", cc=("main.newstate.201", "main.newstate.202"))
    return replace(plain, headers=headers, timestamp=1_700_000_000, body=plain.body + b" ")


async def test_what_is_parked_stands_there_whole_and_in_order(lot: ParkingLot) -> None:
    for number in range(1, 6):
        await lot.park("crm", parked_message(number), "отклонено: 422", number)
    await lot.park("other", parked_message(9), "no", 1)
    found = await lot.parked("crm")
    assert [event.message for event in found] == [parked_message(number) for number in range(1, 6)]
    assert [(event.binding, event.reason, event.tries) for event in found] == [
        ("crm", "отклонено: 422", number) for number in range(1, 6)
    ]
    assert len({event.key for event in found}) == 5
    assert len(await lot.parked()) == 6
    assert len(await lot.parked(limit=2)) == 2
    # Looking changes nothing.
    assert await lot.parked("crm") == found


async def test_what_is_dropped_is_gone_and_the_rest_stands(lot: ParkingLot) -> None:
    for number in range(1, 5):
        await lot.park("crm", parked_message(number), "no", 1)
    keys = [event.key for event in await lot.parked()]
    assert await lot.drop([keys[1], keys[3], "no-such-key"]) == 2
    assert [event.key for event in await lot.parked()] == [keys[0], keys[2]]
    assert await lot.drop(keys) == 2
    assert await lot.parked() == []
    assert await lot.drop([]) == 0


async def test_a_file_keeps_what_it_has_over_a_restart(tmp_path: Path) -> None:
    lot = ParkingFile(tmp_path / "parked.db", now_us)
    await lot.park("crm", parked_message(1), "no", 1)
    await lot.close()
    lot = ParkingFile(tmp_path / "parked.db", now_us)
    assert [event.message for event in await lot.parked()] == [parked_message(1)]
    await lot.close()


async def test_a_full_file_says_so(tmp_path: Path) -> None:
    lot = ParkingFile(tmp_path / "parked.db", now_us, most=2)
    for number in (1, 2):
        await lot.park("crm", parked_message(number), "no", 1)
    with pytest.raises(LotFull, match="2 events are parked"):
        await lot.park("crm", parked_message(3), "no", 1)
    await lot.drop([(await lot.parked())[0].key])
    await lot.park("crm", parked_message(3), "no", 1)
    await lot.close()


async def test_a_file_that_cannot_be_used_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "parked.db").write_bytes(b"not a database, but something else" * 100)
    lot = ParkingFile(tmp_path / "parked.db", now_us)
    with pytest.raises(
        BusUnreachable, match=r"the parking lot .*parked\.db cannot be used: file is not a data"
    ):
        await lot.park("crm", parked_message(1), "no", 1)
    await lot.close()


@pytest.fixture(params=["file", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def place(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[ParkingLot, BusSource]]:
    """A lot, and the bus to which it replays."""
    if request.param == "file":
        file = ParkingFile(tmp_path / "parked.db", now_us)
        source = ReplayingSource(FakeSource(), file)
        yield file, source
        await source.close()
        await file.close()
        return
    server = request.getfixturevalue("rabbitmq")
    settings = SourceSettings(BrokerUrl.parse(server.amqp_url), queue_type="classic")
    rabbit = RabbitSource(settings)
    async with empty_rabbit_lot(server) as rabbit_lot:
        yield rabbit_lot, rabbit
    for name in ("crm", "other"):
        await rabbit.unbind(name)
    await rabbit.close()


@pytest.mark.parametrize("partitions", [0, 3])
async def test_a_replay_reaches_its_own_binding_alone_and_leaves_the_lot(
    place: tuple[ParkingLot, BusSource], partitions: int
) -> None:
    lot, source = place
    for name in ("crm", "other"):
        await source.bind(Binding(name, ("#",), partitions=partitions))
    subscriptions = [await source.subscribe(part) for part in await source.places("crm")]
    await lot.park("crm", parked_message(1), "no", 1)
    await lot.park("crm", parked_message(2), "no", 1)
    await lot.park("other", parked_message(3), "no", 1)
    keys = {event.message.headers.seq: event.key for event in await lot.parked()}
    assert await lot.replay([keys[2], keys[1]]) == 2
    found: list[Message] = []

    async def collect(subscription: Subscription) -> None:
        while True:
            for delivery in await subscription.receive(1):
                found.append(delivery.message)
                subscription.settle(delivery.tag)

    takes = [asyncio.create_task(collect(subscription)) for subscription in subscriptions]
    await until(lambda: len(found) == 2)
    for task in takes:
        task.cancel()
    await asyncio.gather(*takes, return_exceptions=True)
    assert sorted(found, key=lambda each: each.headers.seq) == [parked_message(1), parked_message(2)]
    for subscription in subscriptions:
        await subscription.close()
    assert [event.binding for event in await lot.parked()] == ["other"]
    # Nothing of it comes again.
    assert await lot.replay(list(keys.values())) == 1


async def test_a_replay_that_was_not_settled_comes_again(tmp_path: Path) -> None:
    lot = ParkingFile(tmp_path / "parked.db", now_us)
    source = ReplayingSource(FakeSource(), lot)
    await lot.park("crm", parked_message(1), "no", 1)
    await lot.replay([event.key for event in await lot.parked()])
    for _ in range(2):
        subscription = await source.subscribe("crm")
        [delivery] = await take(subscription, 1)
        assert delivery.message == parked_message(1)
        await subscription.close()
    await lot.close()


@pytest.mark.rabbitmq
async def test_what_the_broker_takes_off_a_full_queue_is_parked_with_the_reason(
    rabbitmq: RabbitmqServer, rabbit_lot: RabbitLot
) -> None:
    source = RabbitSource(SourceSettings(BrokerUrl.parse(rabbitmq.amqp_url)))
    await source.bind(Binding("full", ("full.#",), max_waiting=3))
    async with channel_on(rabbitmq) as channel:
        for number in range(1, 6):
            await publish_event(channel, message(number, pbx="full"))
    found: list[ParkedEvent] = []
    async with asyncio.timeout(20):
        while len(found) < 2:
            found = await rabbit_lot.parked("full")
    assert [event.message.headers.seq for event in found] == [1, 2]
    assert {event.reason for event in found} == {"too many events were waiting for this binding"}
    await source.unbind("full")
    await source.close()


async def publish_event(channel, each: Message) -> None:  # type: ignore[no-untyped-def]
    import aio_pika

    exchange = await channel.get_exchange("ami.events")
    headers = {"pbx": each.headers.pbx, "epoch": 1, "seq": each.headers.seq, "call": each.headers.call}
    await exchange.publish(
        aio_pika.Message(
            each.body, headers=headers, message_id=each.message_id, content_type=each.content_type
        ),
        each.routing_key,
    )


def test_the_queues_have_names_that_no_binding_can_have() -> None:
    assert not PARKED.name.startswith(queue_name(""))
