"""What a client may rely on when it queues, cancels and ends commands, whichever server it is on."""

from __future__ import annotations

import asyncio

from publisher.commanding.entries import Memory
from schemas.command import MAX_BODY_BYTES
from tests.command_contract.harness import KEEP_MS, Harness, clock_passed, final_of, ids_of


async def test_the_same_id_and_body_is_one_command_however_often_it_is_sent(place: Harness) -> None:
    first = await place.enqueue("a", b"one")
    assert first[0] == "queued"
    assert first[2] == "1"
    for _ in range(5):
        assert await place.enqueue("a", b"one") == ("known", "queued", first[1])
    answers = await asyncio.gather(*(place.enqueue("b", b"two") for _ in range(20)))
    assert sorted(answer[0] for answer in answers) == ["known"] * 19 + ["queued"]
    queue = place.queue()
    await queue.take(Memory())
    assert ids_of(await queue.claim(100)) == ["a", "b"]
    assert (await place.enqueue("a", b"one"))[:2] == ("known", "claimed")
    await queue.finish([final_of("a")])
    assert (await place.enqueue("a", b"one"))[:2] == ("known", "succeeded")
    assert ids_of(await queue.claim(100)) == []


async def test_the_same_id_with_another_body_is_refused_and_changes_nothing(place: Harness) -> None:
    await place.enqueue("a", b"one")
    before = await place.look("a")
    assert await place.enqueue("a", b"two") == ("conflict", "queued")
    assert await place.enqueue("a", b"two", bulk=True) == ("conflict", "queued")
    assert await place.look("a") == before
    assert await place.waiting() == (1, 0)


async def test_a_body_that_is_too_large_is_refused(place: Harness) -> None:
    assert await place.enqueue("a", b"x" * (MAX_BODY_BYTES + 1)) == ("oversize", str(MAX_BODY_BYTES))
    assert await place.look("a") == {}
    assert (await place.enqueue("a", b"x" * MAX_BODY_BYTES))[0] == "queued"


async def test_a_full_queue_says_how_full_it_is_and_takes_again_when_there_is_room(place: Harness) -> None:
    queue = place.queue(max_depth=3)
    await queue.take(Memory())
    for id in ("a", "b"):
        assert (await place.enqueue(id))[0] == "queued"
    assert (await place.enqueue("c", bulk=True))[2] == "3"
    assert await place.enqueue("d") == ("full", "3", "3")
    assert await place.enqueue("d", bulk=True) == ("full", "3", "3")
    assert await place.look("d") == {}
    assert (await place.enqueue("a"))[0] == "known"
    await queue.claim(1)
    assert (await place.enqueue("d"))[0] == "queued"


async def test_expired_commands_keep_their_places_until_they_are_answered(place: Harness) -> None:
    queue = place.queue(max_depth=3)
    await queue.take(Memory())
    for id in ("a", "b", "c"):
        await place.enqueue(id, ttl_ms=1, bulk=id == "c")
    await clock_passed(place, int((await place.look("c"))["expires"]))
    assert (await place.enqueue("d"))[0] == "full"
    assert await place.expire("a", b"too late") == ("final", b"too late")
    assert (await place.enqueue("d"))[::2] == ("queued", "3")
    # Whoever sent them may have gone: a collector owes them an answer all the same.
    assert ids_of(await queue.claim(10)) == ["b", "d", "c"]


async def test_what_nobody_remembers_makes_room_in_a_full_queue(place: Harness) -> None:
    await place.queue(max_depth=3).take(Memory())
    for id in ("a", "b", "c"):
        await place.enqueue(id, bulk=id == "c")
    for id in ("a", "c"):
        await place.erase(id, "state")
    assert (await place.enqueue("d"))[::2] == ("queued", "2")
    assert await place.waiting() == (2, 0)


async def test_a_command_is_kept_for_its_time_to_live_and_as_long_as_replies(place: Harness) -> None:
    await place.enqueue("a", ttl_ms=20_000)
    assert KEEP_MS + 10_000 < await place.ttl_ms("a") <= KEEP_MS + 20_000


async def test_when_it_expires_is_told_by_the_server_s_clock(place: Harness) -> None:
    before = await place.now_ms()
    expires = int((await place.enqueue("a", ttl_ms=5_000, at_ms=1))[1])
    assert before + 5_000 <= expires <= await place.now_ms() + 5_000
    assert (await place.look("a"))["expires"] == str(expires).encode()


async def test_a_cancellation_is_asked_for_until_the_command_is_being_sent(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    assert await place.cancel("a") == ("missing",)
    await place.enqueue("a")
    assert await place.cancel("a") == ("asked", "queued")
    claim = await queue.claim(10)
    assert claim.cancelled == ("a",)
    assert claim.commands[0].cancelled
    await place.enqueue("b")
    assert not (await queue.claim(10)).commands[0].cancelled
    assert await place.cancel("b") == ("asked", "claimed")
    assert (await queue.claim(10)).cancelled == ("b",)
    await place.enqueue("c")
    await queue.claim(10)
    assert [verdict.word for verdict in await queue.mark_sending(["c"])] == ["send"]
    assert await place.cancel("c") == ("late", "sending")
    await queue.finish([final_of("c")])
    assert await place.cancel("c") == ("final", "succeeded")
    assert (await queue.claim(10)).cancelled == ()


async def test_a_client_ends_what_is_late_while_nobody_is_there(place: Harness) -> None:
    assert await place.expire("a", b"late") == ("missing", b"")
    await place.enqueue("a", ttl_ms=60_000)
    state, left = await place.expire("a", b"late")
    assert (state, 50_000 < int(left) <= 60_000) == ("queued", True)
    now = await place.now_ms()
    await place.write("a", {"expires": str(now).encode()})
    # A collector that is there goes first.
    state, left = await place.expire("a", b"late", grace_ms=30_000)
    assert (state, 20_000 < int(left) <= 30_000) == ("queued", True)
    assert await place.expire("a", b"late") == ("final", b"late")
    assert await place.waiting() == (0, 0)
    assert (await place.look("a"))["state"] == b"expired"
    assert [(one.state, one.more) for one in await place.news()] == [("expired", b"late")]
    assert KEEP_MS - 10_000 < await place.ttl_ms("a") <= KEEP_MS
    # The first end stays.
    assert await place.expire("a", b"later") == ("final", b"late")


async def test_a_client_ends_what_was_claimed_and_not_begun_but_never_what_is_being_sent(
    place: Harness,
) -> None:
    queue = place.queue()
    await queue.take(Memory())
    for id in ("a", "b"):
        await place.enqueue(id)
    await queue.claim(10)
    await queue.mark_sending(["b"])
    for id in ("a", "b"):
        await place.write(id, {"expires": b"1"})
    assert await place.expire("a", b"late") == ("final", b"late")
    assert (await place.expire("b", b"late"))[0] == "sending"
    assert (await place.look("b"))["state"] == b"sending"
    assert [verdict.word for verdict in await queue.mark_sending(["a"])] == ["not_ours"]
    assert await queue.finish([final_of("a"), final_of("b")]) == ["other", "done"]
    assert await queue.renew() == 0
