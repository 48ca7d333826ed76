"""The least rights of the two users: with them everything works, and none of them can be left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from consumers.adapters.redis.driver import QueueLink, client_maker
from consumers.commands import CommandClient
from consumers.errors import QueueRefused as ClientRefused
from publisher.commanding.entries import Memory
from publisher.errors import QueueRefused
from schemas.command_queue import CommandKeys
from schemas.redis_url import RedisUrl
from tests.command_contract.harness import clock_passed, final_of
from tests.command_contract.redis import RedisHarness
from tests.services.redis_doors import (
    CLIENT,
    CLIENT_RIGHTS,
    CLUSTER_RIGHTS,
    COLLECTOR,
    COLLECTOR_RIGHTS,
    KEYS,
    RedisWithDoors,
)

ROOT = Path(__file__).parents[2]
NEEDED = "does not allow what the queue needs"


@pytest.fixture
def doors(redis_doors: RedisWithDoors) -> Iterator[RedisWithDoors]:
    yield redis_doors
    redis_doors.give_rights()


async def work(server: RedisWithDoors) -> str:
    """All that a collector does; the server's identity."""
    place = RedisHarness(
        "users", server.user_url(COLLECTOR), client_url=server.password_url, admin_url=server.password_url
    )
    try:
        await place.enqueue("a")
        await place.enqueue("b")
        await place.cancel("b")
        queue = place.queue()
        tenure = await queue.take(Memory())
        await queue.wait(0.001)
        await queue.claim(10)
        await place.write("b", {"state": b"succeeded"})
        await queue.orphans()
        await queue.mark_sending(["a"])
        await queue.tell("a", "sending", "ringing")
        await queue.finish([final_of("a")])
        await queue.renew()
        await queue.confirm()
        await queue.release()
        return tenure.identity
    finally:
        await place.close()


async def order(server: RedisWithDoors) -> None:
    """All that a client does."""
    place = RedisHarness("users", server.password_url)
    try:
        await place.queue(max_depth=1).take(Memory())
        url = server.user_url(CLIENT)
        link = QueueLink(RedisUrl.parse(url), client_maker(RedisUrl.parse(url), 5, True, None), 5)
        try:
            await link.news(CommandKeys(place.pbx).replies, "0-0", 0.001)
        finally:
            await link.close()
        async with CommandClient.connect(url, client="crm", token="fake-token") as client:
            forgotten = await client.send(place.pbx, "Ping", expires_secs=0.1)
            await clock_passed(place, forgotten.expires_ms)
            await place.erase(forgotten.id, "state")
            # The queue is full; the forgotten one makes room.
            sent = await client.send(place.pbx, "Ping")
            await place.write(sent.id, {"expires": b"1"})
            await client.waiting(place.pbx)
            await client.cancel(place.pbx, sent.id)
            assert (await client.look(place.pbx, sent.id)) is not None
            assert (await client.follow(place.pbx, sent.id)) is not None
            state, _ = await client.settle(sent)
            assert state == "final"
    finally:
        await place.close()


async def test_the_least_rights_are_enough(doors: RedisWithDoors) -> None:
    assert ":" in await work(doors)
    await order(doors)


@pytest.mark.parametrize("right", [right for right in COLLECTOR_RIGHTS.split() if right != "+info"])
async def test_the_collector_needs_each_of_its_rights(doors: RedisWithDoors, right: str) -> None:
    doors.admin("ACL", "SETUSER", COLLECTOR, f"-{right[1:]}")
    # As on a server that has just started, which knows none of the scripts.
    doors.admin("SCRIPT", "FLUSH")
    with pytest.raises(QueueRefused, match=NEEDED) as refused:
        await work(doors)
    assert right[1:] not in str(refused.value)


async def test_without_info_a_restart_cannot_be_noticed(doors: RedisWithDoors) -> None:
    doors.admin("ACL", "SETUSER", COLLECTOR, "-info")
    assert await work(doors) == "unnamed"


@pytest.mark.parametrize("right", CLIENT_RIGHTS.split())
async def test_a_client_needs_each_of_its_rights(doors: RedisWithDoors, right: str) -> None:
    doors.admin("ACL", "SETUSER", CLIENT, f"-{right[1:]}")
    # As on a server that has just started, which knows none of the scripts.
    doors.admin("SCRIPT", "FLUSH")
    with pytest.raises(ClientRefused, match=NEEDED):
        await order(doors)


async def test_other_keys_are_none_of_theirs(doors: RedisWithDoors) -> None:
    for user, tour in ((COLLECTOR, work), (CLIENT, order)):
        doors.admin("ACL", "SETUSER", user, "resetkeys", "~somebody:*")
        with suppress(AssertionError), pytest.raises((QueueRefused, ClientRefused), match=NEEDED):
            await tour(doors)
        assert KEYS.encode() not in doors.admin("ACL", "GETUSER", user)


def test_the_page_about_commands_tells_the_rights() -> None:
    page = (ROOT / "deploy/docs/commands.md").read_text(encoding="utf-8")
    for user, rights in ((COLLECTOR, COLLECTOR_RIGHTS), (CLIENT, CLIENT_RIGHTS)):
        assert f"ACL SETUSER {user} on >PASSWORD {KEYS} {rights}\n" in page
    assert f"`{CLUSTER_RIGHTS}`" in page
