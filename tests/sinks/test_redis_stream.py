"""Adding to a stream of a real Redis: each event once, within bounds, whatever breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from consumers.adapters.redis.stream import window_key
from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import DONE
from consumers.sinks.redis_stream.sink import RedisStreamSink
from consumers.testing import SinkRunner, check_contract, sink_event, sink_events
from schemas.codecs import decode
from schemas.message import JSON, MSGPACK
from tests.services.choice import Kind, RedisServer
from tests.services.guard import Guard
from tests.services.redis_cluster import PrivateCluster
from tests.sinks.places import SECRET, RedisPlace


@pytest.fixture
async def place(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[RedisPlace]:
    made = RedisPlace(tmp_path, redis_server)
    await made.start()
    yield made
    await made.stop()


@asynccontextmanager
async def client_of(server: RedisServer) -> AsyncIterator[Any]:
    async with redis.asyncio.Redis.from_url(server.url) as client:
        yield client


@pytest.mark.parametrize(("form", "content_type"), [("json", JSON), ("msgpack", MSGPACK)])
async def test_an_entry_has_the_id_the_key_the_type_and_the_body(
    place: RedisPlace, form: str, content_type: str
) -> None:
    event = sink_event(extensions=["200"])
    async with place.runner(format=form) as sink:
        assert await sink.take(event) == [DONE]
    (entry,) = await place.entries()
    assert list(entry) == [b"id", b"key", b"type", b"body"]
    assert entry[b"id"].decode() == event.id
    assert entry[b"key"] == b"main.hangup.200"
    assert entry[b"type"] == b"Hangup"
    assert decode(content_type, entry[b"body"]) == event.event


async def test_an_event_of_the_window_is_not_added_again_and_one_before_it_is(place: RedisPlace) -> None:
    async with place.runner(window=10) as sink:
        await sink.take(*sink_events(20))
        await sink.take(*sink_events(20))
    found = await place.ids()
    # The last ten were known.
    assert len(found) == 30
    assert found[20:] == [event.id for event in sink_events(10)]
    async with place.runner(window=20) as sink:
        await sink.take(*sink_events(20, first=101))
        await sink.take(*reversed(sink_events(20, first=101)))
    assert len(await place.ids()) == 50


async def test_the_window_holds_no_more_than_it_should(place: RedisPlace) -> None:
    async with place.runner(window=7) as sink:
        for first in range(1, 100, 9):
            await sink.take(*sink_events(9, first=first))
    async with client_of(place.server) as client:
        assert await client.zcard(window_key(place.stream)) == 7


async def test_without_a_window_events_may_stand_there_twice(place: RedisPlace) -> None:
    async with place.runner(window=0) as sink:
        await sink.take(*sink_events(2))
        await sink.take(*sink_events(2))
    assert len(await place.ids()) == 4
    async with client_of(place.server) as client:
        assert not await client.exists(window_key(place.stream))


async def test_the_stream_is_bounded(place: RedisPlace) -> None:
    async with place.runner(max_length=200, window=0) as sink:
        for first in range(1, 2000, 200):
            await sink.take(*sink_events(200, first=first))
    found = await place.ids()
    # About so many: Redis drops whole nodes of a hundred entries.
    assert 200 <= len(found) < 400
    assert found[-1] == sink_events(1, first=2000)[0].id


@pytest.mark.parametrize(
    ("stream", "key"),
    [("events", "{events}:ids"), ("a{b}c", "a{b}c:ids"), ("a{}c", "{a{}c}:ids"), ("}{", "{}{}:ids")],
)
def test_the_window_lies_in_the_stream_s_slot(stream: str, key: str) -> None:
    assert window_key(stream) == key


async def test_a_lost_answer_adds_nothing_twice(place: RedisPlace) -> None:
    sink = place.runner(timeout_secs=0.3)
    await sink.open()
    await sink.take(*sink_events(1))
    place.proxy.lose_replies()
    with pytest.raises(SinkUnavailable, match=r"gave no answer within 0.3 s"):
        await sink.take(*sink_events(5))
    await sink.close()
    place.proxy.resume()
    await sink.open()
    assert await sink.take(*sink_events(6)) == [DONE] * 6
    await sink.close()
    assert await place.ids() == [event.id for event in sink_events(6)]


async def test_what_stands_there_already_as_something_else_is_told(place: RedisPlace) -> None:
    async with client_of(place.server) as client:
        await client.set(place.stream, "mine")
        sink = place.runner()
        with pytest.raises(SinkUnavailable, match=f"'{place.stream}' is there already, as a string"):
            await sink.open()
        await sink.close()
        await client.delete(place.stream)
        async with sink:
            await client.set(place.stream, "mine")
            with pytest.raises(SinkUnavailable, match="there already as another type"):
                await sink.take(sink_event())
            await client.delete(place.stream)
            # What failed was not noted as added.
            assert await sink.take(sink_event()) == [DONE]
    assert len(await place.ids()) == 1


async def test_a_user_without_the_rights_is_told_which(place: RedisPlace) -> None:
    async with client_of(place.server) as client:
        few = ["reset", "on", f">{SECRET}", "~*", "+type"]
        await client.execute_command("ACL", "SETUSER", "few", *few)
    url = f"redis://few:{SECRET}@127.0.0.1:{place.server.port}/0"
    async with place.runner(url=None, url_file=place.write_secret("url", url)) as sink:
        with pytest.raises(SinkUnavailable, match=r"does not allow it: give the user .* \+eval"):
            await sink.take(sink_event())
    async with client_of(place.server) as client:
        rights = ["+eval", "+type", "+xadd", "+zadd", "+zscore", "+zrevrange", "+zremrangebyrank"]
        await client.execute_command("ACL", "SETUSER", "few", *rights)
    async with place.runner(url=None, url_file=place.write_secret("url", url)) as sink:
        assert await sink.take(sink_event()) == [DONE]


async def test_a_wrong_password_is_told_without_it(place: RedisPlace) -> None:
    url = f"redis://nobody:{SECRET}@127.0.0.1:{place.server.port}/0"
    sink = place.runner(url=None, url_file=place.write_secret("url", url))
    with pytest.raises(SinkUnavailable, match="refused the login: check user and password"):
        await sink.open()
    await sink.close()


@pytest.mark.faults
async def test_a_server_that_is_killed_and_comes_back_lost_nothing(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    sink = SinkRunner(RedisStreamSink, {"url": own_redis.url, "stream": "s"}, folder=tmp_path)
    await sink.open()
    assert await sink.take(*sink_events(20)) == [DONE] * 20
    await asyncio.to_thread(own_redis.kill9)
    with pytest.raises(SinkUnavailable):
        await sink.take(*sink_events(20, first=11))
    await sink.close()
    with pytest.raises(SinkUnavailable, match="nothing listens there"):
        await sink.open()
    await sink.close()
    await asyncio.to_thread(own_redis.start)
    await sink.open()
    assert await sink.take(*sink_events(20, first=11)) == [DONE] * 20
    await sink.close()
    async with client_of(own_redis) as client:
        found = [fields[b"id"].decode() for _, fields in await client.xrange("s")]
    assert found == [event.id for event in sink_events(30)]


@pytest.mark.faults
async def test_a_server_without_memory_makes_events_wait(tmp_path: Path, own_redis: RedisServer) -> None:
    async with (
        client_of(own_redis) as client,
        SinkRunner(RedisStreamSink, {"url": own_redis.url, "stream": "s"}) as sink,
    ):
        await client.config_set("maxmemory", "1")
        with pytest.raises(SinkUnavailable, match="is out of memory: raise maxmemory"):
            await sink.take(sink_event())
        await client.config_set("maxmemory", "0")
        assert await sink.take(sink_event()) == [DONE]


async def test_a_cluster_keeps_the_contract(guard: Guard, services_kind: Kind) -> None:
    if services_kind == "containers":
        pytest.skip("a cluster is started from the machine's own redis-server")
    cluster = PrivateCluster(guard)
    await asyncio.to_thread(cluster.start)
    try:
        await check_contract(SinkRunner(RedisStreamSink, {"url": cluster.url, "stream": "events"}))
    finally:
        await asyncio.to_thread(cluster.close)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"url": "redis://h"}, "stream must be given"),
        ({"stream": "s"}, "exactly one of url, url_file, url_env"),
        ({"url": "http://h", "stream": "s"}, "url: the Redis URL has a form that is not allowed"),
        ({"url": f"redis://:{SECRET}@h", "stream": "s"}, "url holds a password"),
        (
            {"url": "redis://h", "stream": "s", "max_length": 0},
            "max_length: must be greater than or equal to 1",
        ),
        ({"url": "redis://h", "stream": "s", "ca_file": "none"}, "ca_file: .*none cannot be read"),
    ],
)
def test_it_is_said_what_is_wrong(options: dict[str, Any], why: str) -> None:
    with pytest.raises(SinkMisconfigured, match=why) as caught:
        SinkRunner(RedisStreamSink, options)
    assert SECRET not in str(caught.value)
