"""One commander at a time has the turn: what it may rely on, and what the others see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from publisher.command_ports import CommandQueue
from publisher.commanding.entries import NOT_OURS, SEND, Memory
from publisher.errors import QueueFenced, QueueHeld
from tests.command_contract.harness import Harness, final_of, ids_of

FENCED: list[Callable[[CommandQueue], Awaitable[object]]] = [
    lambda queue: queue.claim(10),
    lambda queue: queue.mark_sending(["a"]),
    lambda queue: queue.renew(),
    lambda queue: queue.orphans(),
    lambda queue: queue.confirm(),
]


async def test_each_turn_has_a_higher_number_than_all_before_it(place: Harness) -> None:
    first, second = place.queue("first"), place.queue("second")
    assert first.memory == Memory()
    epochs = []
    for queue in (first, first, second, second, first):
        tenure = await queue.take(queue.memory)
        epochs.append(tenure.epoch)
        assert queue.memory.epoch == tenure.epoch
        await queue.release()
    assert epochs == [1, 2, 3, 4, 5]
    await place.forget()
    assert (await first.take(first.memory)).epoch == 6
    assert (await first.take(Memory(epoch=100))).epoch == 101


async def test_a_turn_is_held_against_others_as_long_as_its_lease(place: Harness) -> None:
    first, second = place.queue("first-of-two", lease_ms=30_000), place.queue("second")
    await first.take(Memory())
    with pytest.raises(QueueHeld) as held:
        await second.take(Memory())
    assert 20 < held.value.left_secs <= 30
    assert "first-of" in str(held.value)
    assert "first-of-two" not in str(held.value)
    before = await place.now_ms()
    await first.renew()
    with pytest.raises(QueueHeld) as held:
        await second.take(Memory())
    assert await place.now_ms() + held.value.left_secs * 1000 >= before + 30_000
    # Its own owner need not wait, for instance after a crash.
    assert (await place.queue("first-of-two").take(Memory())).epoch == 2


async def test_a_turn_that_is_not_renewed_ends_with_its_lease(place: Harness) -> None:
    first, second = place.queue("first", lease_ms=200), place.queue("second")
    began = (await first.take(Memory())).now_ms
    async with asyncio.timeout(20):
        while True:
            try:
                tenure = await second.take(Memory())
                break
            except QueueHeld as held:
                await asyncio.sleep(held.left_secs)
    assert tenure.trusted
    assert tenure.now_ms >= began + 200


async def test_a_turn_that_is_given_up_can_be_taken_at_once(place: Harness) -> None:
    first, second = place.queue("first"), place.queue("second")
    await first.take(Memory())
    await first.release()
    await second.take(Memory())
    # A late word of the earlier one changes nothing.
    await first.release()
    with pytest.raises(QueueHeld):
        await first.take(first.memory)


@pytest.mark.parametrize("call", FENCED, ids=["claim", "mark_sending", "renew", "orphans", "confirm"])
async def test_whoever_has_no_turn_is_fenced(
    place: Harness, call: Callable[[CommandQueue], Awaitable[object]]
) -> None:
    first, second = place.queue("first"), place.queue("second")
    with pytest.raises(QueueFenced):
        await call(first)
    await first.take(Memory())
    await place.enqueue("a")
    await first.release()
    await second.take(Memory())
    with pytest.raises(QueueFenced, match="second"):
        await call(first)
    assert ids_of(await second.claim(10)) == ["a"]
    await place.forget()
    with pytest.raises(QueueFenced, match="the queue is empty"):
        await call(second)


async def test_an_earlier_turn_of_the_same_owner_is_fenced_too(place: Harness) -> None:
    queue, again = place.queue(), place.queue()
    await queue.take(Memory())
    await again.take(Memory())
    with pytest.raises(QueueFenced):
        await queue.claim(10)


async def test_a_turn_knows_what_stood_in_the_queue_when_it_began(place: Harness) -> None:
    queue = place.queue()
    assert (await queue.take(Memory())).watermarks == ("0-0", "0-0")
    for id in ("a", "b", "c"):
        await place.enqueue(id, bulk=id == "b")
    tenure = await queue.take(queue.memory)
    for id in ("d", "e"):
        await place.enqueue(id, bulk=id == "e")
    older = await queue.claim(10, tenure.watermarks)
    assert ids_of(older) == ["a", "c", "b"]
    assert tenure.watermarks == (older.commands[1].entry, older.commands[2].entry)
    assert (await queue.claim(10, tenure.watermarks)).looked_at == 0
    assert ids_of(await queue.claim(10)) == ["d", "e"]


async def test_a_claim_tells_of_entries_that_name_nothing_that_waits(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    for id in ("a", "b", "c"):
        await place.enqueue(id)
    for id in ("a", "b"):
        await place.erase(id, "state")
    assert [((claim := await queue.claim(2)).looked_at, ids_of(claim)) for _ in range(3)] == [
        (2, []),
        (1, ["c"]),
        (0, []),
    ]


async def test_what_another_collector_marked_as_sent_is_not_sent_by_one_that_takes_it_over(
    place: Harness,
) -> None:
    first, second = place.queue("first"), place.queue("another")
    await first.take(Memory())
    await place.enqueue("a")
    await first.claim(10)
    await first.release()
    await second.take(Memory())
    await second.orphans()
    assert [one.word for one in await second.mark_sending(["a"])] == [SEND]
    await second.release()
    # It still has it in hand, and finds it again among what is claimed.
    await first.take(first.memory)
    assert [one.owner for one in await first.orphans()] == ["another"]
    assert [one.word for one in await first.mark_sending(["a"])] == [NOT_OURS]


async def test_the_memory_counts_every_write_that_was_heard_of(place: Harness) -> None:
    queue = place.queue()
    tenure = await queue.take(Memory())
    known = queue.memory
    assert (known.epoch, known.identity, known.exact) == (tenure.epoch, tenure.identity, True)
    assert (known.writes, known.seen_ms) == (1, tenure.now_ms)
    await place.enqueue("a")
    counts = []
    for call in (
        queue.claim(10),
        queue.mark_sending(["a"]),
        queue.orphans(),
        queue.finish([final_of("a")]),
        queue.claim(10),
        queue.renew(),
        queue.orphans(),
    ):
        await call
        counts.append(queue.memory.writes)
    # What changes nothing is no write.
    assert counts == [2, 3, 4, 5, 5, 5, 5]
    assert queue.memory.seen_ms >= known.seen_ms


async def test_where_data_are_gone_each_turn_is_untrusted_until_all_that_is_older_is_dealt_with(
    place: Harness,
) -> None:
    first, second = place.queue("first"), place.queue("second")
    assert (await first.take(Memory())).trusted
    await place.forget()
    tenure = await first.take(first.memory)
    assert not tenure.trusted
    assert tenure.why_not == "its data is gone"
    await first.release()
    # A process that remembers nothing believes the one before.
    assert (await second.take(Memory())).why_not == "its data is gone"
    await second.confirm()
    assert (await second.take(second.memory)).trusted
    await second.release()
    assert (await place.queue("third").take(Memory())).trusted


async def test_who_remembers_nothing_trusts_an_empty_queue_and_a_used_one(place: Harness) -> None:
    first = place.queue("first")
    assert (await first.take(Memory())).trusted
    await place.enqueue("a")
    await first.claim(1)
    await first.release()
    assert (await place.queue("second").take(Memory())).trusted


async def test_a_restarted_commander_trusts_the_server_unless_its_own_writes_are_missing(
    place: Harness,
) -> None:
    queue = place.queue()
    await queue.take(Memory())
    known = queue.memory
    noted = Memory(known.epoch, known.identity, known.writes, known.seen_ms)
    assert (await place.queue().take(noted)).trusted
    ahead = Memory(known.epoch, known.identity, known.writes + 10, known.seen_ms)
    tenure = await place.queue().take(ahead)
    assert tenure.why_not == "its data has gone back in time"


async def test_a_turn_of_one_s_own_that_the_server_has_forgotten_is_noticed(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    later = replace(queue.memory, epoch=queue.memory.epoch + 10)
    tenure = await place.queue().take(later)
    assert (tenure.why_not, tenure.epoch) == ("its data has gone back in time", 12)
