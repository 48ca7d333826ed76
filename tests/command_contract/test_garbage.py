"""Whoever reaches the server may write anything into the queue's keys; a commander works on all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from publisher.commanding.entries import Memory
from schemas.command import MAX_BODY_BYTES
from schemas.command_queue import CommandKeys
from tests.command_contract.conftest import KINDS
from tests.command_contract.harness import KEEP_MS, Harness, final_of, ids_of
from tests.command_contract.redis import RedisHarness

FIELDS = ("body", "at", "ttl", "signature", "queued", "expires", "entry", "priority", "client", "action")
NUMBERS = ("at", "ttl", "queued", "expires")


async def test_missing_fields_are_read_as_empty(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    for id in (*FIELDS, "all of them", "none"):
        await place.enqueue(id)
        if id != "none":
            await place.erase(id, *(FIELDS if id == "all of them" else (id,)))
    claim = await queue.claim(100)
    assert ids_of(claim) == [*FIELDS, "all of them", "none"]
    empty = claim.commands[-2]
    assert (empty.body, empty.at_ms, empty.ttl_ms, empty.queued_ms, empty.expires_ms) == (b"", 0, 0, 0, 0)
    assert (empty.signature, empty.entry, empty.client, empty.action, empty.bulk) == ("", "", "", "", False)
    verdicts = await queue.mark_sending(["expires", "all of them", "none"])
    assert [verdict.word for verdict in verdicts] == ["expired", "expired", "send"]
    assert await queue.finish([final_of(id) for id in ids_of(claim)]) == ["done"] * 12


@pytest.mark.parametrize(
    "text",
    [b"soon", b"", b"\xff\xfe", b"-", b"12 apples", b"9" * 250, b"None"],
    ids=lambda text: repr(text[:9]),
)
async def test_text_where_numbers_belong_is_read_as_none_and_never_sent(place: Harness, text: bytes) -> None:
    queue = place.queue()
    await queue.take(Memory())
    for id in ("bad", "good"):
        await place.enqueue(id)
    await place.write("bad", dict.fromkeys((*NUMBERS, "client", "action", "priority", "signature"), text))
    bad, good = (await queue.claim(10)).commands
    assert (bad.at_ms, bad.ttl_ms, bad.queued_ms, bad.expires_ms) == (0, 0, 0, 0)
    assert not bad.bulk
    assert bad.client == text.decode("utf-8", "replace")
    assert good.expires_ms > 0
    verdicts = {one.word: one.left_ms for one in await queue.mark_sending(["good", "bad"])}
    if text.isdigit():
        # A number that is too long for a clock is one to Redis; what may still be begun is not.
        assert all(left < 40_000 for left in verdicts.values())
    else:
        assert list(verdicts) == ["send", "expired"]
    assert len(await queue.orphans()) == 2
    assert await queue.finish([final_of("bad"), final_of("good")]) == ["done", "done"]


async def test_a_client_ends_a_command_whose_time_cannot_be_read(place: Harness) -> None:
    for id, text in (("a", b"soon"), ("b", b"")):
        await place.enqueue(id)
        await place.write(id, {"expires": text, "entry": b"nowhere", "stream": b"\xff"})
        assert (await place.enqueue(id))[0] == "known"
        assert await place.expire(id, b"late") == ("final", b"late")


async def test_an_oversize_body_stays_where_it_is(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    for id in ("large", "largest", "good"):
        await place.enqueue(id)
    await place.write("large", {"body": b"x" * (MAX_BODY_BYTES + 1)})
    await place.write("largest", {"body": b"x" * MAX_BODY_BYTES})
    for found in ((await queue.claim(10)).commands, await queue.orphans()):
        assert {one.id: len(one.body) for one in found} == {"large": 0, "largest": MAX_BODY_BYTES, "good": 4}


async def test_other_fields_that_are_oversize_are_read_as_empty(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    for id in ("a", "good"):
        await place.enqueue(id)
    names = ("at", "ttl", "signature", "queued", "priority", "client", "action", "cancel", "entry")
    await place.write("a", dict.fromkeys(names, b"7" * 100_000))
    for found in ((await queue.claim(10)).commands, await queue.orphans()):
        large = next(one for one in found if one.id == "a")
        assert (large.signature, large.client, large.action, large.entry) == ("", "", "", "")
        assert (large.at_ms, large.ttl_ms, large.queued_ms) == (0, 0, 0)
        assert large.body == b"body"
        assert len(found) == 2


async def test_only_what_is_queued_is_claimed_and_the_rest_of_the_queue_is_cleared(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    states = (b"", b"claimed", b"sending", b"succeeded", b"unknown", b"QUEUED", b"\xff")
    for number, state in enumerate(states):
        await place.enqueue(f"{number}")
        await place.write(f"{number}", {"state": state})
    await place.enqueue("gone")
    await place.erase("gone")
    await place.enqueue("good", bulk=True)
    assert ids_of(await queue.claim(100)) == ["good"]
    assert await place.waiting() == (0, 0)


@pytest.fixture(params=["embedded", "single", "cluster"])
async def redis_place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RedisHarness]:
    """Where keys can be of any type."""
    made = await KINDS[request.param](request, tmp_path)
    assert isinstance(made, RedisHarness)
    yield made
    await made.close()


async def test_keys_of_another_type_hold_up_nobody(redis_place: RedisHarness) -> None:
    place, keys = redis_place, CommandKeys(redis_place.pbx)
    queue = place.queue()
    await queue.take(Memory())
    for id in ("a", "b", "c", "good"):
        await place.enqueue(id)
        if id == "b":
            assert ids_of(await queue.claim(2)) == ["a", "b"]
    for id in ("a", "c"):
        await place.erase(id)
        await place.admin.set(keys.command(id), b"anything")
    assert ids_of(await queue.claim(10)) == ["good"]
    assert [one.word for one in await queue.mark_sending(["a", "b", "c"])] == ["gone", "send", "gone"]
    assert ids_of(await queue.orphans()) == ["b", "good"]
    assert await queue.finish([final_of("a"), final_of("b"), final_of("c")]) == [
        "not_ours",
        "done",
        "not_ours",
    ]
    assert await queue.renew() == 1


async def test_entries_that_name_no_command_are_taken_away(redis_place: RedisHarness) -> None:
    place, keys = redis_place, CommandKeys(redis_place.pbx)
    queue = place.queue(max_depth=4)
    await queue.take(Memory())
    for stream in (keys.interactive, keys.bulk, keys.cancels):
        await place.admin.xadd(stream, {"alone": "\xff"})
        await place.admin.xadd(stream, {"expires": "soon", "id": "nobody"})
    # In a full queue they make room.
    assert (await place.enqueue("good"))[0] == "queued"
    assert await place.waiting() == (1, 0)
    await place.admin.xadd(keys.interactive, {"alone": "x"})
    await place.admin.zadd(keys.active, {"nobody": 1.0, b"\xff": 2.0})
    claim = await queue.claim(10)
    assert ids_of(claim) == ["good"]
    assert len(claim.cancelled) == 2
    assert await place.waiting() == (0, 0)
    assert ids_of(await queue.orphans()) == ["good"]
    assert await queue.renew() == 1


@pytest.mark.parametrize("id", [b"\xff\xfe", b"a\x80", b"x" * 301], ids=["no text", "one byte", "too long"])
async def test_a_command_that_no_answer_can_reach_is_dropped_once(
    redis_place: RedisHarness, id: bytes
) -> None:
    place, keys = redis_place, CommandKeys(redis_place.pbx)
    queue = place.queue()
    await queue.take(Memory())
    key = keys.prefix.encode() + b"command:" + id
    await place.admin.hset(key, mapping={"state": "queued", "body": "x"})
    await place.admin.xadd(keys.interactive, {"id": id, "expires": "1"})
    await place.enqueue("good")
    # It does not hide what stands behind it: only a claim that looked at nothing means that nothing waits.
    assert [((claim := await queue.claim(1)).looked_at, ids_of(claim)) for _ in range(3)] == [
        (1, []),
        (1, ["good"]),
        (0, []),
    ]
    assert await place.waiting() == (0, 0)
    assert await queue.renew() == 1
    assert 0 < await place.admin.pttl(key) <= KEEP_MS
    # As an earlier version, or a turn that ended just then, left it.
    await place.admin.zadd(keys.active, {id: 1.0})
    assert ids_of(await queue.orphans()) == ["good"]
    assert await queue.renew() == 1
    assert ids_of(await queue.orphans()) == ["good"]


async def test_pages_of_commands_that_no_answer_can_reach_hide_none(redis_place: RedisHarness) -> None:
    place, keys = redis_place, CommandKeys(redis_place.pbx)
    queue = place.queue()
    await queue.take(Memory())
    bad = [b"\xff%d" % number for number in range(250)]
    good = [f"good-{number}" for number in range(250)]
    for id in (*bad, *(one.encode() for one in good)):
        await place.admin.hset(keys.prefix.encode() + b"command:" + id, "state", "claimed")
    # By turns, so that each page holds both.
    order = {id: 2.0 * number for number, id in enumerate(bad)}
    order |= {id.encode(): 2.0 * number + 1 for number, id in enumerate(good)}
    await place.admin.zadd(keys.active, order)
    assert ids_of(await queue.orphans()) == good
    assert await queue.renew() == len(good)


async def test_a_command_that_names_another_s_entry_is_answered(redis_place: RedisHarness) -> None:
    place = redis_place
    queue = place.queue()
    await queue.take(Memory())
    for id, fields in (
        ("a", {"stream": b"elsewhere", "entry": b"x"}),
        ("b", {"stream": b"", "entry": b"1-1"}),
    ):
        await place.enqueue(id)
        await place.write(id, fields)
    await place.enqueue("c")
    await place.erase("c", "stream", "entry")
    assert await queue.finish([final_of(id) for id in ("a", "b", "c")]) == ["done"] * 3


async def test_a_fence_that_cannot_be_read_is_begun_anew(redis_place: RedisHarness) -> None:
    place, keys = redis_place, CommandKeys(redis_place.pbx)
    queue = place.queue()
    await queue.take(Memory())
    garbage = dict.fromkeys(("until", "epoch", "max_depth"), "soon")
    await place.admin.hset(keys.fence, mapping=garbage)
    assert (await place.enqueue("a"))[0] == "queued"
    tenure = await place.queue("other").take(queue.memory)
    assert tenure.epoch == 2
