"""Where another server takes over: a failover to a replica, a slot of a cluster that moves, all flushed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from publisher.command_ports import CommandQueue
from publisher.commanding.entries import Memory, Tenure
from publisher.errors import QueueFenced, QueueUnreachable
from schemas.command_queue import CommandKeys
from tests.command_contract.conftest import KINDS
from tests.command_contract.harness import BreakableHarness, ids_of
from tests.command_contract.redis import RedisHarness
from tests.services.redis_cluster import PrivateCluster
from tests.services.redis_sentinel import PrivateSentinel
from tests.services.server_process import wait_until

REPLACED = "it was restarted or replaced, and what it forgot cannot be told"

pytestmark = pytest.mark.faults


async def taken(queue: CommandQueue) -> Tenure:
    """The next turn, as soon as the server that has taken over is found."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await queue.take(queue.memory)
            except QueueUnreachable:
                await asyncio.sleep(0.05)


async def test_a_replica_that_has_every_write_is_trusted_by_who_saw_all_and_by_nobody_else(
    request: pytest.FixtureRequest, redis_sentinel: PrivateSentinel, tmp_path: Path
) -> None:
    place = await KINDS["sentinel"](request, tmp_path)
    queue, other = place.queue(), place.queue()
    await queue.take(Memory())
    await place.enqueue("a")
    await queue.claim(10)
    await asyncio.to_thread(redis_sentinel.wait_whole)
    await asyncio.to_thread(redis_sentinel.fail_over)
    with pytest.raises((QueueUnreachable, QueueFenced)):
        await queue.mark_sending(["a"])
    noted = Memory(queue.memory.epoch, queue.memory.identity, queue.memory.writes, queue.memory.seen_ms)
    assert (await taken(queue)).trusted
    assert ids_of(await queue.orphans()) == ["a"]
    assert [verdict.word for verdict in await queue.mark_sending(["a"])] == ["send"]
    # Another process cannot know what happened meanwhile; here it does, because the turn since was trusted.
    assert (await other.take(noted)).trusted
    await place.close()


async def test_a_replica_that_misses_writes_is_not_trusted(
    request: pytest.FixtureRequest, redis_sentinel: PrivateSentinel, tmp_path: Path
) -> None:
    await asyncio.to_thread(redis_sentinel.wait_whole)
    master, replica = redis_sentinel.master, redis_sentinel.replica
    place = await KINDS["sentinel"](request, tmp_path)
    queue = place.queue()
    await queue.take(Memory())
    await place.enqueue("a")
    await asyncio.to_thread(redis_sentinel.wait_whole)
    # From here on the replica hears nothing; what is claimed and sent it does not know.
    redis_sentinel.command(replica, "CONFIG", "SET", "masterauth", "fake-wrong-password")
    redis_sentinel.command(master, "CLIENT", "KILL", "TYPE", "replica")
    await queue.claim(10)
    await queue.mark_sending(["a"])
    redis_sentinel.command(replica, "REPLICAOF", "NO", "ONE")
    redis_sentinel.command(master, "REPLICAOF", "127.0.0.1", replica.port)
    redis_sentinel.command(replica, "CONFIG", "SET", "masterauth", redis_sentinel.password)
    lagging = RedisHarness("replica", redis_sentinel.server_url(replica), pbx=place.pbx)
    again = lagging.queue()
    tenure = await again.take(queue.memory)
    assert not tenure.trusted
    assert tenure.why_not == "its data has gone back in time"
    assert ids_of(await again.claim(10)) == ["a"]
    await lagging.close()
    # As it was: the sentinel's master is the master.
    redis_sentinel.command(master, "REPLICAOF", "NO", "ONE")
    redis_sentinel.command(replica, "REPLICAOF", "127.0.0.1", master.port)
    await asyncio.to_thread(redis_sentinel.wait_whole)
    await place.close()


async def test_a_slot_of_a_cluster_moves_with_all_that_is_in_it(
    request: pytest.FixtureRequest, redis_cluster: PrivateCluster, tmp_path: Path
) -> None:
    place = await KINDS["cluster"](request, tmp_path)
    queue = place.queue()
    await queue.take(Memory())
    for id in ("a", "b"):
        await place.enqueue(id)
    await queue.claim(1)
    waiting = asyncio.create_task(queue.wait(60))
    await waiting
    await asyncio.to_thread(redis_cluster.move_slot, CommandKeys(place.pbx).fence)
    # Another server, whoever it is: nothing is sent before the turn is taken anew.
    with pytest.raises(QueueFenced):
        await queue.mark_sending(["a"])
    assert (await queue.take(queue.memory)).trusted
    assert ids_of(await queue.orphans()) == ["a"]
    assert ids_of(await queue.claim(10)) == ["b"]
    assert (await place.enqueue("c"))[0] == "queued"
    async with asyncio.timeout(20):
        await queue.wait(60)
    assert ids_of(await queue.claim(10)) == ["c"]
    await place.close()


async def test_a_node_of_a_cluster_that_goes_and_comes_back_is_used_again(
    request: pytest.FixtureRequest, redis_cluster: PrivateCluster, tmp_path: Path
) -> None:
    place = await KINDS["cluster"](request, tmp_path)
    queue = place.queue()
    await queue.take(Memory())
    await place.enqueue("a")
    node = redis_cluster.node_of(CommandKeys(place.pbx).fence)
    await asyncio.to_thread(node.kill9)
    with pytest.raises(QueueUnreachable):
        await queue.claim(10)
    await asyncio.to_thread(node.start)
    await asyncio.to_thread(wait_until, redis_cluster.serves, 30, "the cluster's agreement")
    assert (await taken(queue)).trusted
    assert ids_of(await queue.claim(10)) == ["a"]
    await place.close()


async def test_after_flushall_nothing_is_trusted(breakable: BreakableHarness) -> None:
    queue = breakable.queue()
    await queue.take(Memory())
    await breakable.enqueue("a")
    await queue.claim(10)
    if isinstance(breakable, RedisHarness):
        await breakable.admin.flushall()
    else:
        await breakable.forget()
    with pytest.raises(QueueFenced, match="the queue is empty"):
        await queue.mark_sending(["a"])
    tenure = await queue.take(queue.memory)
    assert tenure.why_not == "its data is gone"
    assert await queue.orphans() == []
