"""One session on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aio_pika
import pytest

from publisher.adapters.rabbitmq.session import RabbitSession
from publisher.errors import BusLost, BusRefused, BusUnreachable
from schemas.message import EVENTS_EXCHANGE, UNROUTED_QUEUE, Message
from tests.rabbitmq.broker import bus_on, channel_on, delete_queue, drain, new_queue
from tests.rabbitmq.messages import numbered
from tests.services.choice import RabbitmqServer
from tests.services.proxy import CuttableProxy
from tests.services.server_process import free_ports

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
async def session(rabbitmq: RabbitmqServer) -> AsyncIterator[RabbitSession]:
    session = await bus_on(rabbitmq).open()
    yield session
    await session.close()


async def settle(session: RabbitSession, number: int) -> tuple[tuple[int, ...], int]:
    """Wait until everything up to `number` is settled; what was refused, and how many were unroutable."""
    refused: tuple[int, ...] = ()
    unroutable = 0
    async with asyncio.timeout(30):
        while True:
            news = await session.settled()
            refused += news.refused
            unroutable += news.unroutable
            if news.confirmed_through >= number:
                return refused, unroutable


async def test_a_batch_is_stored_in_order_and_confirmed(
    rabbitmq: RabbitmqServer, session: RabbitSession
) -> None:
    queue = await new_queue(rabbitmq)
    for start in range(1, 3001, 500):
        session.publish([numbered(seq) for seq in range(start, start + 500)])
    assert await settle(session, 3000) == ((), 0)
    assert [stored.seq for stored in await drain(rabbitmq, queue)] == list(range(1, 3001))
    await delete_queue(rabbitmq, queue)


async def test_properties_and_headers_arrive_as_the_contract_says(
    rabbitmq: RabbitmqServer, session: RabbitSession
) -> None:
    queue_name = await new_queue(rabbitmq, "*.*.203")
    message = numbered(5, cc=("main.hangup.203", "main.hangup.204"))
    session.publish([message])
    await settle(session, 1)
    async with channel_on(rabbitmq) as channel:
        queue = await channel.get_queue(queue_name)
        got = await queue.get()
        await got.ack()
        assert got.body == message.body
        assert got.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
        assert (got.message_id, got.type, got.content_type) == (
            message.message_id,
            "Hangup",
            message.content_type,
        )
        assert got.app_id is not None
        assert got.app_id.startswith("ami-bus/")
        assert got.headers["pbx"] == "main"
        assert got.headers["seq"] == 5
        assert got.headers["CC"] == ["main.hangup.203", "main.hangup.204"]
    await delete_queue(rabbitmq, queue_name)


async def test_a_queue_bound_to_several_of_an_events_keys_gets_one_copy(
    rabbitmq: RabbitmqServer, session: RabbitSession
) -> None:
    queue = await new_queue(rabbitmq, "main.hangup.200")
    async with channel_on(rabbitmq) as channel:
        await (await channel.get_queue(queue)).bind(EVENTS_EXCHANGE, "*.*.203")
    session.publish([numbered(1, cc=("main.hangup.203",)), numbered(2)])
    await settle(session, 2)
    assert [stored.seq for stored in await drain(rabbitmq, queue)] == [1, 2]
    await delete_queue(rabbitmq, queue)


async def test_a_body_larger_than_a_frame_arrives_whole(
    rabbitmq: RabbitmqServer, session: RabbitSession
) -> None:
    queue_name = await new_queue(rabbitmq)
    big = numbered(1, body_bytes=1_000_003)
    session.publish([big, numbered(2)])
    await settle(session, 2)
    async with channel_on(rabbitmq) as channel:
        got = await (await channel.get_queue(queue_name)).get()
        await got.ack()
        assert got.body == big.body
    await delete_queue(rabbitmq, queue_name)


async def test_what_no_queue_is_bound_for_stands_on_the_unrouted_queue(
    rabbitmq: RabbitmqServer, session: RabbitSession
) -> None:
    async with channel_on(rabbitmq) as channel:
        await (await channel.get_queue(UNROUTED_QUEUE)).purge()
    session.publish([numbered(1, key="nobody.takes.this"), numbered(2, key="nor.takes.that")])
    assert await settle(session, 2) == ((), 0)
    assert [stored.seq for stored in await drain(rabbitmq, UNROUTED_QUEUE)] == [1, 2]


async def test_what_not_even_the_unrouted_queue_takes_is_returned_and_counted(
    rabbitmq: RabbitmqServer, session: RabbitSession
) -> None:
    queue = await new_queue(rabbitmq, "main.hangup.200")
    await delete_queue(rabbitmq, UNROUTED_QUEUE)
    odd_ones_out = [numbered(seq, key="nobody.takes.this") for seq in (2, 4)]
    session.publish([numbered(1), odd_ones_out[0], numbered(3), odd_ones_out[1], numbered(5)])
    assert await settle(session, 5) == ((), 2)
    assert [stored.seq for stored in await drain(rabbitmq, queue)] == [1, 3, 5]
    await delete_queue(rabbitmq, queue)


async def test_nacks_of_a_full_queue_name_the_refused_messages(
    rabbitmq: RabbitmqServer, session: RabbitSession
) -> None:
    queue = await new_queue(rabbitmq, arguments={"x-max-length": 3, "x-overflow": "reject-publish"})
    refused: tuple[int, ...] = ()
    for number in range(1, 7):
        session.publish([numbered(number)])
        refused += (await settle(session, number))[0]
    assert refused == (4, 5, 6)
    assert [stored.seq for stored in await drain(rabbitmq, queue)] == [1, 2, 3]
    await delete_queue(rabbitmq, queue)


async def test_a_message_that_amqp_cannot_carry_is_refused_before_anything_is_sent(
    session: RabbitSession,
) -> None:
    with pytest.raises(ValueError, match="routing key"):
        session.publish([numbered(1), numbered(2, key="k" * 300)])
    session.publish([numbered(1)])
    await settle(session, 1)


async def test_the_connection_is_named_after_the_pbx(
    own_rabbitmq: RabbitmqServer,
) -> None:
    session = await bus_on(own_rabbitmq, pbx="office").open()
    listed = own_rabbitmq.rabbitmqctl("list_connections", "client_properties")
    assert '"ami-bus office"' in listed
    await session.close()


async def test_a_closed_session_leaves_no_connection_behind(own_rabbitmq: RabbitmqServer) -> None:
    session = await bus_on(own_rabbitmq).open()
    await session.close()
    with pytest.raises(BusLost):
        session.publish([numbered(1)])
    assert own_rabbitmq.rabbitmqctl("list_connections", "--no-table-headers", "pid").strip() == ""


async def test_a_refused_login_is_one_clear_sentence_without_the_password(rabbitmq: RabbitmqServer) -> None:
    with pytest.raises(BusRefused, match="refused the login of user 'guest': check user") as refused:
        await bus_on(rabbitmq, password="pssst").open()
    assert "pssst" not in str(refused.value)


async def test_a_missing_virtual_host_is_one_clear_sentence(rabbitmq: RabbitmqServer) -> None:
    with pytest.raises(BusRefused, match="vhost nowhere not found"):
        await bus_on(rabbitmq, vhost="nowhere").open()


async def test_a_missing_permission_to_declare_is_one_clear_sentence(own_rabbitmq: RabbitmqServer) -> None:
    own_rabbitmq.rabbitmqctl("add_user", "reader", "secret")
    own_rabbitmq.rabbitmqctl("set_permissions", "reader", "^$", "^$", ".*")
    with pytest.raises(BusRefused, match=r"access to exchange 'ami\.unrouted'.*refused for user 'reader'"):
        await bus_on(own_rabbitmq, user="reader", password="secret").open()


async def test_an_exchange_of_another_kind_is_named_and_left_alone(own_rabbitmq: RabbitmqServer) -> None:
    async with channel_on(own_rabbitmq) as channel:
        await channel.declare_exchange(EVENTS_EXCHANGE, "fanout", durable=True)
    with pytest.raises(BusRefused, match=r"inequivalent arg 'type' for exchange 'ami\.events'.*delete what"):
        await bus_on(own_rabbitmq).open()
    assert "ami.events\tfanout" in own_rabbitmq.rabbitmqctl("list_exchanges")


async def test_a_port_where_nothing_listens_is_one_clear_sentence(rabbitmq: RabbitmqServer) -> None:
    (port,) = free_ports(1)
    with pytest.raises(BusUnreachable, match="cannot be reached: nothing listens there"):
        await bus_on(rabbitmq, port=port).open()


async def test_a_host_that_never_answers_is_given_up_after_the_timeout(rabbitmq: RabbitmqServer) -> None:
    with CuttableProxy(rabbitmq.port) as proxy:
        proxy.freeze()
        with pytest.raises(BusUnreachable, match=r"no answer within 0\.5 s"):
            await bus_on(rabbitmq, port=proxy.port, connect_timeout_secs=0.5).open()


async def test_something_that_is_no_broker_is_one_clear_sentence(rabbitmq: RabbitmqServer) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(BusUnreachable, match="does not speak AMQP"):
        await bus_on(rabbitmq, port=port, connect_timeout_secs=3).open()
    server.close()


async def test_a_cut_line_ends_the_session_for_settled_and_for_publish(rabbitmq: RabbitmqServer) -> None:
    with CuttableProxy(rabbitmq.port) as proxy:
        session = await bus_on(rabbitmq, port=proxy.port).open()
        waiting = asyncio.create_task(session.settled())
        proxy.cut()
        with pytest.raises(BusLost):
            await asyncio.wait_for(waiting, 10)
        with pytest.raises(BusLost):
            session.publish([numbered(1)])
        await session.close()


async def test_a_silent_broker_is_given_up_by_the_watchdog_on_the_oldest_unconfirmed(
    rabbitmq: RabbitmqServer,
) -> None:
    with CuttableProxy(rabbitmq.port) as proxy:
        session = await bus_on(rabbitmq, port=proxy.port, confirm_timeout_secs=0.5).open()
        proxy.freeze()
        session.publish([numbered(1)])
        with pytest.raises(BusLost, match=r"confirmed nothing for 0\.5 s"):
            await asyncio.wait_for(session.settled(), 10)
        await session.close()


async def test_a_frozen_line_is_noticed_by_its_missing_heartbeats(rabbitmq: RabbitmqServer) -> None:
    with CuttableProxy(rabbitmq.port) as proxy:
        session = await bus_on(rabbitmq, port=proxy.port, heartbeat_secs=1).open()
        proxy.freeze()
        with pytest.raises(BusLost):
            await asyncio.wait_for(session.settled(), 30)
        await session.close()


def _message_to(key: str) -> Message:
    return numbered(1, key=key)


async def test_a_topic_that_the_user_may_not_write_ends_the_session_with_the_brokers_words(
    own_rabbitmq: RabbitmqServer,
) -> None:
    own_rabbitmq.rabbitmqctl("add_user", "office", "secret")
    own_rabbitmq.rabbitmqctl("set_permissions", "office", ".*", ".*", ".*")
    own_rabbitmq.rabbitmqctl("set_topic_permissions", "office", EVENTS_EXCHANGE, "^main\\.", ".*")
    session = await bus_on(own_rabbitmq, user="office", password="secret").open()
    session.publish([_message_to("main.hangup.200")])
    await settle(session, 1)
    session.publish([_message_to("other.hangup.200")])
    with pytest.raises(BusRefused, match=r"access to topic 'other\.hangup\.200'.*refused for user 'office'"):
        await asyncio.wait_for(session.settled(), 10)
    await session.close()
