"""Files that were torn, shortened, overwritten or removed while nobody looked."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from publisher.adapters.journal import JournalSettings, open_journal
from publisher.adapters.journal.mark import MarkFile
from publisher.adapters.journal.sqlite_file import SqliteFile
from publisher.records import EVENT
from tests.journal.numbered import EPOCH, check_whole, gaps, numbered, read_all, write

COUNT = 1500
DONE = 500
SMALL_TAIL = JournalSettings(tail_records=10)


async def crashed_journal(folder: Path, *, checkpointed: bool) -> None:
    """A journal as a kill leaves it: log and file in use, a cursor a third of the way."""
    source = folder / "source"
    journal = await open_journal(source, "main", SMALL_TAIL)
    journal.begin_epoch(EPOCH)
    await write(journal, COUNT, size=300)
    journal.advance("reader", DONE)
    journal.save_state(b"state", COUNT)
    await journal.wait_cursor("reader", DONE)
    if checkpointed:
        journal._checkpointer.run()
        journal.append(numbered(journal, 1))
        await journal.wait_beyond(COUNT)
    shutil.copytree(source, folder / "left")
    await journal.close()


async def check_recovered(folder: Path) -> None:
    """Whatever was lost is announced; nothing is invented, doubled or numbered twice; writing goes on."""
    journal = await open_journal(folder, "main", SMALL_TAIL)
    assert journal.next_pos > COUNT
    assert journal.epoch == EPOCH
    cursor = journal.cursor("reader")
    assert cursor <= DONE
    found = await read_all(journal, cursor)
    check_whole(found, cursor + 1, journal.durable_pos)
    lost = gaps(found)
    assert {cause for _, _, cause, _ in lost} <= {"journal_damaged"}
    if lost:
        assert journal.state.alarm
    last = journal.durable_pos
    await write(journal, 20)
    check_whole(await read_all(journal, last), last + 1, last + 20)
    await journal.close()


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(8))
async def test_a_log_cut_anywhere_loses_only_its_end_and_says_exactly_what(tmp_path: Path, seed: int) -> None:
    await crashed_journal(tmp_path, checkpointed=False)
    log = tmp_path / "left" / "main.journal-wal"
    with log.open("r+b") as file:
        file.truncate(random.Random(seed).randrange(log.stat().st_size))
    await check_recovered(tmp_path / "left")


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(8))
async def test_a_file_cut_anywhere_keeps_the_numbering_and_announces_the_rest(
    tmp_path: Path, seed: int
) -> None:
    await crashed_journal(tmp_path, checkpointed=True)
    main = tmp_path / "left" / "main.journal"
    with main.open("r+b") as file:
        file.truncate(random.Random(seed).randrange(main.stat().st_size))
    if seed % 2:
        (tmp_path / "left" / "main.journal-wal").unlink()
    await check_recovered(tmp_path / "left")


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(30))
async def test_changed_bytes_are_never_delivered_as_events(tmp_path: Path, seed: int) -> None:
    await crashed_journal(tmp_path, checkpointed=True)
    rng = random.Random(seed)
    main = tmp_path / "left" / "main.journal"
    content = bytearray(main.read_bytes())
    for _ in range(rng.choice((1, 5, 50))):
        # Often near the beginning, where the tables are described and rooted.
        where = rng.randrange(len(content)) if rng.random() < 0.6 else rng.randrange(40_000)
        content[where] = rng.randrange(256)
    main.write_bytes(content)
    await check_recovered(tmp_path / "left")


async def test_a_file_of_rubbish_is_moved_aside_and_the_numbers_go_on_from_the_mark(tmp_path: Path) -> None:
    await crashed_journal(tmp_path, checkpointed=True)
    left = tmp_path / "left"
    (left / "main.journal-wal").unlink()
    (left / "main.journal").write_bytes(b"rubbish " * 10_000)
    journal = await open_journal(left, "main")
    assert "was moved to main.journal.damaged-" in journal.state.alarm
    assert (journal.next_pos, journal.epoch, journal.cursor("reader")) == (COUNT + 2, EPOCH, DONE)
    assert journal.opening_loss is None
    assert gaps(await read_all(journal, DONE)) == [
        (DONE + 1, COUNT + 1 - DONE, "journal_damaged", COUNT + 1 - DONE)
    ]
    await journal.close()
    assert next(left.glob("main.journal.damaged-*Z")).read_bytes().startswith(b"rubbish")
    # It was announced once; the next opening is an ordinary one.
    journal = await open_journal(left, "main")
    assert journal.state.alarm == ""
    await journal.close()


async def test_without_file_and_mark_the_loss_is_handed_to_the_collector(tmp_path: Path) -> None:
    await crashed_journal(tmp_path, checkpointed=False)
    left = tmp_path / "left"
    (left / "main.journal").write_bytes(b"rubbish " * 10_000)
    (left / "main.journal-wal").unlink()
    (left / "main.journal.lock").unlink()
    journal = await open_journal(left, "main")
    assert journal.opening_loss is not None
    assert journal.opening_loss.cause == "journal_damaged"
    assert (journal.next_pos, journal.epoch) == (1, 0)
    await journal.close()


async def test_readable_records_of_a_file_with_a_broken_table_are_taken_over(tmp_path: Path) -> None:
    await crashed_journal(tmp_path, checkpointed=True)
    left = tmp_path / "left"
    page = 4096
    content = bytearray((left / "main.journal").read_bytes())
    # Cut the last tenth: SQLite refuses the file as a whole, most pages are still good.
    (left / "main.journal").write_bytes(content[: len(content) * 9 // 10 // page * page])
    (left / "main.journal-wal").unlink()
    journal = await open_journal(left, "main")
    found = await read_all(journal, DONE)
    check_whole(found, DONE + 1, COUNT + 1)
    assert sum(record.kind == EVENT for record in found) > (COUNT - DONE) // 2
    assert gaps(found)
    await journal.close()


@pytest.mark.faults
async def test_a_file_that_breaks_while_it_is_written_is_replaced_and_nothing_in_memory_is_lost(
    tmp_path: Path,
) -> None:
    journal = await open_journal(tmp_path, "main", JournalSettings(tail_records=500, tail_bytes=1 << 30))
    journal.begin_epoch(EPOCH)
    await write(journal, COUNT)
    journal.advance("reader", DONE)
    journal.save_state(b"state", COUNT)
    await journal.wait_cursor("reader", DONE)
    # Another program in our place: the next commit finds no table to write to.
    other = SqliteFile(tmp_path / "main.journal", writable=True)
    other.run_script("DROP VIEW group_commit; DROP TABLE chunk;")
    other.close()
    await write(journal, 100)
    assert "was moved to main.journal.damaged-" in journal.state.alarm
    first = journal.first_pos
    assert COUNT - 700 < first < COUNT - 300
    found = await read_all(journal, DONE)
    check_whole(found, DONE + 1, COUNT + 100)
    assert gaps(found) == [(DONE + 1, first - DONE - 1, "journal_damaged", first - DONE - 1)]
    await journal.close()
    journal = await open_journal(tmp_path, "main")
    assert journal.cursors() == {"reader": DONE}
    assert journal.load_state() == (b"state", COUNT)
    assert journal.epoch == EPOCH
    check_whole(await read_all(journal, first - 1), first, COUNT + 100)
    await journal.close()


def test_a_mark_with_a_changed_byte_counts_as_none(tmp_path: Path) -> None:
    mark = MarkFile.lock(tmp_path / "x.lock")
    assert mark.read().last_pos == 0
    note = mark.read()
    note.last_pos, note.cursors = 7, {"a": 3}
    assert mark.write(note)
    assert mark.read() == note
    for where in range(20):
        content = bytearray((tmp_path / "x.lock").read_bytes())
        content[where] ^= 0x40
        (tmp_path / "y.lock").write_bytes(content)
        other = MarkFile.lock(tmp_path / "y.lock")
        assert other.read().last_pos == 0
        other.close()
    note.cursors = {f"binding:{number}": number for number in range(5000)}
    assert mark.write(note)
    assert (mark.read().last_pos, mark.read().cursors) == (7, {})
    mark.close()
