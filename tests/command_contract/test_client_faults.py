"""A client whose line to the queue breaks: nothing is queued twice, and what is unknown is told as that."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator

import pytest

from consumers.commands import CommandClient, Patience, QueueUnreachable
from publisher.commanding.entries import Memory
from tests.command_contract.answerer import answering
from tests.command_contract.harness import ids_of
from tests.command_contract.redis import RedisHarness
from tests.services.choice import RedisServer
from tests.services.proxy import CuttableProxy

pytestmark = pytest.mark.faults

QUICK = Patience(tries=3, retry_secs=0.05, look_secs=0.1, forgotten_secs=5.0)
PATIENT = Patience(tries=100, retry_secs=0.05, look_secs=0.1, forgotten_secs=5.0)


@pytest.fixture
def line(redis_server: RedisServer) -> Iterator[CuttableProxy]:
    with CuttableProxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
async def place(redis_server: RedisServer) -> RedisHarness:
    return RedisHarness("single", redis_server.url)


def through(line: CuttableProxy, place: RedisHarness, patience: Patience) -> CommandClient:
    return place.client(patience, url=f"redis://127.0.0.1:{line.port}/0", timeout_secs=0.3)


async def queued(place: RedisHarness) -> list[str]:
    """All that was queued, as a commander finds it."""
    queue = place.queue()
    await queue.take(Memory())
    return ids_of(await queue.claim(1000))


BREAKS = {
    "no answers": (CuttableProxy.lose_replies, "gave no answer within 0.3 s"),
    "frozen": (CuttableProxy.freeze, "gave no answer within 0.3 s"),
    "down": (CuttableProxy.go_down, "127.0.0.1"),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_where_no_answer_comes_it_is_told_that_and_the_same_id_may_be_sent_again(
    line: CuttableProxy, place: RedisHarness, name: str
) -> None:
    breaks, sentence = BREAKS[name]
    async with through(line, place, QUICK) as client:
        await client.send(place.pbx, "Ping", id="before")
        breaks(line)
        with pytest.raises(QueueUnreachable) as caught:
            await client.send(place.pbx, "Ping", id="a")
        assert sentence in str(caught.value)
        assert "fake-token" not in str(caught.value)
        for call in (client.look(place.pbx, "a"), client.cancel(place.pbx, "b"), client.waiting(place.pbx)):
            with pytest.raises(QueueUnreachable):
                await call
        line.resume()
        sent = await client.send(place.pbx, "Ping", id="a")
        async with answering(place.queue()) as answerer:
            assert (await sent.reply(20)).state == "succeeded"
    assert answerer.sent == {"before": 1, "a": 1}
    await place.close()


async def test_a_lost_answer_is_asked_for_again_and_the_command_is_queued_once(
    line: CuttableProxy, place: RedisHarness
) -> None:
    async with through(line, place, PATIENT) as client:
        await client.send(place.pbx, "Ping", id="0")
        for number in range(1, 6):
            line.lose_replies()
            sending = asyncio.create_task(client.send(place.pbx, "Ping", id=f"{number}"))
            # It stands in the queue before its answer can be heard.
            async with asyncio.timeout(20):
                while not await place.look(f"{number}"):  # noqa: ASYNC110 - only the queue tells
                    await asyncio.sleep(0.005)
            line.resume()
            async with asyncio.timeout(20):
                assert (await sending).expires_ms
    assert await queued(place) == [f"{number}" for number in range(6)]
    await place.close()


async def test_cut_again_and_again_each_command_is_queued_once_and_answered_with_its_own_reply(
    line: CuttableProxy, place: RedisHarness
) -> None:
    chance = random.Random(9)
    async with through(line, place, PATIENT) as client, answering(place.queue()) as answerer:

        async def ask(number: int) -> None:
            await asyncio.sleep(chance.uniform(0, 0.5))
            sent = await client.send(place.pbx, "Ping", id=f"{number}")
            reply = await sent.reply(30)
            assert (reply.id, reply.field("Uniqueid")) == (f"{number}", f"{number}")

        async def cut() -> None:
            while True:
                await asyncio.sleep(chance.uniform(0.005, 0.05))
                await asyncio.to_thread(line.cut)

        cutting = asyncio.create_task(cut())
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for number in range(60):
                group.create_task(ask(number))
        cutting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cutting
    assert answerer.sent == {f"{number}": 1 for number in range(60)}
    await place.close()


async def test_a_reply_is_waited_for_while_the_line_is_away(line: CuttableProxy, place: RedisHarness) -> None:
    async with through(line, place, QUICK) as client, answering(place.queue()) as answerer:
        answerer.go_on.clear()
        for breaks in (CuttableProxy.freeze, CuttableProxy.go_down, CuttableProxy.lose_replies):
            sent = await client.send(place.pbx, "Ping")
            waiting = asyncio.create_task(sent.reply(30))
            breaks(line)
            answerer.go_on.set()
            async with asyncio.timeout(20):
                while (await place.look(sent.id))["state"] != b"succeeded":  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            # It has tried in vain meanwhile.
            swallowed, seen = line.bytes_swallowed, line.connections_seen
            async with asyncio.timeout(20):
                while (line.bytes_swallowed, line.connections_seen) == (swallowed, seen):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            assert not waiting.done()
            line.resume()
            assert (await waiting).state == "succeeded"
            answerer.go_on.clear()
    await place.close()


@pytest.mark.parametrize("name", BREAKS)
async def test_closing_ends_promptly_whatever_the_line_does(
    line: CuttableProxy, place: RedisHarness, name: str
) -> None:
    client = place.client(QUICK, url=f"redis://127.0.0.1:{line.port}/0", timeout_secs=30.0)
    sent = await client.send(place.pbx, "Ping")
    waiting = asyncio.create_task(sent.reply())
    BREAKS[name][0](line)
    sending = [asyncio.create_task(client.send(place.pbx, "Ping")) for _ in range(20)]
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await client.close()
    assert time.monotonic() - began < 2
    async with asyncio.timeout(5):
        ends = await asyncio.gather(waiting, *sending, return_exceptions=True)
    assert all(isinstance(end, Exception) for end in ends)
    await place.close()


async def test_many_at_once_go_over_few_connections(line: CuttableProxy, place: RedisHarness) -> None:
    client = place.client(url=f"redis://127.0.0.1:{line.port}/0", timeout_secs=30.0)
    async with client, answering(place.queue()):
        sent = await asyncio.gather(*(client.send(place.pbx, "Ping", id=f"{n}") for n in range(500)))
        async with asyncio.timeout(60):
            replies = await asyncio.gather(*(one.reply() for one in sent))
        assert [reply.id for reply in replies] == [f"{n}" for n in range(500)]
        # Eight that ask and one that waits for news.
        assert line.connections_seen <= 9
    await place.close()


async def test_a_server_that_restarts_is_found_again(own_redis: RedisServer) -> None:
    place = RedisHarness("own", own_redis.url)
    async with place.client(PATIENT) as client:
        first = await client.send(place.pbx, "Ping", id="a")
        await asyncio.to_thread(own_redis.kill9)
        waiting = asyncio.create_task(first.reply(30))
        sending = asyncio.create_task(client.send(place.pbx, "Ping", id="b"))
        await asyncio.to_thread(own_redis.start)
        async with answering(place.queue()) as answerer, asyncio.timeout(30):
            second = await sending
            assert (await second.reply()).state == (await waiting).state == "succeeded"
        assert answerer.sent == {"a": 1, "b": 1}
    await place.close()
