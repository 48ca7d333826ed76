"""Every sink does what `consumers.plugin` asks of a sink, against what it really talks to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.errors import SinkUnavailable
from consumers.plugin import Done
from consumers.testing import SinkRunner, check_contract, sink_event, sink_events
from tests.sinks.places import (
    AmqpPlace,
    JsonlPlace,
    Place,
    PostgresqlPlace,
    RedisPlace,
    SqlitePlace,
    StdoutPlace,
    WebhookPlace,
)

NAMES = ["stdout", "jsonl", "webhook", "amqp", "redis-stream", "postgresql", "sqlite"]


@pytest.fixture(params=NAMES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    made: Place
    match request.param:
        case "stdout":
            made = StdoutPlace(tmp_path, request.getfixturevalue("capfd"))
        case "jsonl":
            made = JsonlPlace(tmp_path)
        case "webhook":
            made = WebhookPlace(tmp_path)
        case "amqp":
            request.getfixturevalue("sink_user")
            made = AmqpPlace(tmp_path, request.getfixturevalue("rabbitmq"))
        case "redis-stream":
            made = RedisPlace(tmp_path, request.getfixturevalue("redis_server"))
        case "postgresql":
            made = PostgresqlPlace(tmp_path, request.getfixturevalue("postgresql"))
        case _:
            made = SqlitePlace(tmp_path)
    await made.start()
    yield made
    await made.stop()


with_another_side = pytest.mark.parametrize("place", NAMES[1:], indirect=True)
with_a_connection = pytest.mark.parametrize("place", NAMES[2:], indirect=True)


async def opened_again(sink: SinkRunner) -> None:
    """As a binding does it, without its pauses."""
    async with asyncio.timeout(20):
        while True:
            await sink.close()
            try:
                await sink.open()
            except SinkUnavailable:
                await asyncio.sleep(0.05)
                continue
            return


async def test_it_keeps_the_contract(place: Place) -> None:
    await check_contract(place.runner())


async def test_what_it_took_is_there_in_order(place: Place) -> None:
    events = sink_events(60, calls=4)
    async with place.runner() as sink:
        for at in range(0, 60, 20):
            assert set(await sink.take(*events[at : at + 20])) == {Done()}
    found = await place.ids()
    assert sorted(found) == sorted(event.id for event in events)
    for call in range(4):
        wanted = [event.id for event in events if event.event.call == f"call-{call}"]
        assert [id for id in found if id in wanted] == wanted


async def test_the_same_event_twice_is_borne_and_where_promised_there_once(place: Place) -> None:
    events = sink_events(5)
    async with place.runner() as sink:
        await sink.take(*events)
        await sink.take(*events[2:], *sink_events(2, first=6))
    wanted = [event.id for event in sink_events(7)]
    found = await place.ids()
    assert list(dict.fromkeys(found)) == wanted
    if place.exact:
        assert found == wanted


async def test_odd_texts_get_through(place: Place) -> None:
    odd = {
        "Event": "Odd \x85\u2028",
        "A": "Имя \N{BELL} \t",
        "B": ["", "\U0001f4de"],
        "": "nameless",
        "N": "a\0b",
    }
    events = [
        sink_event(odd, seq=1, extensions=["*97", "+7 (916)"], call="a/b {c} %s"),
        sink_event({"Event": "Half", "H": "\udcff", "\udc80": "x"}, seq=2),
        sink_event(seq=3, control={"kind": "gap", "from": "x", "to": "y", "cause": "z", "count": None}),
    ]
    async with place.runner() as sink:
        assert set(await sink.take(*events)) == {Done()}
    assert sorted(await place.ids()) == [event.id for event in events]


async def test_texts_that_no_utf8_holds_and_long_ones_get_through(place: Place) -> None:
    half = "\udcff"
    odd = sink_event(
        {"Event": f"X{half}" * 200, half: half}, seq=1, call=half, linkedid=half, extensions=[half]
    )
    async with place.runner() as sink:
        assert await sink.take(odd, *sink_events(3, first=2)) == [Done()] * 4
    assert sorted(await place.ids()) == [event.id for event in sink_events(4)]


@with_another_side
async def test_opening_says_in_one_sentence_that_nobody_is_there(place: Place) -> None:
    sink = place.runner()
    await place.go_down()
    with pytest.raises(SinkUnavailable) as caught:
        await sink.open()
    await sink.close()
    assert len(str(caught.value)) < 300
    await place.come_back()
    await sink.open()
    assert await sink.take(*sink_events(1)) == [Done()]
    await sink.close()


@with_another_side
async def test_what_goes_away_in_between_is_told_and_comes_back(place: Place) -> None:
    sink = place.runner()
    await sink.open()
    await sink.take(*sink_events(1))
    await place.go_down()
    # SQLite and a file that is open go on where they are, whatever becomes of the folder's name.
    with contextlib.suppress(SinkUnavailable):
        await sink.take(*sink_events(1, first=2))
    await place.come_back()
    await opened_again(sink)
    assert set(await sink.take(*sink_events(4, first=2))) == {Done()}
    await sink.close()
    found = await place.ids()
    assert set(found) == {event.id for event in sink_events(5)}


@with_another_side
async def test_closing_is_clean_after_a_failure_and_twice(place: Place) -> None:
    sink = place.runner()
    await sink.open()
    await place.go_down()
    await sink.close()
    await sink.close()
    await place.come_back()


@with_a_connection
async def test_a_sink_that_is_not_open_takes_nothing(place: Place) -> None:
    sink = place.runner()
    with pytest.raises(SinkUnavailable):
        await sink.take(*sink_events(1))
    await sink.close()
