"""Deleting by age and size, and what readers get that come too late."""

from __future__ import annotations

from pathlib import Path

from publisher import control
from publisher.adapters.journal import JournalSettings, open_journal
from tests.journal.numbered import EPOCH, START_US, check_whole, gaps, read_all, until, write


async def test_records_older_than_the_age_are_deleted_and_a_late_reader_gets_their_count(
    tmp_path: Path,
) -> None:
    settings = JournalSettings(keep_secs=1.0, tail_records=10)
    now_us = START_US
    journal = await open_journal(tmp_path, "main", settings, now_us=lambda: now_us)
    journal.begin_epoch(EPOCH)
    await write(journal, 3000)
    journal.advance("reader", 500)
    assert await journal.enforce_retention() == 0
    now_us = START_US + 3_000_000
    assert await journal.enforce_retention() > 0
    first = journal.first_pos
    assert 1900 <= first <= 2000
    late = await read_all(journal, 500)
    check_whole(late, 501, 3000)
    assert gaps(late) == [(501, first - 501, "retention", first - 501)]
    times = control.unpack(late[0].raw)
    assert str(times["from"]) < str(times["to"])
    assert journal.cursor("reader") == 500
    await journal.close()


async def test_everything_may_be_deleted_and_the_numbers_still_go_on(tmp_path: Path) -> None:
    now_us = START_US
    settings = JournalSettings(keep_secs=1.0)
    journal = await open_journal(tmp_path, "main", settings, now_us=lambda: now_us)
    journal.begin_epoch(EPOCH)
    await write(journal, 50)
    now_us += 10**9
    await journal.enforce_retention()
    assert journal.first_pos == 51
    await journal.close()
    journal = await open_journal(tmp_path, "main", settings, now_us=lambda: now_us)
    assert (journal.first_pos, journal.next_pos, journal.next_seq) == (51, 51, 51)
    await write(journal, 5)
    found = await read_all(journal)
    check_whole(found, 1, 55)
    assert gaps(found) == [(1, 50, "retention", 50)]
    await journal.close()


async def test_the_file_stays_near_its_size_and_is_used_again(tmp_path: Path) -> None:
    settings = JournalSettings(keep_bytes=8 << 20, keep_secs=1e9, tail_records=10, retention_check_secs=0.01)
    journal = await open_journal(tmp_path, "main", settings)
    journal.begin_epoch(EPOCH)
    largest = 0
    for _ in range(30):
        await write(journal, 1000, size=2000, batch=500)
        largest = max(largest, (tmp_path / "main.journal").stat().st_size)
    await until(lambda: journal.first_pos > 20_000)
    # 60 MB were written. The file may grow by what arrives between two checks.
    assert largest < 40 << 20
    before = journal.first_pos
    found = await read_all(journal, 0)
    check_whole(found, 1, 30_000)
    assert before <= sum(span for _, span, _, _ in gaps(found)) + 1 <= journal.first_pos
    await journal.close()


async def test_a_file_that_is_much_too_long_is_shortened(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main", JournalSettings(tail_records=10))
    journal.begin_epoch(EPOCH)
    await write(journal, 5000, size=8000, batch=500)
    await journal.close()
    before = (tmp_path / "main.journal").stat().st_size
    settings = JournalSettings(keep_bytes=1 << 20, retention_check_secs=0.001)
    journal = await open_journal(tmp_path, "main", settings)
    await until(lambda: journal.first_pos > 4000)
    for _ in range(40):
        await journal.enforce_retention()
    await journal.close()
    assert before > 40_000_000
    assert (tmp_path / "main.journal").stat().st_size < 25 << 20


async def test_a_gap_over_several_epochs_is_one_record_for_each(tmp_path: Path) -> None:
    now_us = START_US
    journal = await open_journal(tmp_path, "main", JournalSettings(keep_secs=1.0), now_us=lambda: now_us)
    for number in range(3):
        journal.begin_epoch(EPOCH + number)
        await write(journal, 10)
    now_us += 10**9
    await journal.enforce_retention()
    journal._ledger._window.__init__(10, 10)  # type: ignore[misc]
    found = await journal.read(4)
    assert [(r.pos, r.span, r.epoch, r.seq) for r in found] == [
        (5, 6, EPOCH, 5),
        (11, 10, EPOCH + 1, 1),
        (21, 10, EPOCH + 2, 1),
    ]
    gaps(found)
    await journal.close()
