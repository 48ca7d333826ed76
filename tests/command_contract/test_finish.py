"""What a commander may rely on when it gives replies and tells of steps."""

from __future__ import annotations

from publisher.commanding.entries import FinalReply, Memory
from schemas.reply import State
from tests.command_contract.harness import KEEP_MS, Harness, final_of, ids_of
from tests.fakes.command_store import LARGEST_INLINE, News


async def test_a_reply_is_given_once_and_kept_for_its_time(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    await place.enqueue("a", b"the body")
    await queue.claim(10)
    await queue.mark_sending(["a"])
    assert await queue.finish([final_of("a")]) == ["done"]
    found = await place.look("a")
    assert (found["state"], found["reply"], found["body"]) == (b"succeeded", b"reply", b"the body")
    assert abs(int(found["finished"]) - await place.now_ms()) < 10_000
    assert KEEP_MS - 10_000 < await place.ttl_ms("a") <= KEEP_MS
    # An answer that got lost, and a second one that differs.
    assert await queue.finish([final_of("a")]) == ["already"]
    assert await queue.finish([final_of("a", b"another"), final_of("a")]) == ["other", "already"]
    assert (await place.look("a"))["reply"] == b"reply"
    assert [one.step for one in await place.news()] == ["sending", "final"]
    assert await queue.orphans() == []
    assert await queue.renew() == 0


async def test_replies_are_kept_as_long_as_the_collector_says(place: Harness) -> None:
    queue = place.queue(keep_ms=50_000)
    await queue.take(Memory())
    await place.enqueue("a")
    await queue.claim(10)
    await queue.finish([final_of("a")])
    assert 40_000 < await place.ttl_ms("a") <= 50_000


async def test_a_small_reply_goes_along_in_the_news_and_a_large_one_does_not(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    small, large = b"\x81" * LARGEST_INLINE, b"\x81" * (LARGEST_INLINE + 1)
    for id in ("small", "large", "none"):
        await place.enqueue(id)
    await queue.claim(10)
    finals = [final_of("small", small), final_of("large", large, State.FAILED), final_of("none", b"")]
    assert await queue.finish(finals) == ["done"] * 3
    assert await place.news() == [
        News("small", "succeeded", "final", small),
        News("large", "failed", "final", b""),
        News("none", "succeeded", "final", b""),
    ]
    assert (await place.look("large"))["reply"] == large


async def test_a_command_that_the_queue_forgot_is_written_anew_with_its_reply(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    assert await queue.finish([FinalReply("a", State.UNKNOWN, b"reply", b"its body")]) == ["done"]
    found = await place.look("a")
    assert (found["state"], found["reply"], found["body"]) == (b"unknown", b"reply", b"its body")
    assert 0 < await place.ttl_ms("a") <= KEEP_MS
    # Whoever sends the same command again finds it done.
    assert (await place.enqueue("a", b"its body"))[:2] == ("known", "unknown")
    assert ids_of(await queue.claim(10)) == []


async def test_a_command_that_still_waits_can_be_answered_and_then_waits_no_more(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    await place.enqueue("a")
    await place.enqueue("b", bulk=True)
    assert await queue.finish([final_of("a"), final_of("b")]) == ["done", "done"]
    assert await place.waiting() == (0, 0)
    assert ids_of(await queue.claim(10)) == []


async def test_another_s_command_is_not_answered(place: Harness) -> None:
    first, second = place.queue("first"), place.queue("second")
    await first.take(Memory())
    for id in ("own", "taken over", "later"):
        await place.enqueue(id)
    await first.claim(2)
    await first.release()
    await second.take(Memory())
    # Nobody has taken over what the first one claimed: its answer counts, though its turn is over.
    assert await first.finish([final_of("own")]) == ["done"]
    await second.orphans()
    await second.claim(10)
    finals = [final_of("taken over"), final_of("later"), final_of("forgotten")]
    assert await first.finish(finals) == ["not_ours"] * 3
    assert await second.finish(finals) == ["done"] * 3
    assert await first.finish([final_of("own"), final_of("later")]) == ["already", "already"]


async def test_an_owner_s_name_that_ends_like_another_s_is_another_s(place: Harness) -> None:
    queue, shorter = place.queue("an-owner"), place.queue("owner")
    await queue.take(Memory())
    await place.enqueue("a")
    await queue.claim(1)
    await queue.release()
    await shorter.take(Memory())
    assert await shorter.finish([final_of("a")]) == ["not_ours"]


async def test_steps_are_told_in_order(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    await queue.tell("a", State.SENDING, "dialling", "PJSIP/200-0001")
    await queue.tell("a", State.SENDING, "ringing")
    assert await place.news() == [
        News("a", "sending", "dialling", b"PJSIP/200-0001"),
        News("a", "sending", "ringing", b""),
    ]


async def test_many_replies_in_one_call_have_a_verdict_each(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    for number in range(64):
        await place.enqueue(f"{number}")
    await queue.claim(64)
    finals = [final_of(f"{number}", b"x" * 10_000) for number in range(64)]
    assert await queue.finish(finals) == ["done"] * 64
    assert await queue.finish(finals) == ["already"] * 64
