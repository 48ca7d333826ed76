"""Appending, reading and cursors of one journal that nothing goes wrong with."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from publisher.adapters.journal import JournalSettings, SqliteJournal, journal_path, open_journal
from publisher.adapters.journal.sqlite_file import SqliteFile
from publisher.errors import JournalError, JournalInUse
from publisher.ports import Journal
from publisher.records import CONTROL, SNAPSHOT, SUSPECT, Record
from tests.journal.numbered import EPOCH, check_whole, numbered, read_all, until, write


async def test_what_is_appended_is_read_back_in_order_from_memory_and_from_disk(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main", JournalSettings(tail_records=50))
    journal.begin_epoch(EPOCH)
    await write(journal, 2000)
    assert journal.state.records_in_memory <= 150
    assert (journal.durable_pos, journal.next_pos, journal.next_seq) == (2000, 2001, 2001)
    for step in (1000, 7):
        records = await read_all(journal, max_records=step)
        check_whole(records, 1, 2000)
        assert [record.seq for record in records] == list(range(1, 2001))
    await journal.close()


async def test_every_field_survives_the_disk(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "офис/2")
    journal.begin_epoch(EPOCH)
    records = [
        Record(1, EPOCH, 1, 5, 0, SUSPECT, "1700.1\n2", b"\xff\xfe\r\n"),
        Record(2, EPOCH, 2, 4, CONTROL, 0, "офис", b"payload", 10),
        Record(12, EPOCH, 12, -7, 0, SNAPSHOT, "broken \udcff", b""),
        Record(13, EPOCH, 13, 1 << 60, 0, 0, "", b"x" * 3_000_000),
    ]
    journal.append(records)
    await journal.wait_beyond(13 - 1)
    await journal.close()
    again = await open_journal(tmp_path, "офис/2")
    found = await read_all(again)
    assert found == records
    assert again.next_pos == 14
    await again.close()


async def test_a_read_gives_at_least_one_record_and_otherwise_keeps_its_bounds(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main", JournalSettings(tail_records=10))
    journal.begin_epoch(EPOCH)
    await write(journal, 100, size=1000)
    for after in (0, 95):
        assert len(await journal.read(after, 3)) == 3
        assert len(await journal.read(after, 100, 1)) == 1
        assert sum(len(record.raw) for record in await journal.read(after, 100, 3500)) <= 3500
    assert await journal.read(100) == []
    await journal.close()


async def test_records_that_leave_memory_lose_their_caches(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main", JournalSettings(tail_records=10))
    journal.begin_epoch(EPOCH)
    records = numbered(journal, 30)
    for record in records:
        record.parsed = object()  # type: ignore[assignment]
    journal.append(records)
    await journal.wait_beyond(29)
    assert [record.parsed is None for record in records] == [True] * 20 + [False] * 10
    assert (await journal.read(25))[0] is records[25]
    await journal.close()


async def test_numbers_go_on_after_a_reopening_and_begin_anew_with_an_epoch(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main")
    journal.begin_epoch(EPOCH)
    await write(journal, 10)
    await journal.close()
    journal = await open_journal(tmp_path, "main")
    assert (journal.epoch, journal.next_pos, journal.next_seq) == (EPOCH, 11, 11)
    journal.begin_epoch(EPOCH + 5)
    assert (journal.epoch, journal.next_pos, journal.next_seq) == (EPOCH + 5, 11, 1)
    await journal.close()
    journal = await open_journal(tmp_path, "main")
    assert (journal.epoch, journal.next_pos, journal.next_seq) == (EPOCH + 5, 11, 1)
    await write(journal, 5)
    found = await read_all(journal)
    assert [(record.epoch, record.seq) for record in found[8:13]] == [
        (EPOCH, 9),
        (EPOCH, 10),
        (EPOCH + 5, 1),
        (EPOCH + 5, 2),
        (EPOCH + 5, 3),
    ]
    await journal.close()


async def test_an_epoch_that_does_not_grow_and_a_wrong_number_are_refused(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main")
    with pytest.raises(ValueError, match="epoch"):
        journal.append([Record(1, EPOCH, 1, 0, 0, 0, "", b"")])
    journal.begin_epoch(EPOCH)
    with pytest.raises(ValueError, match="follow"):
        journal.begin_epoch(EPOCH)
    for wrong in (
        [Record(2, EPOCH, 2, 0, 0, 0, "", b"")],
        [Record(1, EPOCH, 2, 0, 0, 0, "", b"")],
        [Record(1, EPOCH, 1, 0, 0, 0, "", b""), Record(3, EPOCH, 3, 0, 0, 0, "", b"")],
    ):
        with pytest.raises(ValueError, match="record"):
            journal.append(wrong)
    assert journal.next_pos == 1
    await write(journal, 1)
    await journal.close()


async def test_a_cursor_becomes_durable_and_is_found_after_a_reopening(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main")
    journal.begin_epoch(EPOCH)
    await write(journal, 100)
    assert journal.cursor("forwarder") == 0
    journal.advance("forwarder", 40)
    journal.advance("gone", 1)
    assert (journal.cursor("forwarder"), journal.durable_cursor("forwarder")) == (40, 0)
    await journal.wait_cursor("forwarder", 40)
    assert journal.durable_cursor("forwarder") == 40
    journal.remove_cursor("gone")
    journal.save_state(b"calls", 77)
    with pytest.raises(ValueError, match="cursor"):
        journal.advance("forwarder", 101)
    await journal.close()
    journal = await open_journal(tmp_path, "main")
    assert journal.cursors() == {"forwarder": 40}
    assert journal.durable_cursor("forwarder") == 40
    assert journal.load_state() == (b"calls", 77)
    await journal.close()


async def test_a_second_writer_is_refused_with_one_sentence_until_the_first_has_closed(
    tmp_path: Path,
) -> None:
    journal = await open_journal(tmp_path, "main")
    with pytest.raises(
        JournalInUse, match=r"main\.journal is in use: another amibus process writes it"
    ) as refused:
        await open_journal(tmp_path, "main")
    assert "\n" not in str(refused.value)
    await journal.close()
    await (await open_journal(tmp_path, "main")).close()


async def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"journal folder .* cannot be made: Not a directory"):
        await open_journal(tmp_path / "file" / "data", "main")


async def test_waiting_readers_wake_for_their_record_and_hear_of_the_end(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main")
    journal.begin_epoch(EPOCH)
    early = asyncio.create_task(journal.wait_beyond(0))
    late = asyncio.create_task(journal.wait_beyond(1000))
    given_up = asyncio.create_task(journal.wait_beyond(5))
    await asyncio.sleep(0)
    given_up.cancel()
    await write(journal, 10)
    await early
    assert not late.done()
    await journal.close()
    with pytest.raises(JournalError, match="closed"):
        await late
    with pytest.raises(JournalError, match="closed"):
        journal.append([])
    assert given_up.cancelled()


async def test_close_commits_what_was_just_appended(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main", JournalSettings(durability="power"))
    journal.begin_epoch(EPOCH)
    journal.append(numbered(journal, 20_000))
    await journal.close()
    journal = await open_journal(tmp_path, "main")
    check_whole(await read_all(journal), 1, 20_000)
    await journal.close()


@pytest.mark.parametrize("checkpoint_secs", [0.0, 0.5])
async def test_the_log_stays_bounded_while_readers_and_the_writer_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint_secs: float
) -> None:
    at_once = SqliteFile.checkpoint

    def slow_checkpoint(file: SqliteFile, mode: str = "PASSIVE") -> bool:
        if mode == "PASSIVE":
            time.sleep(checkpoint_secs)
        return at_once(file, mode)

    monkeypatch.setattr(SqliteFile, "checkpoint", slow_checkpoint)
    journal = await open_journal(tmp_path, "main", JournalSettings(tail_records=10))
    journal.begin_epoch(EPOCH)
    log = journal_path(tmp_path, "main").with_name("main.journal-wal")
    longest = 0
    stop = False

    async def keep_reading() -> None:
        after = 0
        while not stop:
            records = await journal.read(after)
            after = records[-1].pos if records else 0
            await asyncio.sleep(0)

    reading = asyncio.create_task(keep_reading())
    for _ in range(100):
        await write(journal, 250, size=8000, batch=250)
        longest = max(longest, log.stat().st_size)
    stop = True
    await reading
    # 200 MB were written. On a slow disk commits wait from 64 MiB on; a transaction is at most about 5 MB.
    assert longest < 80 << 20
    await journal.close()


async def test_ten_thousand_single_appends_are_grouped_into_fewer_commits(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main", JournalSettings(tail_records=10))
    journal.begin_epoch(EPOCH)
    for _ in range(10_000):
        journal.append(numbered(journal, 1))
        if journal.next_pos % 20 == 0:
            await asyncio.sleep(0)
    await until(lambda: journal.durable_pos == 10_000)
    check_whole(await read_all(journal), 1, 10_000)
    chunks = await journal._disk.ask(lambda side: side.file.value("SELECT count(*) FROM chunk"))
    assert chunks < 2000
    await journal.close()


async def test_every_file_of_a_journal_is_for_its_user_alone(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main")
    journal.begin_epoch(EPOCH)
    await write(journal, 10)
    names = ("main.journal", "main.journal-wal", "main.journal-shm", "main.journal.lock")
    rights = {name: (tmp_path / name).stat().st_mode & 0o777 for name in names}
    await journal.close()
    assert rights == dict.fromkeys(names, 0o600)


def test_the_journal_has_the_shape_of_its_port() -> None:
    def accepts(journal: SqliteJournal) -> Journal:
        return journal

    assert callable(accepts)
