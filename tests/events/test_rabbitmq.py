"""The client on a real RabbitMQ: settling, filters, order, bounds, sharing, ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aio_pika
import pytest
import regex

from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.lot import RabbitLot
from consumers.errors import BusRefused, BusUnreachable
from consumers.events import EventClient
from publisher.adapters.rabbitmq.session import RabbitSession
from schemas import MSGPACK, Event, Headers, Message, packet_text
from schemas.broker_url import BrokerUrl
from schemas.call_event import CALLS_EXCHANGE, CallEvent, CallState, Party, call_event_id, call_keys
from schemas.codecs import pack_body
from schemas.routing import routing_keys
from tests.events.office import (
    EPOCH,
    new_name,
    nothing_comes,
    numbered_event,
    publish,
    seqs,
    take,
    take_and_ack,
    waiting,
)
from tests.filtering.packets import real_events
from tests.forwarder.oracle import until
from tests.rabbitmq.broker import bus_on, channel_on
from tests.services.choice import RabbitmqServer
from tests.services.server_process import free_ports

pytestmark = pytest.mark.rabbitmq

LIKE_THE_SEED = r"Dial.{1,}?20\d|Bridge.{1,}?20\d|Hangup.{1,}?20\d"


@pytest.fixture
async def bus(rabbitmq: RabbitmqServer) -> AsyncIterator[EventClient]:
    async with EventClient.connect(rabbitmq.amqp_url) as client:
        yield client


@pytest.fixture
async def session(rabbitmq: RabbitmqServer) -> AsyncIterator[RabbitSession]:
    session = await bus_on(rabbitmq).open()
    yield session
    await session.close()


@pytest.fixture
async def name(bus: EventClient) -> AsyncIterator[str]:
    name = new_name()
    yield name
    await bus.forget(name)


async def test_acked_is_gone_put_off_comes_again_and_rejected_is_parked_to_be_replayed(
    rabbitmq: RabbitmqServer, bus: EventClient, session: RabbitSession, name: str
) -> None:
    url = BrokerUrl.parse(rabbitmq.amqp_url)
    lot = RabbitLot(SourceSettings(url), lambda: time.time_ns() // 1000)
    async with bus.subscribe(name, ["main.hangup.*"]) as events:
        await publish(session, (numbered_event(seq, call=str(seq)) for seq in (1, 2, 3)))
        one, two, three = await take(events, 3)
        one.ack()
        two.retry(after_secs=0.05)
        three.reject("no such customer")
        [again] = await take(events, 1)
        assert (again.seq, again.attempt, again.redelivered) == (2, 2, False)
        again.ack()
    assert await waiting(rabbitmq, name) == 0
    [parked] = await lot.parked(name)
    assert (parked.reason, parked.message.headers.seq) == ("no such customer", 3)
    assert await lot.replay([parked.key]) == 1
    await lot.close()
    async with bus.subscribe(name, ["main.hangup.*"]) as events:
        [replayed] = await take(events, 1)
        assert (replayed.seq, replayed.routing_key) == (3, "main.hangup.200")
        replayed.ack()


async def test_a_filter_takes_exactly_what_plain_regex_takes(
    bus: EventClient, session: RabbitSession, name: str
) -> None:
    sent = real_events()[:2000]
    wanted = [event.id for event in sent if regex.search(LIKE_THE_SEED, packet_text(event), regex.DOTALL)]
    assert len(wanted) > 50
    async with bus.subscribe(name, regex=LIKE_THE_SEED) as events:
        await publish(session, map(message_of, sent))
        found = []
        for _ in wanted:
            [event] = await take(events, 1)
            found.append(event.id)
            event.ack()
        assert found == wanted
        assert await nothing_comes(events)


def message_of(event: Event) -> Message:
    key, *others = routing_keys(event.pbx, event.event, event.extensions)
    headers = Headers(event.pbx, event.epoch, event.seq, event.call or event.pbx, "", tuple(others))
    return Message(key, headers, event.id, event.event, 0, pack_body(event.to_map()), MSGPACK)


async def test_events_come_in_the_order_of_the_bus_however_many(
    bus: EventClient, session: RabbitSession, name: str
) -> None:
    async with bus.subscribe(name, ["main.#"], prefetch=50) as events:
        await publish(session, map(numbered_event, range(1, 1501)))
        assert await take_and_ack(events, 1500) == list(range(1, 1501))


async def test_no_more_than_the_prefetch_is_held_however_it_is_held(
    rabbitmq: RabbitmqServer, bus: EventClient, session: RabbitSession, name: str
) -> None:
    async with bus.subscribe(name, prefetch=10) as events:
        await publish(session, (numbered_event(seq, call=str(seq)) for seq in range(1, 31)))
        held = await take(events, 10)
        assert await nothing_comes(events)
        assert await waiting(rabbitmq, name) == 20
        held[0].retry(after_secs=60)
        assert await nothing_comes(events), "what was put off keeps its place"
        held[9].ack()
        assert seqs(await take(events, 1)) == [11]
        assert await nothing_comes(events)


async def test_an_end_in_the_middle_says_what_was_acked_and_the_rest_comes_again_marked(
    rabbitmq: RabbitmqServer, bus: EventClient, session: RabbitSession, name: str
) -> None:
    async with bus.subscribe(name) as events:
        await publish(session, map(numbered_event, range(1, 31)))
        held = await take(events, 20)
        for event in held[:10]:
            event.ack()
    held[15].ack()
    async with bus.subscribe(name) as events:
        again = await take(events, 20)
        assert seqs(again) == list(range(11, 31))
        assert all(event.redelivered for event in again[:10])
        for event in again:
            event.ack()
    assert await waiting(rabbitmq, name) == 0


async def test_two_clients_of_one_name_share_the_events(
    rabbitmq: RabbitmqServer, bus: EventClient, session: RabbitSession, name: str
) -> None:
    shares: list[list[int]] = [[], []]

    async def work(client: EventClient, share: list[int]) -> None:
        async with client.subscribe(name, prefetch=5) as events:
            ready.release()
            async for event in events:
                share.append(event.seq)
                await asyncio.sleep(0)
                event.ack()

    ready = asyncio.Semaphore(0)
    async with EventClient.connect(rabbitmq.amqp_url) as other:
        workers = [
            asyncio.create_task(work(client, share))
            for client, share in zip((bus, other), shares, strict=True)
        ]
        for _ in workers:
            await ready.acquire()
        await publish(session, map(numbered_event, range(1, 501)))
        await until(lambda: sum(map(len, shares)) >= 500)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    assert sorted(shares[0] + shares[1]) == list(range(1, 501))
    assert all(share and share == sorted(share) for share in shares)
    assert await waiting(rabbitmq, name) == 0


async def test_the_first_of_the_clients_to_go_leaves_its_events_to_the_others(
    rabbitmq: RabbitmqServer, bus: EventClient, session: RabbitSession, name: str
) -> None:
    async with EventClient.connect(rabbitmq.amqp_url) as other, bus.subscribe(name) as stays:
        async with other.subscribe(name) as goes:
            await publish(session, map(numbered_event, range(1, 11)))
            left = await take(goes, 5)
        assert {*seqs(left), *seqs(rest := await take(stays, 10))} == set(range(1, 11))
        assert {event.seq for event in rest if event.redelivered} == set(seqs(left))


async def test_a_subscription_without_a_name_takes_from_now_on_and_leaves_nothing_behind(
    rabbitmq: RabbitmqServer, bus: EventClient, session: RabbitSession
) -> None:
    await publish(session, [numbered_event(1)])
    async with bus.subscribe(keys=["main.hangup.200"]) as events:
        queue = bus._events._transient_queues[events.name]  # type: ignore[attr-defined]
        await publish(session, [numbered_event(2), numbered_event(3, "main.hangup.201"), numbered_event(4)])
        assert await take_and_ack(events, 2) == [2, 4]
    async with channel_on(rabbitmq) as channel:
        with pytest.raises(Exception, match="no queue"):
            await channel.declare_queue(queue, passive=True)


async def test_keys_are_brought_up_to_date_when_a_name_is_subscribed_to_again(
    bus: EventClient, session: RabbitSession, name: str
) -> None:
    async with bus.subscribe(name, ["main.hangup.200"]):
        pass
    async with bus.subscribe(name, ["main.hangup.201"]) as events:
        await publish(session, [numbered_event(1), numbered_event(2, "main.hangup.201")])
        assert await take_and_ack(events, 1) == [2]


async def test_call_events_come_in_the_same_way(
    rabbitmq: RabbitmqServer, bus: EventClient, name: str
) -> None:
    rung = CallEvent(
        id=call_event_id("main-1-2", CallState.RINGING, 0),
        pbx="main",
        epoch=EPOCH,
        seq=2,
        event="Dial",
        call="1.1",
        state=CallState.RINGING,
        at="2026-05-01T10:00:00.000001Z",
        begun_at="2026-05-01T10:00:00.000001Z",
        extensions=("200", "202"),
        caller=Party("202"),
        callee=Party("200"),
    )
    async with bus.calls(name, ["*.ringing.200"]) as calls, channel_on(rabbitmq) as channel:
        key, *others = call_keys(rung)
        message = aio_pika.Message(
            pack_body(rung.to_map()),
            headers={"pbx": "main", "call": "1.1", "CC": list(others)},
            content_type=MSGPACK,
            message_id=rung.id,
            type="ringing",
        )
        exchange = await channel.get_exchange(CALLS_EXCHANGE)
        await exchange.publish(message, key)
        await exchange.publish(message, "main.answered.200")
        async with asyncio.timeout(20):
            call = await calls.next_event()
        assert call is not None
        assert call.body == rung
        assert (call.state, call.call, call.id, call.extensions) == (
            "ringing",
            "1.1",
            rung.id,
            ("200", "202"),
        )
        assert (call.caller, call.callee) == (Party("202"), Party("200"))
        call.ack()


async def test_what_the_broker_says_no_to_is_one_sentence(rabbitmq: RabbitmqServer) -> None:
    (port,) = free_ports(1)
    wrong = EventClient.connect(f"amqp://guest:pssst@{rabbitmq.host}:{rabbitmq.port}/")
    dead = EventClient.connect(f"amqp://guest:pssst@127.0.0.1:{port}/")
    for client, error, words in (
        (wrong, BusRefused, "refused the login"),
        (dead, BusUnreachable, "nothing listens"),
    ):
        with pytest.raises(error, match=words) as raised:
            await client.subscribe("crm").__aenter__()
        assert "pssst" not in str(raised.value)
        await client.close()
    for url in ("embedded", "http://localhost"):
        with pytest.raises(ValueError, match=r"bus"):
            EventClient.connect(url)
