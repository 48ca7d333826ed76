"""Call events in every sink, against what it really talks to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from consumers.plugin import DONE, Reject
from consumers.sinks.stdout import StdoutSink
from consumers.testing import SinkRunner, sink_call_event
from schemas.codecs import decode_map
from schemas.message import JSON, MSGPACK
from tests.services.choice import PostgresqlServer, RabbitmqServer, RedisServer
from tests.sinks.places import (
    AmqpPlace,
    JsonlPlace,
    PostgresqlPlace,
    RedisPlace,
    SqlitePlace,
    WebhookPlace,
)

CALLER = {"number": "202", "name": "Анна", "channel": "SIP/202-1"}
EVENTS = [
    sink_call_event("answered", seq=1, caller=CALLER, linkedid="l"),
    sink_call_event("missed", seq=2, call="c", reason="busy", cause=17, ring_secs=1.5),
]
IDS = [event.id for event in EVENTS]


def test_a_call_event_has_its_states_name_and_no_packet() -> None:
    assert (EVENTS[0].name, EVENTS[0].text) == ("answered", "")
    assert IDS[0].endswith(".answered.0")


async def test_a_line_of_json_is_the_whole_body(tmp_path: Path) -> None:
    place = JsonlPlace(tmp_path)
    async with place.runner() as sink:
        assert await sink.take(*EVENTS) == [DONE] * 2
    lines = [json.loads(line) for line in place.file.read_text().splitlines()]
    assert lines == [event.event.to_map() for event in EVENTS]


async def test_as_a_packet_it_has_texts_numbers_and_its_parties_numbers(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    async with SinkRunner(StdoutSink, {"format": "packets"}) as sink:
        assert await sink.take(EVENTS[0]) == [DONE]
    text = capfdbinary.readouterr().out.decode()
    assert text.startswith("Event: answered\r\nv: 1\r\nid: ")
    assert "\r\ncall: 1795424093.1\r\n" in text
    assert text.endswith("linkedid: l\r\ncaller: 202\r\n\r\n")


async def test_a_webhook_gets_the_whole_body(tmp_path: Path) -> None:
    place = WebhookPlace(tmp_path)
    await place.start()
    async with place.runner() as sink:
        assert await sink.take(*EVENTS) == [DONE] * 2
    posted: list[Any] = [event for request in place.receiver.requests for event in request.json]
    await place.stop()
    assert posted == [event.event.to_map() for event in EVENTS]


@pytest.mark.rabbitmq
@pytest.mark.parametrize(("form", "content_type"), [("json", JSON), ("msgpack", MSGPACK)])
async def test_it_is_published_again_with_its_key_and_headers(
    form: str, content_type: str, tmp_path: Path, rabbitmq: RabbitmqServer, sink_user: None
) -> None:
    place = AmqpPlace(tmp_path, rabbitmq)
    await place.start()
    async with place.runner(format=form) as sink:
        assert await sink.take(EVENTS[0]) == [DONE]
    (message,) = await place.messages()
    await place.stop()
    assert message.routing_key == "main.answered.200"
    assert (message.type, message.content_type) == ("answered", content_type)
    assert message.headers["CC"] == ["main.answered.202"]
    assert decode_map(content_type, message.body) == EVENTS[0].event.to_map()


@pytest.mark.rabbitmq
async def test_wazo_has_no_form_for_it(tmp_path: Path, rabbitmq: RabbitmqServer, sink_user: None) -> None:
    place = AmqpPlace(tmp_path, rabbitmq)
    await place.start()
    async with place.runner(format="wazo", exchange=None, mandatory=False) as sink:
        (outcome,) = await sink.take(EVENTS[0])
    await place.stop()
    assert outcome == Reject('format = "wazo" has no form for call events; json and msgpack have')


async def test_an_entry_of_a_redis_stream_has_the_state_as_its_type(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    place = RedisPlace(tmp_path, redis_server)
    await place.start()
    async with place.runner(format="json") as sink:
        assert await sink.take(*EVENTS) == [DONE] * 2
    first, second = await place.entries()
    await place.stop()
    assert (first[b"key"], first[b"type"], second[b"type"]) == (b"main.answered.200", b"answered", b"missed")
    assert json.loads(first[b"body"]) == EVENTS[0].event.to_map()


async def test_a_row_has_its_state_as_event_and_the_rest_of_its_body_as_fields(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    async with place.runner() as sink:
        assert await sink.take(*EVENTS) == [DONE] * 2
        assert await sink.take(*EVENTS) == [DONE] * 2
    rows = place.rows(
        "SELECT id, event, call, linkedid, extensions, fields, snapshot FROM amibus_events ORDER BY seq"
    )
    assert [row[:4] for row in rows] == [
        (IDS[0], "answered", "1795424093.1", "l"),
        (IDS[1], "missed", "c", ""),
    ]
    assert json.loads(rows[0][4]) == ["200", "202"]
    assert json.loads(rows[0][5])["caller"] == CALLER
    assert json.loads(rows[1][5])["ring_secs"] == 1.5
    assert not rows[0][6]


async def test_postgresql_takes_it_too(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    place = PostgresqlPlace(tmp_path, postgresql)
    await place.start()
    async with place.runner() as sink:
        assert await sink.take(*EVENTS) == [DONE] * 2
    statement = f"SELECT event, fields->'caller'->>'number' FROM {place.table} ORDER BY seq"
    found = await asyncio.to_thread(place.server.psql, statement)
    await place.stop()
    assert found.splitlines() == ["answered|202", "missed|"]
