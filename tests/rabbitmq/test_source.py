"""The consumers' side on a real broker: bindings that change, batches, settling, losses."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator

import pytest

from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.source import RabbitSource
from consumers.adapters.rabbitmq.subscription import RabbitSubscription
from consumers.errors import BusLost, BusRefused, BusUnreachable
from consumers.ports import Binding
from publisher.adapters.rabbitmq.session import RabbitSession
from schemas.broker_topology import queue_name
from schemas.broker_url import BrokerUrl
from schemas.message import Delivery
from tests.forwarder.oracle import until
from tests.rabbitmq.broker import bus_on, channel_on
from tests.rabbitmq.messages import numbered
from tests.services.choice import RabbitmqServer
from tests.services.proxy import CuttableProxy
from tests.services.server_process import free_ports

pytestmark = pytest.mark.rabbitmq


def source_on(server: RabbitmqServer, port: int | None = None, password: str | None = None) -> RabbitSource:
    url = f"amqp://{server.user}:{password or server.password}@{server.host}:{port or server.port}/"
    return RabbitSource(SourceSettings(BrokerUrl.parse(url), heartbeat_secs=1, connect_timeout_secs=5))


@pytest.fixture
async def source(rabbitmq: RabbitmqServer) -> AsyncIterator[RabbitSource]:
    source = source_on(rabbitmq)
    yield source
    await source.close()


@pytest.fixture
async def session(rabbitmq: RabbitmqServer) -> AsyncIterator[RabbitSession]:
    session = await bus_on(rabbitmq).open()
    yield session
    await session.close()


@pytest.fixture
async def name(source: RabbitSource) -> AsyncIterator[str]:
    name = f"t{uuid.uuid4().hex[:10]}"
    yield name
    await source.unbind(name)


async def publish(session: RabbitSession, *messages: tuple[int, str]) -> None:
    session.publish([numbered(seq, key=key) for seq, key in messages])
    async with asyncio.timeout(20):
        while session._confirms.outstanding:
            await session.settled()


async def take(subscription: RabbitSubscription, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += await subscription.receive(count - len(found))
    return found


def seqs(deliveries: list[Delivery]) -> list[int]:
    return [delivery.message.headers.seq for delivery in deliveries]


async def waiting(server: RabbitmqServer, name: str) -> int:
    async with channel_on(server) as channel:
        queue = await channel.declare_queue(queue_name(name), passive=True)
        return queue.declaration_result.message_count or 0


async def test_a_message_comes_back_as_it_was_published(
    source: RabbitSource, session: RabbitSession, name: str
) -> None:
    await source.bind(Binding(name, ("#",)))
    subscription = await source.subscribe(name)
    sent = numbered(7, key="main.hangup.200", cc=("main.hangup.202", "main.hangup.203"))
    session.publish([sent])
    [delivery] = await take(subscription, 1)
    assert delivery.message == sent
    assert not delivery.redelivered
    subscription.settle(delivery.tag)
    await subscription.close()


async def test_only_what_a_key_matches_arrives_once_and_in_order(
    source: RabbitSource, session: RabbitSession, name: str
) -> None:
    await source.bind(Binding(name, ("main.*.200", "*.hangup.*", "*.hangup.*")))
    subscription = await source.subscribe(name)
    await publish(
        session, (1, "main.hangup.200"), (2, "main.dialbegin.300"), (3, "other.hangup.5"), (4, "main.x.200")
    )
    assert seqs(await take(subscription, 3)) == [1, 3, 4]
    await subscription.close()


async def test_a_key_that_left_the_configuration_no_longer_brings_messages(
    source: RabbitSource, session: RabbitSession, name: str, rabbitmq: RabbitmqServer
) -> None:
    await source.bind(Binding(name, ("main.*.200", "main.*.201")))
    # Another process, later, with other keys: it knows nothing of the first ones.
    other = source_on(rabbitmq)
    await other.bind(Binding(name, ("main.*.201", "main.*.202")))
    await other.close()
    await publish(session, (1, "main.a.200"), (2, "main.a.201"), (3, "main.a.202"))
    subscription = await source.subscribe(name)
    assert seqs(await take(subscription, 2)) == [2, 3]
    await subscription.close()


async def test_binding_again_and_again_while_messages_flow_loses_and_repeats_none(
    source: RabbitSource, session: RabbitSession, name: str
) -> None:
    await source.bind(Binding(name, ("main.#",)))
    subscription = await source.subscribe(name)

    async def rebind() -> None:
        for turn in range(8):
            await source.bind(Binding(name, ("main.#", f"other.{turn}.#")))

    rebinding = asyncio.create_task(rebind())
    count = 0
    while not rebinding.done():
        count += 1
        await publish(session, (count, "main.hangup.200"))
    await rebinding
    assert count >= 8
    assert seqs(await take(subscription, count)) == list(range(1, count + 1))
    await subscription.close()


async def test_two_slots_left_by_a_crash_are_replaced_by_the_next_bind(
    source: RabbitSource, session: RabbitSession, name: str, rabbitmq: RabbitmqServer
) -> None:
    await source.bind(Binding(name, ("main.*.200",)))
    async with channel_on(rabbitmq) as channel:
        for slot in (1, 2):
            exchange = await channel.declare_exchange(f"{queue_name(name)}.{slot}", "fanout", durable=True)
            await exchange.bind("ami.events", "main.*.201")
            await (await channel.get_queue(queue_name(name))).bind(exchange)
    await source.bind(Binding(name, ("main.*.202",)))
    await publish(session, (1, "main.a.200"), (2, "main.a.201"), (3, "main.a.202"))
    subscription = await source.subscribe(name)
    assert seqs(await take(subscription, 1)) == [3]
    assert await waiting(rabbitmq, name) == 0
    await subscription.close()


async def test_processes_that_bind_one_name_at_about_the_same_time_leave_it_bound(
    source: RabbitSource, session: RabbitSession, name: str, rabbitmq: RabbitmqServer
) -> None:
    binding, draw = Binding(name, ("main.#",)), random.Random(1)

    async def bind(process: RabbitSource, wait_secs: float) -> None:
        await asyncio.sleep(wait_secs)
        await process.bind(binding)

    processes = [source_on(rabbitmq) for _ in range(6)]
    await asyncio.gather(*(process.bind(binding) for process in processes))
    subscription = await source.subscribe(name)
    for turn in range(1, 16):
        await asyncio.gather(*(bind(process, draw.uniform(0, 0.03)) for process in processes))
        await publish(session, (turn, "main.hangup.200"))
        assert seqs(await take(subscription, 1)) == [turn]
    for process in processes:
        await process.close()


async def test_what_was_not_settled_is_delivered_again_and_what_was_is_not(
    source: RabbitSource, session: RabbitSession, name: str
) -> None:
    await source.bind(Binding(name, ("#",)))
    subscription = await source.subscribe(name)
    await publish(session, *((seq, "main.hangup.200") for seq in range(1, 101)))
    deliveries = await take(subscription, 100)
    for delivery in deliveries:
        if delivery.message.headers.seq % 10:
            subscription.settle(delivery.tag)
    await subscription.close()
    again = await source.subscribe(name)
    # A quorum queue takes acks without a confirm: the last ones before a close may come again, marked.
    unsettled, back = set(range(10, 101, 10)), set[int]()
    while not unsettled <= back:
        (delivery,) = await take(again, 1)
        assert delivery.redelivered
        back.add(delivery.message.headers.seq)
    assert min(back) == 10, "what was settled first stays settled"
    await again.close()


async def test_settling_in_any_order_frees_the_prefetch(
    source: RabbitSource, session: RabbitSession, name: str, rabbitmq: RabbitmqServer
) -> None:
    await source.bind(Binding(name, ("#",)))
    subscription = await source.subscribe(name, prefetch=10)
    await publish(session, *((seq, "main.hangup.200") for seq in range(1, 31)))
    first = await take(subscription, 10)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(subscription.receive(), 0.3)
    for delivery in reversed(first[1:]):
        subscription.settle(delivery.tag)
    assert seqs(await take(subscription, 9)) == list(range(11, 20))
    subscription.settle(first[0].tag)
    assert seqs(await take(subscription, 1)) == [20]
    await subscription.close()


async def test_a_delivery_sent_back_comes_again(
    source: RabbitSource, session: RabbitSession, name: str
) -> None:
    await source.bind(Binding(name, ("#",)))
    subscription = await source.subscribe(name)
    await publish(session, (1, "main.hangup.200"), (2, "main.hangup.200"))
    one, two = await take(subscription, 2)
    subscription.retry(one.tag)
    subscription.settle(two.tag)
    [again] = await take(subscription, 1)
    assert again.message == one.message
    assert again.redelivered
    subscription.settle(again.tag)
    await subscription.close()
    last = await source.subscribe(name)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(last.receive(), 0.3)
    await last.close()


async def test_a_binding_that_is_not_durable_ends_with_its_connection(
    rabbitmq: RabbitmqServer, session: RabbitSession
) -> None:
    tail = source_on(rabbitmq)
    await tail.bind(Binding("tail", ("main.*.200",), durable=False))
    await tail.bind(Binding("tail", ("main.*.201",), durable=False))
    subscription = await tail.subscribe("tail")
    await publish(session, (1, "main.a.200"), (2, "main.a.201"))
    assert seqs(await take(subscription, 1)) == [2]
    await tail.close()
    async with channel_on(rabbitmq) as channel, asyncio.timeout(10):
        assert (await channel.get_queue("ami.unrouted")).name == "ami.unrouted"
    assert "amibus.tail." not in await asyncio.to_thread(rabbitmq.rabbitmqctl, "list_queues", "name")


async def test_a_cut_line_is_told_and_a_new_subscription_goes_on_where_it_was_settled(
    rabbitmq: RabbitmqServer, session: RabbitSession, name: str
) -> None:
    with CuttableProxy(rabbitmq.port) as proxy:
        source = source_on(rabbitmq, port=proxy.port)
        await source.bind(Binding(name, ("#",)))
        subscription = await source.subscribe(name)
        await publish(session, (1, "main.hangup.200"), (2, "main.hangup.200"))
        first, _ = await take(subscription, 2)
        subscription.settle(first.tag)
        await until(lambda: subscription._done_through >= 1)
        proxy.cut()
        with pytest.raises(BusLost):
            await asyncio.wait_for(subscription.receive(), 10)
        await subscription.close()
        again = await source.subscribe(name)
        assert 2 in seqs(await take(again, 1))
        await again.close()
        await source.close()


async def test_a_frozen_line_is_noticed_by_its_missing_heartbeats(
    rabbitmq: RabbitmqServer, name: str
) -> None:
    with CuttableProxy(rabbitmq.port) as proxy:
        source = source_on(rabbitmq, port=proxy.port)
        await source.bind(Binding(name, ("#",)))
        subscription = await source.subscribe(name)
        proxy.freeze()
        with pytest.raises(BusLost):
            await asyncio.wait_for(subscription.receive(), 30)
        await subscription.close()
        await source.close()


async def test_a_deleted_queue_is_told(source: RabbitSource, name: str, rabbitmq: RabbitmqServer) -> None:
    await source.bind(Binding(name, ("#",)))
    subscription = await source.subscribe(name)
    async with channel_on(rabbitmq) as channel:
        await channel.queue_delete(queue_name(name))
    with pytest.raises(BusLost, match="the queue was deleted"):
        await asyncio.wait_for(subscription.receive(), 10)
    await subscription.close()


async def test_a_subscription_to_nothing_is_refused_with_the_brokers_words(source: RabbitSource) -> None:
    with pytest.raises(BusRefused, match=r"no queue 'amibus\.nothing'"):
        await source.subscribe("nothing")


async def test_a_wrong_password_and_a_dead_port_are_one_clear_sentence_each(rabbitmq: RabbitmqServer) -> None:
    with pytest.raises(BusRefused, match="refused the login of user 'guest'"):
        await source_on(rabbitmq, password="pssst").bind(Binding("x", ("#",)))
    (port,) = free_ports(1)
    with pytest.raises(BusUnreachable, match="nothing listens there"):
        await source_on(rabbitmq, port=port).bind(Binding("x", ("#",)))
