"""The commander in a world where anything fails in any order: nothing is sent twice, all is answered once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher.commanding.entries import Memory
from publisher.errors import CommandJournalError, QueueRefused, QueueUnreachable
from publisher.reports import CommandJournalAlarm, CommandsDown, CommandsElsewhere, CommandsRefusal
from schemas.reply import Reason, State
from tests.commanding.world import LEASE_SECS, World
from tests.fakes.command_queue import FakeCommandQueue
from tests.fakes.virtual_time import run_virtual

METHODS = ("take", "confirm", "renew", "claim", "orphans", "mark_sending", "finish", "tell", "wait")
NOTES = ("memory", "remember", "note_sent", "note_finals", "known", "unfinished", "finals_since")

Scenario = Callable[[World], Coroutine[Any, Any, None]]


def played(scenario: Scenario, **options: Any) -> World:
    """A scenario in a world of its own, checked at its end."""

    async def whole() -> World:
        world = World(**options)
        world.begin()
        try:
            await scenario(world)
            world.still_alive()
            world.check()
        finally:
            await world.close()
        return world

    return run_virtual(whole())


def test_commands_are_done_and_answered() -> None:
    async def scenario(world: World) -> None:
        for number in range(300):
            world.order(f"c{number}", ("Ping", "Originate", "Setvar")[number % 3], ttl_secs=300)
        replies = await world.answered()
        assert {reply.state for reply in replies} == {State.SUCCEEDED}

    played(scenario)


def test_what_the_queue_loses_track_of_because_answers_get_lost_is_still_answered() -> None:
    async def scenario(world: World) -> None:
        for method in ("claim", "mark_sending", "finish", "take", "orphans", "renew"):
            world.queue.after[method] = [QueueUnreachable("cut")] * 3
        for number in range(100):
            world.order(f"c{number}")
        assert {reply.state for reply in await world.answered()} == {State.SUCCEEDED}

    played(scenario)


def test_interactive_commands_pass_bulk_ones_that_wait() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1)
        for number in range(30):
            world.order(f"bulk{number}", bulk=True, ttl_secs=600)
        await world.answered("bulk0")
        world.order("now")
        await world.answered("now")
        assert sum(world.pbx.handed_over.values()) <= 4
        await world.answered()

    played(scenario, rate=1.0)


def test_nothing_is_sent_while_the_disk_refuses_and_all_of_it_afterwards() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1)
        world.journal.refusal = "the disk is full"
        for number in range(20):
            world.order(f"c{number}", ttl_secs=60)
        world.order("soon-over", ttl_secs=1)
        late = await world.answered("soon-over")
        assert (late[0].state, late[0].reason) == (State.EXPIRED, Reason.EXPIRED)
        await asyncio.sleep(5)
        assert not world.pbx.handed_over
        world.journal.refusal = ""
        await world.answered()
        assert sum(world.pbx.handed_over.values()) == 20
        alarms = [report.alarm for report in world.reports if isinstance(report, CommandJournalAlarm)]
        assert "the disk is full" in alarms
        assert alarms[-1] == ""

    played(scenario)


def test_a_queue_that_is_away_is_told_and_so_is_one_that_refuses() -> None:
    async def scenario(world: World) -> None:
        world.queue.trouble = QueueUnreachable("redis at 10.0.0.9 is not reachable")
        await asyncio.sleep(3)
        world.queue.trouble = QueueRefused("redis at 10.0.0.9 refuses the password")
        await asyncio.sleep(10)
        world.queue.trouble = None
        world.order("c")
        await world.answered()
        assert any(isinstance(report, CommandsDown) for report in world.reports)
        assert any(isinstance(report, CommandsRefusal) for report in world.reports)

    played(scenario)


def test_a_second_collector_stands_by_until_the_lease_is_over() -> None:
    async def scenario(world: World) -> None:
        other = FakeCommandQueue(world.store, "another journal", lease_ms=int(LEASE_SECS * 1000))
        await world.end()
        await other.take(Memory())
        world.new_process()
        world.begin()
        world.order("c")
        await asyncio.sleep(LEASE_SECS * 0.8)
        assert not world.pbx.handed_over
        assert any(isinstance(report, CommandsElsewhere) for report in world.reports)
        await world.answered(secs=LEASE_SECS * 2)

    played(scenario)


def test_what_another_collector_was_sending_is_found_out_and_not_sent_here() -> None:
    async def scenario(world: World) -> None:
        await world.end()
        other = FakeCommandQueue(world.store, "another journal", lease_ms=int(LEASE_SECS * 1000))
        await other.take(Memory())
        world.order("sending", "Setvar")
        world.order("claimed", "Setvar")
        await other.claim(10)
        await other.mark_sending(["sending"])
        world.pbx.handed_over["sending"] += 1
        world.new_process()
        world.begin()
        sending, claimed = await world.answered("sending", "claimed")
        assert sending.state is State.UNKNOWN
        assert claimed.state is State.SUCCEEDED

    played(scenario)


def test_what_another_collector_sent_before_the_queue_went_back_in_time_is_unknown_here() -> None:
    async def scenario(world: World) -> None:
        await world.end()
        other = FakeCommandQueue(world.store, "another journal", lease_ms=int(LEASE_SECS * 1000))
        await other.take(Memory())
        world.order("sent", "Setvar")
        await other.claim(10)
        world.keep_copy()
        await other.mark_sending(["sent"])
        world.pbx.handed_over["sent"] += 1
        world.roll_back()
        world.new_process()
        world.begin()
        (reply,) = await world.answered("sent")
        assert (reply.state, reply.reason) == (State.UNKNOWN, Reason.QUEUE_ROLLED_BACK)

    played(scenario)


def test_what_a_slow_disk_keeps_until_its_time_is_over_is_not_sent() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1)
        noted = world.journal.note_sent

        async def slowly(*args: Any) -> Any:
            await asyncio.sleep(2)
            return await noted(*args)

        world.journal.note_sent = slowly  # type: ignore[method-assign]
        world.order("short", ttl_secs=1)
        world.order("long", ttl_secs=60)
        short, long = await world.answered("short", "long")
        assert (short.state, long.state) == (State.EXPIRED, State.SUCCEEDED)

    played(scenario)


@pytest.mark.parametrize("action", ["Ping", "Setvar", "Originate"])
def test_a_rollback_of_the_queue_sends_nothing_a_second_time_and_repeats_the_replies(action: str) -> None:
    async def scenario(world: World) -> None:
        for number in range(10):
            world.order(f"c{number}", action)
        world.keep_copy()
        before = {reply.id: reply for reply in await world.answered()}
        world.roll_back()
        await asyncio.sleep(10)
        after = {reply.id: reply for reply in await world.answered()}
        assert after == before
        world.order("new", action)
        (new,) = await world.answered("new")
        assert new.state is State.SUCCEEDED

    played(scenario)


def test_a_command_that_is_queued_again_after_the_queue_forgot_it_is_not_sent_again() -> None:
    async def scenario(world: World) -> None:
        world.order("c", "Setvar")
        (before,) = await world.answered("c")
        world.forget()
        world.order("c", "Setvar")
        (after,) = await world.answered("c")
        assert after == before

    played(scenario)


# Anything, in any order.

SECONDS = st.floats(0.0, 12.0).map(lambda secs: round(secs, 2))
FAULTS = st.one_of(
    st.tuples(st.just("before"), st.sampled_from(METHODS), st.integers(1, 4)),
    st.tuples(st.just("after"), st.sampled_from(METHODS), st.integers(1, 4)),
    st.tuples(st.just("journal"), st.sampled_from(NOTES), st.integers(1, 3)),
    st.tuples(st.just("disk"), st.just(""), st.floats(0.1, 8.0)),
    st.tuples(st.just("away"), st.just(""), st.floats(0.1, 8.0)),
    st.tuples(st.just("line"), st.just(""), st.floats(0.1, 8.0)),
    st.tuples(
        st.sampled_from(["crash", "restart", "power", "server restart", "copy", "roll back", "forget"]),
        st.just(""),
        st.just(0),
    ),
)
ORDERS = st.lists(
    st.tuples(
        SECONDS,
        st.sampled_from(["Ping", "Setvar", "Originate"]),
        st.sampled_from([0.3, 5.0, 60.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


async def befall(world: World, kind: str, name: str, much: float) -> None:
    """One fault; those that last end by themselves."""
    match kind:
        case "before":
            world.queue.before.setdefault(name, []).extend([QueueUnreachable("cut")] * int(much))
        case "after":
            world.queue.after.setdefault(name, []).extend([QueueUnreachable("cut")] * int(much))
        case "journal":
            world.journal.errors.setdefault(name, []).extend([CommandJournalError("no")] * int(much))
        case "disk":
            world.journal.refusal = "the disk is full"
            await asyncio.sleep(much)
            world.journal.refusal = ""
        case "away":
            queue = world.queue
            queue.trouble = QueueUnreachable("away")
            await asyncio.sleep(much)
            queue.trouble = None
        case "line":
            world.pbx.break_down()
            await asyncio.sleep(much)
            world.pbx.connect()
        case "crash":
            await world.crash()
        case "restart":
            await world.restart()
        case "power":
            world.books.power_lost = True
            await world.crash(power=True)
        case "server restart":
            world.store.restart()
            world.books.frozen = True
        case "copy":
            world.keep_copy()
        case "roll back":
            world.roll_back()
        case "forget":
            world.forget()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    orders=ORDERS,
    faults=st.lists(st.tuples(SECONDS, FAULTS), max_size=10),
    manners=st.lists(st.sampled_from(["good", "good", "busy", "silent", "drop"]), max_size=25),
)
def test_whatever_fails_in_whatever_order_nothing_is_sent_twice_and_all_is_answered_once(
    orders: list[tuple[float, str, float, bool]],
    faults: list[tuple[float, tuple[str, str, float]]],
    manners: list[str],
) -> None:
    async def scenario(world: World) -> None:
        async def order(number: int, at: float, action: str, ttl_secs: float, bulk: bool) -> None:
            await asyncio.sleep(at)
            world.order(f"c{number}", action, ttl_secs, bulk)

        async def fault(at: float, what: tuple[str, str, float]) -> None:
            await asyncio.sleep(at)
            await befall(world, *what)

        async with asyncio.TaskGroup() as group:
            for number, one in enumerate(orders):
                group.create_task(order(number, *one))
            for at, what in faults:
                group.create_task(fault(at, what))
        await world.answered()
        # Whatever is still to be repaired is.
        await asyncio.sleep(60)
        await world.answered()

    played(scenario, manners=manners)
