"""A call whose answer got lost took effect or not; made again it says the same, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from publisher.adapters.redis_commands.driver import RedisLink, RedisSettings, client_maker
from publisher.adapters.redis_commands.queue import QueueSettings, RedisCommandQueue
from publisher.command_ports import CommandQueue
from publisher.commanding.entries import Memory
from publisher.errors import QueueUnreachable
from schemas.redis_url import RedisUrl
from tests.command_contract.harness import KEEP_MS, Harness, final_of, ids_of
from tests.command_contract.in_memory import InMemoryHarness
from tests.command_contract.redis import RedisHarness
from tests.fakes.command_queue import FakeCommandQueue
from tests.services.choice import RedisServer
from tests.services.proxy import CuttableProxy

METHODS = ("take", "claim", "mark_sending", "finish", "orphans", "renew", "confirm", "release", "tell")


@dataclass
class Lossy:
    """A queue whose answers can get lost, and the place where it stands."""

    place: Harness
    queue: CommandQueue
    losing: Callable[[], AbstractContextManager[None]]


@contextmanager
def fake_losing(queue: FakeCommandQueue) -> Iterator[None]:
    queue.after = {name: [QueueUnreachable("the answer got lost")] for name in METHODS}
    yield
    queue.after = {}


@contextmanager
def line_losing(line: CuttableProxy) -> Iterator[None]:
    line.lose_replies()
    yield
    line.resume()


@pytest.fixture(params=["fake", "redis"])
async def lossy(request: pytest.FixtureRequest) -> AsyncIterator[Lossy]:
    if request.param == "fake":
        memory = InMemoryHarness()
        fake = FakeCommandQueue(memory.store)
        yield Lossy(memory, fake, lambda: fake_losing(fake))
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    place = RedisHarness("single", server.url)
    await know_scripts(RedisHarness("single", server.url))
    with CuttableProxy(server.port) as line:
        url = RedisUrl.parse(f"redis://127.0.0.1:{line.port}/0")
        link = RedisLink(url, client_maker(RedisSettings(url, 0.3)), 0.3)
        queue = RedisCommandQueue(link, place.pbx, "owner", QueueSettings(15_000, KEEP_MS))
        yield Lossy(place, queue, lambda: line_losing(line))
        await queue.close()
    await place.close()


async def know_scripts(place: RedisHarness) -> None:
    """Else it is the answer that a script is not known there that gets lost, and nothing takes effect."""
    queue = place.queue()
    await queue.take(Memory())
    for call in (queue.claim(1), queue.mark_sending([]), queue.finish([]), queue.orphans(), queue.renew()):
        await call
    await queue.confirm()
    await queue.release()
    await place.close()


async def lost(call: Awaitable[object], happened: Callable[[], Awaitable[bool]]) -> None:
    """Make a call whose answer gets lost, and return when it has taken effect all the same."""
    with pytest.raises(QueueUnreachable):
        await call
    async with asyncio.timeout(20):
        while not await happened():  # noqa: ASYNC110 - only the queue tells
            await asyncio.sleep(0.005)


async def test_every_step_can_be_made_again(lossy: Lossy) -> None:
    place, queue = lossy.place, lossy.queue

    async def state_is(state: bytes) -> bool:
        return (await place.look("a"))["state"] == state

    await queue.take(Memory())
    with lossy.losing(), pytest.raises(QueueUnreachable):
        await queue.take(queue.memory)
    tenure = await queue.take(queue.memory)
    assert tenure.trusted
    assert tenure.epoch >= 2

    await place.enqueue("a")
    with lossy.losing():
        await lost(queue.claim(10), lambda: state_is(b"claimed"))
    # What was claimed unheard of is counted, and found.
    assert ids_of(await queue.claim(10)) == []
    assert await queue.renew() == 1
    with lossy.losing(), pytest.raises(QueueUnreachable):
        await queue.orphans()
    assert ids_of(await queue.orphans()) == ["a"]

    with lossy.losing():
        await lost(queue.mark_sending(["a"]), lambda: state_is(b"sending"))
    assert [verdict.word for verdict in await queue.mark_sending(["a"])] == ["send"]
    assert len(await place.news()) == 1

    with lossy.losing():
        await lost(queue.finish([final_of("a")]), lambda: state_is(b"succeeded"))
    assert await queue.finish([final_of("a")]) == ["already"]
    assert len(await place.news()) == 2

    with lossy.losing():
        for call in (queue.renew(), queue.confirm(), queue.tell("a", "sending", "ringing")):
            with pytest.raises(QueueUnreachable):
                await call
    # Writes that nobody heard of make the next turn none the less trusted.
    assert (await queue.take(queue.memory)).trusted
    await queue.release()
    assert (await place.queue("another").take(Memory())).trusted


async def test_a_turn_begun_unheard_of_fences_the_one_before(lossy: Lossy) -> None:
    place, queue = lossy.place, lossy.queue
    await queue.take(Memory())
    with lossy.losing(), pytest.raises(QueueUnreachable):
        await queue.take(queue.memory)
    again = place.queue()
    tenure = await again.take(Memory())
    assert tenure.epoch in (2, 3)
    assert tenure.trusted
