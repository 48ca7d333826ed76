"""What the fakes can be told beyond the contract: to fail before or after a call, to lose their power."""

from __future__ import annotations

import pytest

from publisher.commanding.entries import Memory
from publisher.errors import CommandJournalError, QueueRefused, QueueUnreachable
from tests.command_contract.harness import final_of, ids_of
from tests.command_contract.journal_harness import lines
from tests.fakes.command_journal import FakeCommandJournal
from tests.fakes.command_queue import FakeCommandQueue
from tests.fakes.command_store import FakeCommandStore


async def test_a_queue_fails_before_or_after_a_call_took_effect() -> None:
    store = FakeCommandStore()
    queue = FakeCommandQueue(store)
    await queue.take(Memory())
    store.enqueue("a", b"body")
    queue.before["claim"] = [QueueUnreachable("no answer")]
    queue.after["claim"] = [QueueRefused("no right")]
    with pytest.raises(QueueUnreachable):
        await queue.claim(10)
    assert store.command("a")["state"] == b"queued"
    with pytest.raises(QueueRefused):
        await queue.claim(10)
    assert store.command("a")["state"] == b"claimed"
    assert ids_of(await queue.claim(10)) == []
    assert queue.calls["claim"] == 3


async def test_a_queue_in_trouble_fails_until_it_is_over() -> None:
    queue = FakeCommandQueue(FakeCommandStore())
    queue.trouble = QueueUnreachable("nothing listens there")
    for _ in range(2):
        with pytest.raises(QueueUnreachable):
            await queue.take(Memory())
    queue.trouble = None
    assert (await queue.take(Memory())).epoch == 1


async def test_the_clock_of_a_store_can_be_moved() -> None:
    store = FakeCommandStore()
    queue = FakeCommandQueue(store)
    await queue.take(Memory())
    store.enqueue("a", b"body", ttl_ms=60_000)
    await queue.claim(10)
    store.shift_ms += 60_000
    assert [verdict.word for verdict in await queue.mark_sending(["a"])] == ["expired"]


async def test_a_journal_refuses_as_often_as_it_is_told() -> None:
    journal = FakeCommandJournal()
    journal.errors["note_sent"] = [CommandJournalError("the disk is full")]
    with pytest.raises(CommandJournalError):
        await journal.note_sent(lines(["a"]))
    assert await journal.note_sent(lines(["a"])) == [None]
    journal.refusal = "the disk is full"
    for _ in range(2):
        with pytest.raises(CommandJournalError):
            await journal.note_finals([final_of("a")])
    assert (await journal.known(["a"]))["a"].state == ""


async def test_a_power_cut_takes_the_last_ends_and_no_command_that_was_sent() -> None:
    journal = FakeCommandJournal()
    await journal.note_sent(lines(["a", "b"]))
    await journal.note_finals([final_of("a")])
    await journal.note_sent(lines(["c"]))
    await journal.note_finals([final_of("b"), final_of("never sent")])
    journal.lose_power()
    assert {id: row.state for id, row in journal.rows.items()} == {"a": "succeeded", "b": "", "c": ""}


async def test_a_command_goes_when_its_time_in_the_store_is_over() -> None:
    store = FakeCommandStore()
    store.enqueue("a", b"body", ttl_ms=1_000, keep_ms=1_000)
    store.shift_ms += 1_500
    assert store.command("a")["state"] == b"queued"
    store.shift_ms += 500
    assert store.command("a") == {}
    assert store.command("nobody") == {}
    assert store.enqueue("a", b"another")[0] == "queued"
