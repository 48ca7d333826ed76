"""The disk is full for a while: readers go on, what fits the memory is written later, the rest announced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.adapters.journal import JournalSettings, SqliteJournal, open_journal
from publisher.records import Record
from tests.journal.numbered import EPOCH, check_whole, gaps, numbered, read_all, until, write
from tests.journal.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.faults

SETTINGS = JournalSettings(tail_records=100, memory_limit_bytes=2 << 20, retry_secs=0.05)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, 24 << 20) as made:
        yield made


async def fill_up(disk: SmallDisk, journal: SqliteJournal) -> None:
    """Fill the disk and write until the journal notices."""
    disk.fill()
    while not journal.state.alarm:
        await write(journal, 20, size=2000, batch=20)


async def test_nothing_is_lost_while_the_memory_suffices(disk: SmallDisk) -> None:
    journal = await open_journal(disk.folder, "main", SETTINGS)
    journal.begin_epoch(EPOCH)
    await write(journal, 500)
    await fill_up(disk, journal)
    assert "cannot be written" in journal.state.alarm
    assert "\n" not in journal.state.alarm
    held_from = journal.durable_pos
    await write(journal, 400)
    assert not journal.congested
    check_whole(await read_all(journal, held_from), held_from + 1, held_from + 400)
    journal.advance("forwarder", held_from + 400)
    await journal.wait_cursor("forwarder", held_from + 400)
    disk.free()
    await until(lambda: not journal.state.alarm)
    await write(journal, 10)
    last = journal.durable_pos
    await journal.close()
    journal = await open_journal(disk.folder, "main", SETTINGS)
    assert journal.state.alarm == ""
    assert journal.cursor("forwarder") == held_from + 400
    found = await read_all(journal)
    check_whole(found, 1, last)
    assert gaps(found) == []
    await journal.close()


async def test_beyond_the_memory_the_oldest_are_lost_and_announced_once_in_their_place(
    disk: SmallDisk,
) -> None:
    journal = await open_journal(disk.folder, "main", SETTINGS)
    journal.begin_epoch(EPOCH)
    await write(journal, 500)
    await fill_up(disk, journal)
    live: list[Record] = []

    async def follow() -> None:
        """A reader that keeps up, as the forwarder does: it must not miss anything."""
        pos = 0
        while True:
            await journal.wait_beyond(pos)
            live.extend(await journal.read(pos))
            pos = live[-1].pos + live[-1].span - 1

    following = asyncio.create_task(follow())
    await write(journal, 3000, size=2000, batch=50)
    journal.begin_epoch(EPOCH + 1)
    await write(journal, 3000, size=2000, batch=50)
    last = journal.durable_pos
    # Appending goes on after the loss; 2 MiB hold less than 1,000 such records.
    assert journal.state.records_in_memory < 1000
    await until(lambda: bool(live) and live[-1].pos == last)
    check_whole(live, 1, last)
    assert gaps(live) == []
    in_memory = await read_all(journal)
    check_whole(in_memory, 1, last)
    disk.free()
    await until(lambda: not journal.state.alarm)
    following.cancel()
    for _ in range(2):
        found = await read_all(journal)
        check_whole(found, 1, last)
        lost = gaps(found)
        assert [(cause, count == span) for _, span, cause, count in lost] == [("disk_full", True)] * 2
        assert lost == gaps(in_memory)
        await journal.close()
        journal = await open_journal(disk.folder, "main", SETTINGS)
    assert journal.state.alarm == ""
    await journal.close()


async def test_what_was_in_memory_only_is_announced_exactly_after_a_crash(disk: SmallDisk) -> None:
    journal = await open_journal(disk.folder, "main", SETTINGS)
    journal.begin_epoch(EPOCH)
    await write(journal, 500)
    await fill_up(disk, journal)
    committed = journal._ledger.committed_pos
    journal.begin_epoch(EPOCH + 1)
    await write(journal, 300)
    last = journal.durable_pos
    journal.advance("forwarder", last - 7)
    await journal.wait_cursor("forwarder", last - 7)
    # As a kill would: nothing is flushed, only the lock goes.
    journal._retention.cancel()
    journal._closed = True
    await until(journal._idle.is_set)
    await journal._loop.run_in_executor(journal._executor, journal._writer.close)
    disk.free()
    again = await open_journal(disk.folder, "main", SETTINGS)
    assert "in memory only" in again.state.alarm
    assert (again.next_pos, again.epoch, again.next_seq) == (last + 1, EPOCH + 1, 301)
    assert again.cursor("forwarder") == last - 7
    found = await read_all(again)
    check_whole(found, 1, last)
    lost = gaps(found)
    assert sum(span for _, span, _, _ in lost) == last - committed
    assert {cause for _, _, cause, _ in lost} == {"disk_full"}
    assert [record.epoch for record in found[-2:]] == [EPOCH, EPOCH + 1]
    await again.close()


async def test_a_disk_that_fills_and_empties_again_and_again_keeps_the_order(disk: SmallDisk) -> None:
    journal = await open_journal(disk.folder, "main", SETTINGS)
    journal.begin_epoch(EPOCH)
    for _ in range(4):
        await write(journal, 100)
        await fill_up(disk, journal)
        await write(journal, 200)
        disk.free()
        # Appended while the retry is at work.
        journal.append(numbered(journal, 150))
        await until(lambda: not journal.state.alarm)
    last = journal.next_pos - 1
    await until(lambda: journal.durable_pos == last)
    await journal.close()
    journal = await open_journal(disk.folder, "main", SETTINGS)
    found = await read_all(journal)
    check_whole(found, 1, last)
    assert gaps(found) == []
    await journal.close()


async def test_closing_on_a_full_disk_ends_and_the_loss_is_announced_later(disk: SmallDisk) -> None:
    journal = await open_journal(disk.folder, "main", SETTINGS)
    journal.begin_epoch(EPOCH)
    await write(journal, 500)
    await fill_up(disk, journal)
    journal.append(numbered(journal, 200))
    last = journal.next_pos - 1
    await asyncio.wait_for(journal.close(), 20)
    disk.free()
    journal = await open_journal(disk.folder, "main", SETTINGS)
    assert journal.next_pos == last + 1
    found = await read_all(journal)
    check_whole(found, 1, last)
    assert {cause for _, _, cause, _ in gaps(found)} == {"disk_full"}
    await journal.close()
