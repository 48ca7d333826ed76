"""Redis stopped, killed, frozen, cut off, losing its answers or its memory, while commands keep coming.

No call is dialled twice; each command is answered once; what expired never reached the PBX.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import redis

from tests.faults.command_office import CommandOffice, command_pbx, command_zygote
from tests.faults.orders import Books, Orders, news_of
from tests.services.choice import RedisServer
from tests.services.guard import Guard
from tests.services.private_redis import PrivateRedis
from tests.services.proxy import CuttableProxy

pytestmark = pytest.mark.faults

QUICK = "lease_secs = 3\ntimeout_secs = 1\nanswer_timeout_secs = 5"
Fault = Callable[[RedisServer, CuttableProxy, random.Random], Awaitable[None]]


async def stopped(server: RedisServer, proxy: CuttableProxy, chance: random.Random) -> None:
    await asyncio.to_thread(server.stop)
    await asyncio.sleep(chance.uniform(0.0, 1.0))
    await asyncio.to_thread(server.start)


async def stopped_for_longer_than_a_lease(
    server: RedisServer, proxy: CuttableProxy, chance: random.Random
) -> None:
    await asyncio.to_thread(server.stop)
    await asyncio.sleep(4.0)
    await asyncio.to_thread(server.start)


async def killed(server: RedisServer, proxy: CuttableProxy, chance: random.Random) -> None:
    await asyncio.to_thread(server.kill9)
    await asyncio.sleep(chance.uniform(0.0, 0.5))
    await asyncio.to_thread(server.start)


async def asleep(server: RedisServer, proxy: CuttableProxy, chance: random.Random) -> None:
    """DEBUG SLEEP: the server stands still, with what was on its way."""
    with contextlib.closing(redis.Redis.from_url(server.url)) as client:
        await asyncio.to_thread(client.execute_command, "DEBUG", "SLEEP", f"{chance.uniform(0.5, 2.5):.2f}")


async def paused(server: RedisServer, proxy: CuttableProxy, chance: random.Random) -> None:
    """CLIENT PAUSE: every call is late, and executed in the end."""
    with contextlib.closing(redis.Redis.from_url(server.url)) as client:
        await asyncio.to_thread(client.client_pause, chance.randrange(500, 2500), True)
    await asyncio.sleep(2.5)


async def frozen(server: RedisServer, proxy: CuttableProxy, chance: random.Random) -> None:
    await asyncio.to_thread(server.sigstop)
    await asyncio.sleep(chance.uniform(0.5, 2.5))
    await asyncio.to_thread(server.sigcont)


async def cut(server: RedisServer, proxy: CuttableProxy, chance: random.Random) -> None:
    for _ in range(8):
        proxy.cut()
        await asyncio.sleep(chance.uniform(0.0, 0.2))


async def replies_lost(server: RedisServer, proxy: CuttableProxy, chance: random.Random) -> None:
    """What is asked is done, and nobody hears of it."""
    proxy.lose_replies()
    await asyncio.sleep(chance.uniform(0.2, 1.8))
    proxy.resume()


async def half_open(server: RedisServer, proxy: CuttableProxy, chance: random.Random) -> None:
    proxy.freeze()
    await asyncio.sleep(chance.uniform(0.2, 1.8))
    proxy.resume()


FAULTS: list[Fault] = [
    stopped,
    stopped_for_longer_than_a_lease,
    killed,
    asleep,
    paused,
    frozen,
    cut,
    replies_lost,
    half_open,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_whatever_redis_does_nothing_is_dialled_twice_and_everything_is_answered_once(
    own_redis: RedisServer, guard: Guard, tmp_path: Path, fault: Fault
) -> None:
    await run(own_redis, guard, tmp_path, [fault] * 2, commands=200)


@pytest.mark.soak
async def test_all_faults_of_redis_again_and_again(
    own_redis: RedisServer, guard: Guard, tmp_path: Path
) -> None:
    faults = FAULTS * 20
    random.Random(7).shuffle(faults)
    await run(own_redis, guard, tmp_path, faults, commands=20_000)


async def run(server: RedisServer, guard: Guard, folder: Path, faults: list[Fault], commands: int) -> None:
    chance, books = random.Random(3), Books()
    async with command_pbx() as pbx:
        with CuttableProxy(server.port) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}/0"
            office = CommandOffice(folder, guard, pbx, url, QUICK)
            client = office.client()
            orders = Orders(client, books, 4, commands)
            async with client, news_of(server.url, books), command_zygote(office, guard) as mother:
                number = await mother.start()
                orders.start()
                for index, fault in enumerate(faults):
                    async with asyncio.timeout(60):
                        await orders.reached(commands * (index + 1) // (len(faults) + 1))
                    await fault(server, proxy, chance)
                await orders.done(120)
                await mother.end(number, signal.SIGTERM)
    # A queue that was away for longer than a lease may have forgotten: what is older is unknown.
    frozen_ones = {id for id, reply in books.replies.items() if reply.reason == "queue_rolled_back"}
    assert not frozen_ones or office.told("CommandsFrozen")
    books.in_doubt |= frozen_ones
    states = books.check(pbx)
    print(dict(states))
    assert sum(states.values()) == commands
    assert states["succeeded"] > commands // 2
    assert states["unknown"] <= len(frozen_ones)
    assert not office.told("ServiceCrashed")


async def test_data_rolled_back_from_an_older_file_freeze_what_is_older_and_dial_nothing_twice(
    own_redis: RedisServer, guard: Guard, tmp_path: Path
) -> None:
    if not isinstance(own_redis, PrivateRedis):
        pytest.skip("needs the files of the server")
    books = Books()
    async with command_pbx() as pbx:
        office = CommandOffice(tmp_path, guard, pbx, own_redis.url, QUICK)
        client = office.client()
        orders = Orders(client, books, 5, 300)
        async with client, command_zygote(office, guard) as mother:
            number = await mother.start()
            orders.start()
            for index in range(3):
                await orders.reached(60 * (index + 1))
                copy = await asyncio.to_thread(own_redis.copy_data)
                await orders.reached(60 * (index + 1) + 30)
                await asyncio.to_thread(own_redis.kill9)
                own_redis.roll_back(copy)
                await asyncio.to_thread(own_redis.start)
            await orders.done(120)
            await mother.end(number, signal.SIGTERM)
            # Whoever asks again gets the reply that was given, also where it had been forgotten.
            for id, reply in books.replies.items():
                view = await client.look("main", id)
                if view is not None and view.reply is not None:
                    assert view.reply.state == reply.state, (id, reply.state, view.reply)
                else:
                    assert reply.reason == "queue_rolled_back", (id, reply)
    assert office.told("CommandsFrozen")
    assert not pbx.executed.repeated()
    assert not pbx.dialled.repeated()
    for id, reply in books.replies.items():
        if reply.state in ("expired", "rejected"):
            assert not pbx.executed[id], reply
    assert sum(reply.state == "succeeded" for reply in books.replies.values()) > 150
    assert not office.told("ServiceCrashed")
