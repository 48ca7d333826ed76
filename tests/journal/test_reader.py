"""Looking at a journal from another process while the collector writes it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from publisher.adapters.journal import JournalSettings, journal_path, open_journal, open_journal_reader
from publisher.errors import JournalDamaged, JournalError
from tests.journal.numbered import EPOCH, START_US, check_whole, gaps, write

ROOT = Path(__file__).parents[2]


async def test_a_live_journal_of_another_process_is_followed_record_by_record(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.journal.writer_child",
        str(tmp_path),
        "3",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    await child.stdout.readline()
    reader = await open_journal_reader(journal_path(tmp_path, "main"))
    assert reader.pbx == "main"
    pos = 0
    for _ in range(30):
        await asyncio.wait_for(reader.wait_beyond(pos), 30)
        records = await reader.read(pos, 200)
        check_whole(records, pos + 1, records[-1].pos + records[-1].span - 1)
        assert {cause for _, _, cause, _ in gaps(records)} <= {"retention"}
        pos = records[-1].pos + records[-1].span - 1
    assert reader.bytes_on_disk > 0
    await reader.refresh()
    assert reader.cursors["forwarder"] > 0
    await reader.close()
    child.kill()
    await child.communicate()


async def test_records_are_found_by_time_and_by_number(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main")
    journal.begin_epoch(EPOCH)
    await write(journal, 1000)
    journal.begin_epoch(EPOCH + 1)
    await write(journal, 1000)
    reader = await open_journal_reader(journal.path)
    for pos in (1, 2, 777, 1000, 1001, 2000):
        assert await reader.pos_at(START_US + pos * 1000) == pos
        assert await reader.pos_at(START_US + pos * 1000 - 1) == pos
    assert await reader.pos_at(0) == 1
    assert await reader.pos_at(START_US * 2) == 2001
    assert [start.epoch for start in reader.epochs] == [EPOCH, EPOCH + 1]
    assert await reader.pos_of(EPOCH, 1000) == 1000
    assert await reader.pos_of(EPOCH + 1, 1) == 1001
    for missing in ((EPOCH, 1001), (EPOCH + 1, 1001), (EPOCH, 0), (EPOCH + 2, 1)):
        assert await reader.pos_of(*missing) == 0
    assert (reader.first_pos, reader.last_pos) == (1, 2000)
    await reader.close()
    await journal.close()


async def test_a_closed_journal_can_be_read_and_is_not_changed(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main", JournalSettings(durability="power"))
    journal.begin_epoch(EPOCH)
    await write(journal, 300)
    await journal.close()
    before = journal.path.read_bytes()
    reader = await open_journal_reader(journal.path)
    check_whole(await reader.read(0), 1, 300)
    assert await reader.read(300) == []
    await reader.close()
    assert journal.path.read_bytes() == before


async def test_a_missing_or_foreign_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        JournalError, match=r"the journal .*none.journal cannot be read: there is no such file"
    ):
        await open_journal_reader(tmp_path / "none.journal")
    (tmp_path / "text.journal").write_text("This is not a database. " * 100)
    with pytest.raises(JournalDamaged, match="damaged"):
        await open_journal_reader(tmp_path / "text.journal")
