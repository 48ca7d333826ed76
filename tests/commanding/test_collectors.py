"""Two collectors for one PBX, and a queue that anybody may write into: nothing is sent twice or late, and no
single command, reply or flood holds up the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from publisher.commanding.entries import FinalReply, Memory
from publisher.errors import QueueUnreachable
from schemas.command import Command
from schemas.reply import Reason, State
from tests.commanding.test_commander import played
from tests.commanding.world import LEASE_SECS, TOKEN, World
from tests.fakes.command_queue import FakeCommandQueue


def another(world: World) -> FakeCommandQueue:
    return FakeCommandQueue(world.store, "another journal", lease_ms=int(LEASE_SECS * 1000))


@pytest.mark.parametrize("stopped", [True, False])
def test_what_another_sent_while_this_one_was_cut_off_is_not_sent_again(stopped: bool) -> None:
    async def scenario(world: World) -> None:
        world.pbx.up = False
        world.order("call", "Originate", ttl_secs=60)
        await asyncio.sleep(1)
        assert world.commander.waiting == 1
        world.queue.trouble = QueueUnreachable("cut off")
        await asyncio.sleep(LEASE_SECS + 1)
        other = another(world)
        await other.take(Memory())
        assert [one.id for one in await other.orphans()] == ["call"]
        await other.mark_sending(["call"])
        # It dials, and is gone before it has answered.
        world.pbx.handed_over["call"] += 1
        if stopped:
            await other.release()
        else:
            await asyncio.sleep(LEASE_SECS + 0.5)
        world.pbx.connect()
        world.queue.trouble = None
        (reply,) = await world.answered("call")
        assert reply.state is State.UNKNOWN

    played(scenario)


def test_what_the_disk_keeps_beyond_the_lease_is_asked_for_again_before_it_is_sent() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1)
        noted = world.journal.note_sent

        async def slowly(*args: Any) -> Any:
            world.queue.trouble = QueueUnreachable("cut off")
            await asyncio.sleep(LEASE_SECS + 1)
            other = another(world)
            await other.take(Memory())
            (found,) = await other.orphans()
            # It knows only that somebody may have sent it.
            assert found.state == State.SENDING
            await other.finish([FinalReply("call", State.UNKNOWN, world.unknown_reply("call"))])
            await other.release()
            world.queue.trouble = None
            return await noted(*args)

        world.journal.note_sent = slowly  # type: ignore[method-assign]
        world.order("call", "Originate", ttl_secs=60)
        (reply,) = await world.answered("call")
        await asyncio.sleep(30)
        assert reply.state is State.UNKNOWN
        assert not world.pbx.handed_over
        # The other one could not know.
        world.books.frozen = True

    played(scenario)


@pytest.mark.parametrize("timeout", ["30s", "9" * 400, "", "-1", ["30"]])
def test_no_field_of_an_unjudged_command_can_stop_a_turn(timeout: Any) -> None:
    async def scenario(world: World) -> None:
        await world.end()
        other = another(world)
        await other.take(Memory())
        body = Command.make("Originate", {"Phone": "200", "Exten": "201"}, client="crm", id="raw").to_map()
        body["fields"] = {"Channel": "PJSIP/200", "Timeout": timeout}
        body["raw"] = True
        world.order("raw", "Originate")
        world.store.data.commands["raw"]["body"] = world.encoded(body)
        await other.claim(10)
        await other.mark_sending(["raw"])
        world.pbx.handed_over["raw"] += 1
        await other.release()
        world.new_process()
        world.begin()
        world.order("ping")
        (reply,) = await world.answered("ping", secs=60)
        assert reply.state is State.SUCCEEDED
        (reply,) = await world.answered("raw", secs=1000)
        assert reply.state is State.UNKNOWN

    played(scenario)


def test_replies_that_are_too_much_for_the_line_at_once_go_in_smaller_pieces() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1)
        given = world.queue.finish

        async def narrow(finals: Sequence[FinalReply]) -> list[str]:
            if len(finals) > 3:
                raise QueueUnreachable("no answer within 5 s")
            return await given(finals)

        world.queue.finish = narrow  # type: ignore[method-assign]
        for number in range(60):
            world.order(f"c{number}", ttl_secs=600)
        assert {reply.state for reply in await world.answered(secs=300)} == {State.SUCCEEDED}

    played(scenario)


def test_a_doubtful_turn_begins_though_commands_keep_coming() -> None:
    async def scenario(world: World) -> None:
        await world.end()
        world.order("old", "Setvar", ttl_secs=600)
        other = another(world)
        await other.take(Memory(epoch=99, identity="an older server"))
        await other.release()
        world.new_process()
        claimed = world.queue.claim
        count = 0

        async def flooded(*args: Any) -> Any:
            nonlocal count
            if count < 2_000:
                for _ in range(5):
                    count += 1
                    world.order(f"new{count}", ttl_secs=600)
            return await claimed(*args)

        world.queue.claim = flooded  # type: ignore[method-assign]
        world.store.data.fence["doubt"] = "it was replaced"
        world.books.frozen = True
        world.begin()
        (old,) = await world.answered("old", secs=60)
        assert (old.state, old.reason) == (State.UNKNOWN, Reason.QUEUE_ROLLED_BACK)
        # Each claim until then could bring more; the turn does not wait for an end of it.
        assert count < 200
        count = 2_000
        world.queue.claim = claimed  # type: ignore[method-assign]
        *news, _ = sorted(await world.answered(), key=lambda reply: reply.id)
        assert {reply.state for reply in news} == {State.SUCCEEDED}

    played(scenario)


def test_no_hash_in_the_queue_gives_a_command_more_time_than_was_signed() -> None:
    async def scenario(world: World) -> None:
        world.pbx.up = False
        for id in ("before", "after"):
            world.order(id, "Originate", ttl_secs=2)
            if id == "before":
                lengthen(world, id)
        await asyncio.sleep(0.5)
        lengthen(world, "after")
        await asyncio.sleep(6)
        world.pbx.connect()
        assert {reply.state for reply in await world.answered("before", "after")} == {State.EXPIRED}

    def lengthen(world: World, id: str) -> None:
        world.store.data.commands[id]["expires"] = str(world.store.now_ms() + 3_600_000).encode()

    played(scenario)


def test_what_nobody_signed_leaves_no_row_on_the_disk() -> None:
    async def scenario(world: World) -> None:
        world.order("wrong")
        world.store.data.commands["wrong"]["signature"] = b"0" * 64
        world.order("right")
        wrong, right = await world.answered("wrong", "right")
        assert (wrong.reason, right.state) == (Reason.UNAUTHENTICATED, State.SUCCEEDED)
        assert set(await world.journal.known(["wrong", "right"])) == {"right"}

    assert TOKEN
    played(scenario)
