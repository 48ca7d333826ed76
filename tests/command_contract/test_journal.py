"""What a commander may rely on when it notes what it sends and how that ended."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from publisher.commanding.entries import FinalReply, JournalledCommand, Memory
from publisher.errors import CommandJournalError
from schemas.reply import State
from tests.command_contract.harness import final_of
from tests.command_contract.journal_harness import (
    FakeJournalHarness,
    JournalHarness,
    SqliteJournalHarness,
    lines,
)


@pytest.fixture(params=["fake", "sqlite"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JournalHarness]:
    if request.param == "fake":
        yield FakeJournalHarness()
        return
    made = SqliteJournalHarness(tmp_path)
    await made.open()
    yield made
    await made.close()


async def test_a_command_is_noted_once_and_the_second_time_tells_what_is_known(kept: JournalHarness) -> None:
    assert await kept.journal.note_sent(lines(["a", "b"])) == [None, None]
    known = JournalledCommand(id="a", body=b"body", sent_us=1_000, event_pos=7, ring_ms=30_000)
    assert not known.is_final
    again = await kept.journal.note_sent(lines(["c", "a"], sent_us=2_000, body=b"another"))
    assert again == [None, known]
    await kept.reopen()
    assert (await kept.journal.note_sent(lines(["a"])))[0] == known
    await kept.journal.note_finals([final_of("a")])
    (over,) = await kept.journal.note_sent(lines(["a"]))
    assert over is not None
    assert (over.state, over.reply, over.body, over.sent_us) == ("succeeded", b"reply", b"body", 1_000)
    assert await kept.journal.note_sent([]) == []


async def test_the_same_id_twice_in_one_call_is_noted_once(kept: JournalHarness) -> None:
    first, second = await kept.journal.note_sent(lines(["a", "a"]))
    assert first is None
    assert second is not None
    assert second.id == "a"


async def test_the_first_end_of_a_command_stays(kept: JournalHarness) -> None:
    await kept.journal.note_sent(lines(["a"]))
    await kept.journal.note_finals([final_of("a", b"first")])
    await kept.journal.note_finals([final_of("a", b"second", State.FAILED)])
    known = (await kept.journal.known(["a"]))["a"]
    assert (known.state, known.reply, known.is_final) == ("succeeded", b"first", True)
    await kept.journal.note_finals([])


async def test_one_that_was_never_sent_has_an_end_too_and_is_not_sent_then(kept: JournalHarness) -> None:
    await kept.journal.note_finals([final_of("a", b"rejected", State.REJECTED)])
    known = (await kept.journal.known(["a"]))["a"]
    assert (known.sent_us, known.body, known.state) == (0, b"the command's body", "rejected")
    assert (await kept.journal.note_sent(lines(["a"])))[0] == known


async def test_of_a_large_reply_is_kept_what_is_to_be_kept(kept: JournalHarness) -> None:
    await kept.journal.note_finals([FinalReply("a", State.SUCCEEDED, b"x" * 100_000, b"body", b"short")])
    assert (await kept.journal.known(["a"]))["a"].reply == b"short"


async def test_what_is_unfinished_comes_in_the_order_of_sending(kept: JournalHarness) -> None:
    await kept.journal.note_sent(lines(["c"], 3_000) + lines(["a", "z", "b"], 1_000) + lines(["d"], 2_000))
    await kept.journal.note_finals([final_of("z"), final_of("never sent")])
    await kept.reopen()
    assert [one.id for one in await kept.journal.unfinished()] == ["a", "b", "d", "c"]
    await kept.journal.note_finals([final_of(id) for id in "abcd"])
    assert await kept.journal.unfinished() == []


async def test_what_is_known_of_many_ids(kept: JournalHarness) -> None:
    ids = [f"{number}" for number in range(1_300)]
    for first in range(0, 1_300, 100):
        await kept.journal.note_sent(lines(ids[first : first + 100]))
    found = await kept.journal.known([*ids, "nobody", "'; DROP TABLE command"])
    assert list(found) == ids or set(found) == set(ids)
    assert await kept.journal.known([]) == {}


async def test_the_ends_since_a_moment_come_newest_first_and_bounded(kept: JournalHarness) -> None:
    before = time.time_ns() // 1000 - 1
    for number in range(5):
        await kept.journal.note_finals([final_of(f"{number}")])
        # Two ends within the same microsecond have no order.
        began = time.time_ns() // 1000
        while time.time_ns() // 1000 <= began:
            pass
    await kept.journal.note_sent(lines(["unfinished"]))
    assert [one.id for one in await kept.journal.finals_since(before, 100)] == ["4", "3", "2", "1", "0"]
    assert [one.id for one in await kept.journal.finals_since(before, 2)] == ["4", "3"]
    assert await kept.journal.finals_since(time.time_ns() // 1000 + 60_000_000, 100) == []


async def test_the_memory_and_the_owner_s_name_outlive_the_process(kept: JournalHarness) -> None:
    owner = kept.journal.owner
    assert len(owner) >= 32
    assert await kept.journal.memory() == Memory()
    await kept.journal.remember(Memory(3, "a server", 77, 1_700_000_000_000, exact=True))
    await kept.reopen()
    # That nothing can have happened since only the process itself knows.
    assert await kept.journal.memory() == Memory(3, "a server", 77, 1_700_000_000_000)
    assert kept.journal.owner == owner
    await kept.journal.remember(Memory(4, "another", 1, 5))
    assert await kept.journal.memory() == Memory(4, "another", 1, 5)


async def test_the_audit_has_a_line_for_what_is_sent_and_for_what_ends(kept: JournalHarness) -> None:
    await kept.journal.note_sent(lines(["a"]), [b'{"sent":1}'])
    await kept.journal.note_finals([final_of("a")], [b'{"ended":1}', '{"name":"Zoë"}'.encode()])
    await kept.journal.note_sent(lines(["b"]))
    await kept.reopen()
    assert kept.audit() == [b'{"sent":1}', b'{"ended":1}', '{"name":"Zoë"}'.encode()]


async def test_without_its_line_in_the_audit_nothing_is_noted_as_sent(kept: JournalHarness) -> None:
    await kept.refuse_audit()
    with pytest.raises(CommandJournalError, match="audit"):
        await kept.journal.note_sent(lines(["a"]), [b"{}"])
    assert await kept.journal.known(["a"]) == {}
    assert await kept.journal.unfinished() == []
    # An end is noted first; it is the line that is asked for again.
    with pytest.raises(CommandJournalError):
        await kept.journal.note_finals([final_of("b")], [b'{"ended":1}'])
    await kept.allow_audit()
    await kept.journal.note_finals([final_of("b", b"again")], [b'{"ended":1}'])
    assert (await kept.journal.known(["b"]))["b"].reply == b"reply"
    assert await kept.journal.note_sent(lines(["a"]), [b'{"sent":1}']) == [None]
    assert kept.audit() == [b'{"ended":1}', b'{"sent":1}']


async def test_a_closed_journal_takes_and_gives_nothing(kept: JournalHarness) -> None:
    await kept.journal.note_sent(lines(["a"]))
    await kept.journal.close()
    await kept.journal.close()
    for call in (
        kept.journal.note_sent(lines(["b"])),
        kept.journal.note_finals([final_of("a")]),
        kept.journal.known(["a"]),
        kept.journal.memory(),
    ):
        with pytest.raises(CommandJournalError, match="closed"):
            await call
