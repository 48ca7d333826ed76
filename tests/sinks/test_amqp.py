"""Publishing to another exchange of a real RabbitMQ: confirmed, returned, refused, and what breaks."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aio_pika
import msgpack
import pytest

from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import DONE, Done, Reject, Retry
from consumers.sinks.amqp.key_template import KeyTemplate
from consumers.sinks.amqp.sink import AmqpSink
from consumers.sinks.amqp.wazo import wazo_message
from consumers.testing import SinkRunner, sink_event, sink_events
from schemas.message import JSON, MSGPACK
from tests.services.choice import RabbitmqServer
from tests.sinks.places import SECRET, AmqpPlace, decoded

pytestmark = pytest.mark.rabbitmq
PACKET = "Event: Hangup\r\nChannel: SIP/200-1\r\nChanVariable: A=1\r\nChanVariable: B=x=y\r\nV: 1\r\nV: 2\r\n"


@pytest.fixture
async def place(tmp_path: Path, rabbitmq: RabbitmqServer, sink_user: str) -> AsyncIterator[AmqpPlace]:
    made = AmqpPlace(tmp_path, rabbitmq)
    await made.start()
    yield made
    await made.stop()


async def queue_for(server: RabbitmqServer, exchange: str, key: str, **arguments: Any) -> str:
    """A queue bound to an exchange that is there."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    async with await aio_pika.connect(server.amqp_url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(name, durable=True, arguments=arguments)
        await queue.bind(exchange, key)
    return name


# What is published.


@pytest.mark.parametrize(("form", "content_type"), [("json", JSON), ("msgpack", MSGPACK)])
@pytest.mark.parametrize("incoming", [JSON, MSGPACK])
async def test_the_body_is_in_the_wanted_format_with_the_properties_of_the_bus(
    place: AmqpPlace, form: str, content_type: str, incoming: str
) -> None:
    event = sink_event(PACKET, extensions=["200"], call="c", linkedid="l", content_type=incoming)
    async with place.runner(format=form) as sink:
        assert await sink.take(event) == [DONE]
    (message,) = await place.messages()
    assert decoded(message) == event.event
    assert message.content_type == content_type
    assert message.message_id == event.id
    assert message.type == "Hangup"
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.routing_key == "main.hangup.200"
    assert {name: message.headers[name] for name in ("pbx", "seq", "call", "linkedid")} == {
        "pbx": "main",
        "seq": 1,
        "call": "c",
        "linkedid": "l",
    }


async def test_a_body_that_is_in_the_format_already_stays_as_it_is_byte_for_byte(place: AmqpPlace) -> None:
    event = sink_event(content_type=MSGPACK)
    event.message.body = msgpack.packb({**event.event.to_map(), "unknown": 1})
    async with place.runner(format="msgpack") as sink:
        await sink.take(event)
    assert (await place.messages())[0].body == event.message.body


async def test_an_event_reaches_queues_bound_for_any_of_its_extensions(place: AmqpPlace) -> None:
    second = await queue_for(place.server, place.exchange, "*.*.202")
    async with place.runner() as sink:
        await sink.take(sink_event(extensions=["200", "202"]))
    place.queue = second
    assert len(await place.messages()) == 1


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{key}", "main.dialbegin.200"),
        ("copy.{key}", "copy.main.dialbegin.200"),
        ("{extension}.{event}.{pbx}", "200.dialbegin.main"),
        ("{call}/{linkedid}", "c/l"),
        ("fixed", "fixed"),
        ("{{{pbx}}}", "{main}"),
    ],
)
def test_keys_are_made_from_a_template(template: str, key: str) -> None:
    event = sink_event({"Event": "DialBegin"}, extensions=["200"], call="c", linkedid="l")
    assert KeyTemplate(template).key(event) == key


async def test_a_control_event_s_key_has_its_parts_too(place: AmqpPlace) -> None:
    event = sink_event(control={"kind": "up"})
    assert KeyTemplate("{extension}.{event}").key(event) == "up.control"


async def test_a_key_that_becomes_too_long_rejects_its_event_alone(place: AmqpPlace) -> None:
    long = sink_event(seq=1, call="x" * 300)
    async with place.runner(routing_key="{call}") as sink:
        outcomes = await sink.take(long, sink_event(seq=2, call="y"))
    assert outcomes == [Reject("its routing key would have 300 bytes; at most 255 are allowed"), DONE]


async def test_what_cannot_be_written_as_a_message_is_rejected_and_the_others_get_in(
    place: AmqpPlace,
) -> None:
    bad = sink_event(seq=1, call="bad")
    bad.message.headers.seq = 2**70
    long = sink_event(seq=2, call="long")
    long.message.message_id = "x" * 256
    sink = place.runner()
    await sink.open()
    assert await sink.take(long) == [Reject("its id is longer than 255 bytes")]
    (outcome,) = await sink.take(bad)
    assert isinstance(outcome, Reject)
    assert outcome.reason.startswith("it cannot be written as a message: ")
    await sink.close()
    await sink.open()
    assert await sink.take(*sink_events(5, first=3)) == [DONE] * 5
    await sink.close()


# wazo-bus.


def test_a_message_is_as_wazo_amid_sends_it() -> None:
    event = sink_event(PACKET)
    key, headers, body = wazo_message(event, "uuid")
    assert key == "ami.Hangup"
    assert headers == {
        "name": "Hangup",
        "required_access": "event.Hangup",
        "origin_uuid": "uuid",
        "timestamp": event.event.received_at,
    }
    assert json.loads(body) == {
        **headers,
        "data": {
            "Event": "Hangup",
            "Channel": "SIP/200-1",
            "ChanVariable": {"A": "1", "B": "x=y"},
            "V": "2",
        },
    }


async def test_a_wazo_consumer_bound_by_headers_gets_it(place: AmqpPlace) -> None:
    async with place.runner(format="wazo", exchange=None, mandatory=False) as sink:
        await sink.take(sink_event())
        match = {"x-match": "all", "name": "Hangup"}
        async with (
            await aio_pika.connect(place.server.amqp_url) as connection,
            connection.channel() as channel,
        ):
            exchange = await channel.declare_exchange("wazo-headers", "headers", durable=True)
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(exchange, arguments=match)
            await sink.take(sink_event(seq=2), sink_event({"Event": "Newexten"}, seq=3))
            message = await queue.get()
            assert message.routing_key == "ami.Hangup"
            assert message.headers["required_access"] == "event.Hangup"
            assert json.loads(message.body)["origin_uuid"] == "main"
            assert await queue.get(fail=False) is None


# What the broker does not take.


async def test_what_no_queue_is_bound_for_is_not_taken(place: AmqpPlace) -> None:
    async with place.runner(exchange=f"{place.exchange}-2", exchange_type="topic") as sink:
        outcomes = await sink.take(sink_event())
    assert isinstance(outcomes[0], Retry)
    assert outcomes[0].reason.endswith(
        f": no queue is bound to the exchange '{place.exchange}-2' for its key"
    )


async def test_unless_that_is_allowed(place: AmqpPlace) -> None:
    async with place.runner(exchange=f"{place.exchange}-3", exchange_type="topic", mandatory=False) as sink:
        assert await sink.take(sink_event()) == [DONE]


async def test_what_a_full_queue_refuses_is_tried_again_and_holds_back_its_call(place: AmqpPlace) -> None:
    limits = {"x-max-length": 2, "x-overflow": "reject-publish"}
    async with place.runner(exchange=f"{place.exchange}-4", exchange_type="topic") as sink:
        await queue_for(place.server, f"{place.exchange}-4", "#", **limits)
        outcomes = await sink.take(*sink_events(6, calls=1))
    assert [type(outcome) for outcome in outcomes] == [Done] * 2 + [Retry] * 4
    assert isinstance(outcomes[2], Retry)
    assert "a full queue behind the exchange" in outcomes[2].reason
    assert isinstance(outcomes[3], Retry)
    assert outcomes[3].reason == "it waits for main-19e34a9be00-3, an earlier event of the same call"


async def test_an_exchange_that_is_not_there_is_told(place: AmqpPlace) -> None:
    sink = place.runner(exchange="no-such")
    with pytest.raises(
        SinkUnavailable, match="has no exchange 'no-such': make it there, or give exchange_type"
    ):
        await sink.open()
    await sink.close()


async def test_an_exchange_of_another_type_is_told(place: AmqpPlace) -> None:
    sink = place.runner(exchange_type="fanout")
    with pytest.raises(SinkUnavailable, match="that is not fanout and durable"):
        await sink.open()
    await sink.close()


async def test_an_exchange_that_goes_away_is_told(place: AmqpPlace) -> None:
    sink = place.runner()
    await sink.open()
    async with await aio_pika.connect(place.server.amqp_url) as connection, connection.channel() as channel:
        await channel.exchange_delete(place.exchange)
    with pytest.raises(SinkUnavailable, match="no exchange"):
        await sink.take(sink_event())
    await sink.close()


async def test_another_broker_gets_none_of_the_bus_s_exchanges(place: AmqpPlace) -> None:
    vhost = f"sink-{uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(place.server.rabbitmqctl, "add_vhost", vhost)
    await asyncio.to_thread(
        place.server.rabbitmqctl, "set_permissions", "-p", vhost, "sink", ".*", ".*", ".*"
    )
    url = f"amqp://sink:{SECRET}@127.0.0.1:{place.server.port}/{vhost}"
    async with place.runner(
        url_file=place.write_secret("other", url), exchange_type="topic", mandatory=False
    ) as sink:
        assert await sink.take(sink_event()) == [DONE]
    listed = await asyncio.to_thread(place.server.rabbitmqctl, "list_exchanges", "-p", vhost, "name")
    assert not [name for name in listed.split() if name.startswith("ami.")]


# What breaks.


async def test_a_wrong_password_is_told_without_it(place: AmqpPlace) -> None:
    url = f"amqp://sink:{SECRET}-wrong@127.0.0.1:{place.server.port}/"
    sink = place.runner(url_file=place.write_secret("wrong", url))
    with pytest.raises(SinkUnavailable, match="refused the login of user 'sink'"):
        await sink.open()
    await sink.close()


async def test_a_confirm_that_does_not_come_ends_the_connection(place: AmqpPlace) -> None:
    sink = place.runner(timeout_secs=0.5)
    await sink.open()
    place.proxy.lose_replies()
    with pytest.raises(SinkUnavailable, match=r"gave no answer within 0.5 s"):
        await sink.take(*sink_events(3, calls=3))
    with pytest.raises(SinkUnavailable, match="the connection is gone"):
        await sink.take(sink_event(seq=9))
    await sink.close()
    place.proxy.resume()
    await sink.open()
    assert await sink.take(*sink_events(3, calls=3)) == [DONE] * 3
    await sink.close()


async def test_a_cut_in_the_middle_loses_nothing(place: AmqpPlace) -> None:
    sink = place.runner()
    await sink.open()
    left = sink_events(300, calls=50)
    wanted = {event.id for event in left}
    cuts = 0
    while left:
        if cuts < 4:
            cuts += 1
            asyncio.get_running_loop().call_later(0.002 * cuts, place.proxy.cut)
        try:
            outcomes = await sink.take(*left[:100])
        except SinkUnavailable:
            await sink.close()
            await sink.open()
            continue
        left = [e for e, outcome in zip(left, outcomes, strict=False) if outcome != DONE] + left[100:]
    await sink.close()
    assert set(await place.ids()) == wanted


@pytest.mark.faults
async def test_a_broker_that_is_killed_and_comes_back_lost_nothing(
    tmp_path: Path, own_rabbitmq: RabbitmqServer
) -> None:
    name = f"sink-{uuid.uuid4().hex[:8]}"
    async with await aio_pika.connect(own_rabbitmq.amqp_url) as connection, connection.channel() as channel:
        exchange = await channel.declare_exchange(name, "topic", durable=True)
        await (await channel.declare_queue(name, durable=True)).bind(exchange, "#")
    (tmp_path / "url").write_text(own_rabbitmq.amqp_url)
    (tmp_path / "url").chmod(0o600)
    sink = SinkRunner(AmqpSink, {"url_file": "url", "exchange": name, "timeout_secs": 5}, folder=tmp_path)
    await sink.open()
    assert await sink.take(*sink_events(20)) == [DONE] * 20
    await asyncio.to_thread(own_rabbitmq.kill9)
    with pytest.raises(SinkUnavailable):
        await sink.take(*sink_events(20, first=21))
    await sink.close()
    with pytest.raises(SinkUnavailable, match="nothing listens there"):
        await sink.open()
    await sink.close()
    await asyncio.to_thread(own_rabbitmq.start)
    await sink.open()
    assert await sink.take(*sink_events(20, first=21)) == [DONE] * 20
    await sink.close()
    async with await aio_pika.connect(own_rabbitmq.amqp_url) as connection, connection.channel() as channel:
        queue = await channel.get_queue(name)
        found = [(await queue.get()).message_id for _ in range(queue.declaration_result.message_count or 0)]
    assert set(found) == {event.id for event in sink_events(40)}


async def test_a_port_that_speaks_something_else_is_told(tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sink = SinkRunner(AmqpSink, {"url": f"amqp://127.0.0.1:{port}", "exchange": "x", "timeout_secs": 2})
        with pytest.raises(SinkUnavailable, match="does not speak AMQP"):
            await sink.open()
        await sink.close()


# What is misconfigured.


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"exchange": "x"}, "exactly one of url, url_file, url_env must be given; found none"),
        ({"url": "amqp://h"}, "exchange must be given"),
        (
            {"url": "amqp://h", "exchange": ""},
            "exchange must be given, and cannot be the broker's default one",
        ),
        ({"url": "amqp://h", "exchange": "ami.events"}, "would go round for ever"),
        ({"url": "http://h", "exchange": "x"}, r"url: the bus URL is not of the form amqp\[s\]"),
        ({"url": f"amqp://u:{SECRET}@h", "exchange": "x"}, "url holds a password"),
        (
            {"url": "amqp://h", "exchange": "x", "routing_key": "{fields}"},
            r"routing_key: {fields} is not known",
        ),
        ({"url": "amqp://h", "exchange": "x", "routing_key": "{pbx.__class__}"}, "is not known; allowed are"),
        ({"url": "amqp://h", "exchange": "x", "routing_key": "{pbx!r}"}, "is not known"),
        ({"url": "amqp://h", "exchange": "x", "routing_key": "{"}, r"a { without its }"),
        ({"url": "amqp://h", "format": "wazo", "routing_key": "x"}, 'format = "wazo" has its own'),
        (
            {"url": "amqp://h", "exchange": "x", "format": "xml"},
            "format: must be 'json', 'msgpack' or 'wazo'",
        ),
    ],
)
def test_it_is_said_what_is_wrong(options: dict[str, Any], why: str) -> None:
    with pytest.raises(SinkMisconfigured, match=why) as caught:
        SinkRunner(AmqpSink, options)
    assert SECRET not in str(caught.value)


def test_the_exchange_of_another_bus_is_allowed_when_that_is_said() -> None:
    SinkRunner(AmqpSink, {"url": "amqp://h", "exchange": "ami.events", "other_bus": True})
