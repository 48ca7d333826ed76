"""What a commander may rely on when it takes commands out of the queue and sends them."""

from __future__ import annotations

import asyncio

from publisher.command_ports import CommandQueue
from publisher.commanding.entries import Memory
from publisher.errors import QueueFenced
from schemas.command import MAX_BODY_BYTES
from tests.command_contract.harness import Harness, clock_passed, final_of, ids_of


async def taken(place: Harness, owner: str = "owner") -> CommandQueue:
    queue = place.queue(owner)
    await queue.take(Memory())
    return queue


def words_of(verdicts: object) -> list[str]:
    assert isinstance(verdicts, list)
    return [verdict.word for verdict in verdicts]


async def test_interactive_ones_come_before_bulk_ones_and_each_in_their_order(place: Harness) -> None:
    queue = await taken(place)
    for number in range(6):
        await place.enqueue(f"bulk-{number}", bulk=True)
        await place.enqueue(f"soon-{number}")
    assert ids_of(await queue.claim(4)) == ["soon-0", "soon-1", "soon-2", "soon-3"]
    await place.enqueue("soon-6")
    assert ids_of(await queue.claim(5)) == ["soon-4", "soon-5", "soon-6", "bulk-0", "bulk-1"]
    assert ids_of(await queue.claim(100)) == ["bulk-2", "bulk-3", "bulk-4", "bulk-5"]
    assert await queue.renew() == 13


async def test_a_claim_brings_all_that_was_queued(place: Harness) -> None:
    queue = await taken(place)
    body = b"\x00\xff{" + b"x" * (MAX_BODY_BYTES - 3)
    now = await place.now_ms()
    expires = int((await place.enqueue("a", body, ttl_ms=7_000, bulk=True, at_ms=123))[1])
    claim = await queue.claim(10)
    (command,) = claim.commands
    assert now <= claim.now_ms <= await place.now_ms()
    assert (command.id, command.state, command.body, command.bulk) == ("a", "claimed", body, True)
    assert (command.at_ms, command.ttl_ms, command.expires_ms) == (123, 7_000, expires)
    assert command.queued_ms == expires - 7_000
    assert (command.owner, command.cancelled, command.client, command.action) == (
        "owner",
        False,
        "crm",
        "Ping",
    )
    assert "-" in command.entry


async def test_each_command_is_claimed_once_whoever_claims_at_the_same_time(place: Harness) -> None:
    first, second = place.queue("owner"), place.queue("owner")
    await first.take(Memory())
    for number in range(120):
        await place.enqueue(f"{number}")
    claims = await asyncio.gather(*(first.claim(7) for _ in range(8)))
    found = [id for claim in claims for id in ids_of(claim)]

    async def claim_all(queue: CommandQueue) -> None:
        try:
            while claimed := ids_of(await queue.claim(3)):
                found.extend(claimed)
        except QueueFenced:
            return

    racing = asyncio.create_task(claim_all(first))
    await second.take(Memory(first.memory.epoch, first.memory.identity))
    await claim_all(second)
    await racing
    assert sorted(found, key=int) == [f"{number}" for number in range(120)]
    # The later turn has taken over nothing yet; all are there for it.
    assert sorted(ids_of(await second.orphans()), key=int) == sorted(found, key=int)


async def test_the_last_look_lets_a_command_be_sent_and_says_the_same_when_asked_again(
    place: Harness,
) -> None:
    queue = await taken(place)
    await place.enqueue("a", ttl_ms=20_000)
    await queue.claim(10)
    for _ in range(3):
        (verdict,) = await queue.mark_sending(["a"])
        assert verdict.word == "send"
        assert 10_000 < verdict.left_ms <= 20_000
    assert (await place.look("a"))["state"] == b"sending"
    assert [(one.state, one.step) for one in await place.news()] == [("sending", "sending")]
    assert await queue.mark_sending([]) == []


async def test_the_last_look_knows_what_is_late_cancelled_another_s_or_forgotten(place: Harness) -> None:
    queue = await taken(place)
    for id in ("late", "cancelled", "unclaimed", "forgotten", "over", "good"):
        await place.enqueue(id)
        if id == "good":
            await queue.claim(5)
            await place.enqueue("waits")
    claimed = ids_of(await queue.claim(1))
    assert claimed == ["good"]
    await place.write("late", {"expires": str(await place.now_ms()).encode()})
    await place.cancel("cancelled")
    await place.write("unclaimed", {"tenure": b"1:another"})
    await place.erase("forgotten")
    await queue.finish([final_of("over")])
    asked = ["late", "cancelled", "unclaimed", "waits", "forgotten", "never", "over", "good"]
    expected = ["expired", "cancelled", "not_ours", "not_ours", "gone", "gone", "not_ours", "send"]
    for _ in range(2):
        assert words_of(await queue.mark_sending(asked)) == expected
    assert (await place.look("late"))["state"] == b"claimed"


async def test_what_is_late_is_never_sent_even_if_it_was_marked_before(place: Harness) -> None:
    queue = await taken(place)
    expires = int((await place.enqueue("a", ttl_ms=100))[1])
    await queue.claim(10)
    (verdict,) = await queue.mark_sending(["a"])
    assert verdict.word in ("send", "expired")
    await clock_passed(place, expires)
    (verdict,) = await queue.mark_sending(["a"])
    assert verdict.word == "expired"
    assert verdict.left_ms <= 0


async def test_a_cancellation_after_the_last_look_comes_too_late(place: Harness) -> None:
    queue = await taken(place)
    await place.enqueue("a")
    await queue.claim(10)
    await queue.mark_sending(["a"])
    await place.write("a", {"cancel": b"1"})
    assert words_of(await queue.mark_sending(["a"])) == ["send"]


async def test_all_that_is_claimed_and_not_over_is_found_however_much_it_is(place: Harness) -> None:
    queue = await taken(place)
    for number in range(450):
        await place.enqueue(f"{number}")
    for _ in range(9):
        await queue.claim(50)
    await queue.finish([final_of(f"{number}") for number in range(0, 450, 10)])
    # Forgotten in all three pages, so that the pages move while they are read.
    for number in range(1, 450, 15):
        await place.erase(f"{number}")
    left = {f"{n}" for n in range(450) if n % 10 and n % 15 != 1}
    await queue.mark_sending(["2", "3"])
    later = place.queue("later")
    await queue.release()
    await later.take(Memory())
    found = await later.orphans()
    assert len(found) == len(left)
    assert set(ids_of(found)) == left
    states = {one.id: (one.state, one.owner) for one in found}
    assert states["2"] == ("sending", "owner")
    assert states["4"] == ("claimed", "owner")
    assert await later.renew() == len(left)
    # From now on they are this commander's, and nobody else's.
    assert words_of(await later.mark_sending(["4", "5"])) == ["send", "send"]
    assert await queue.finish([final_of("6")]) == ["not_ours"]
    assert set(ids_of(await later.orphans())) == left
