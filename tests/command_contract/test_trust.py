"""Whether a server still holds what was left there: restarts, older copies, everything gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from publisher.commanding.entries import Memory, Tenure
from publisher.errors import QueueFenced
from tests.command_contract.harness import BreakableHarness, final_of, ids_of

REPLACED = "it was restarted or replaced, and what it forgot cannot be told"
LEASE_MS = 20_000


def noted(known: Memory) -> Memory:
    """What another process finds noted: the same, but something may have happened since."""
    return replace(known, exact=False)


async def test_a_restarted_server_with_every_write_is_trusted_within_the_lease_by_who_saw_all(
    breakable: BreakableHarness,
) -> None:
    queue = breakable.queue(lease_ms=LEASE_MS)
    await queue.take(Memory())
    await breakable.enqueue("a")
    await queue.claim(10)
    await breakable.restart()
    # Nothing is sent before it is clear that nobody else has been there.
    with pytest.raises(QueueFenced, match="was restarted or replaced"):
        await queue.mark_sending(["a"])
    tenure = await queue.take(queue.memory)
    assert (tenure.trusted, tenure.epoch) == (True, 2)
    assert ids_of(await queue.orphans()) == ["a"]
    assert [verdict.word for verdict in await queue.mark_sending(["a"])] == ["send"]


# Less the two seconds by which two servers' clocks may differ, either way.
@pytest.mark.parametrize("away_ms", [LEASE_MS - 2_000, LEASE_MS * 2, -3_600_000])
async def test_a_restarted_server_is_not_trusted_after_the_lease_or_with_a_clock_gone_back(
    breakable: BreakableHarness, away_ms: int
) -> None:
    queue = breakable.queue(lease_ms=LEASE_MS)
    await queue.take(Memory())
    await breakable.restart()
    long_ago = replace(queue.memory, seen_ms=queue.memory.seen_ms - away_ms)
    assert (await queue.take(long_ago)).why_not == REPLACED


async def test_a_restarted_server_is_not_trusted_by_another_process(breakable: BreakableHarness) -> None:
    queue = breakable.queue()
    await queue.take(Memory())
    await breakable.restart()
    tenure = await breakable.queue().take(noted(queue.memory))
    assert tenure.why_not == REPLACED


async def test_a_restarted_server_is_not_trusted_where_another_had_the_turn(
    breakable: BreakableHarness,
) -> None:
    first, second = breakable.queue("first"), breakable.queue("second")
    await first.take(Memory())
    await first.release()
    await second.take(Memory())
    await second.release()
    await breakable.restart()
    # Also where the numbers are the same, as on data that began anew.
    same_epoch = replace(first.memory, epoch=second.memory.epoch)
    assert (await first.take(same_epoch)).why_not == REPLACED


async def taken_after_rollback(breakable: BreakableHarness) -> Tenure:
    """A turn on an older copy, from before something was sent."""
    queue = breakable.queue()
    await queue.take(Memory())
    await breakable.enqueue("a")
    copy = await breakable.copied()
    await queue.claim(10)
    await queue.mark_sending(["a"])
    await breakable.roll_back(copy)
    with pytest.raises(QueueFenced):
        await queue.claim(10)
    return await queue.take(queue.memory)


async def test_data_that_went_back_in_time_are_not_trusted(breakable: BreakableHarness) -> None:
    tenure = await taken_after_rollback(breakable)
    assert not tenure.trusted
    assert tenure.why_not == "its data has gone back in time"


async def test_what_went_back_in_time_stands_before_the_watermarks(breakable: BreakableHarness) -> None:
    tenure = await taken_after_rollback(breakable)
    await breakable.enqueue("new")
    queue = breakable.queue()
    await queue.take(Memory())
    assert ids_of(await queue.claim(10, tenure.watermarks)) == ["a"]
    assert ids_of(await queue.claim(10)) == ["new"]


async def test_data_from_before_the_first_turn_are_not_trusted(breakable: BreakableHarness) -> None:
    await breakable.enqueue("a")
    copy = await breakable.copied()
    queue = breakable.queue()
    await queue.take(Memory())
    await queue.claim(10)
    await breakable.roll_back(copy)
    assert (await breakable.queue().take(noted(queue.memory))).why_not == "its data is gone"


async def test_only_a_client_s_writes_are_missing_and_that_is_no_harm(breakable: BreakableHarness) -> None:
    queue = breakable.queue()
    await queue.take(Memory())
    copy = await breakable.copied()
    await breakable.enqueue("a")
    await breakable.roll_back(copy)
    assert (await queue.take(queue.memory)).trusted
    assert (await breakable.enqueue("a"))[0] == "queued"


async def test_doubt_outlives_a_restart_and_another_commander(breakable: BreakableHarness) -> None:
    assert not (await taken_after_rollback(breakable)).trusted
    await breakable.restart()
    other = breakable.queue()
    assert not (await other.take(Memory())).trusted
    await other.confirm()
    assert (await breakable.queue().take(noted(other.memory))).trusted


async def test_a_reply_that_was_forgotten_can_be_given_again(breakable: BreakableHarness) -> None:
    queue = breakable.queue()
    await queue.take(Memory())
    copy = await breakable.copied()
    await breakable.enqueue("a", b"the command's body")
    await queue.claim(10)
    assert await queue.finish([final_of("a")]) == ["done"]
    await breakable.roll_back(copy)
    assert await breakable.look("a") == {}
    await queue.take(queue.memory)
    assert await queue.finish([final_of("a")]) == ["done"]
    assert (await breakable.enqueue("a", b"the command's body"))[:2] == ("known", "succeeded")
