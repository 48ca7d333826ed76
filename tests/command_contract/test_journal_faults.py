"""The command journal and the audit on a full disk, in a process that is killed, beyond their bounds."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.adapters.audit_file import AuditFile
from publisher.errors import CommandJournalError
from schemas.reply import State
from tests.command_contract.harness import final_of
from tests.command_contract.journal_harness import AUDIT, SqliteJournalHarness, lines
from tests.journal.small_disk import SmallDisk, small_disk
from tests.services.server_process import wait_until

ROOT = Path(__file__).parents[2]
ROUNDS = 6


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, 4 << 20) as made:
        yield made


async def killed_child(folder: Path, number: int, after: int) -> list[str]:
    """Run one, kill it after so many lines; what it told as sent."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.command_contract.sender_child", str(folder), str(number)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    told = b""
    for _ in range(after):
        line = await asyncio.wait_for(child.stdout.readline(), 60)
        assert line, "the child ended by itself"
        told += line
    child.kill()
    told += await child.stdout.read()
    await child.wait()
    return told[: told.rfind(b"\n") + 1].decode().split()


@pytest.mark.faults
async def test_what_was_noted_as_sent_is_there_after_a_kill_and_cannot_be_noted_again(tmp_path: Path) -> None:
    chance, told = random.Random(4), []
    for number in range(ROUNDS):
        told += await killed_child(tmp_path, number, chance.choice((1, 2, 7, 30, 80)))
        kept = SqliteJournalHarness(tmp_path)
        await kept.open()
        known = await kept.journal.known(told)
        assert set(known) == set(told)
        assert all(one is not None for one in await kept.journal.note_sent(lines(told)))
        audited = [json.loads(line) for line in kept.audit()]
        assert {one["sent"] for one in audited if "sent" in one} >= set(told)
        await kept.close()


@pytest.mark.faults
async def test_on_a_full_disk_nothing_is_noted_and_after_it_everything_again(disk: SmallDisk) -> None:
    kept = SqliteJournalHarness(disk.folder)
    await kept.open()
    await kept.journal.note_sent(lines(["before"]), [b'{"sent":"before"}'])
    disk.fill()
    refused, sentences = [], []
    for number in range(200):
        id = f"full-{number}"
        try:
            line = json.dumps({"sent": id, "fields": "x" * 500}).encode()
            assert await kept.journal.note_sent(lines([id], body=b"x" * 5_000), [line]) == [None]
        except CommandJournalError as error:
            sentences.append(str(error))
            refused.append(id)
    assert not any("\n" in sentence for sentence in sentences)
    assert len(refused) > 100
    assert await kept.journal.known(refused) == {}
    with pytest.raises(CommandJournalError):
        await kept.journal.note_finals([final_of("before", b"x" * 50_000)])
    assert [one.id for one in await kept.journal.unfinished() if one.id in refused] == []
    # Nothing of what was refused stands in the audit either, however often it was tried.
    audited = [json.loads(line)["sent"] for line in kept.audit()]
    assert len(audited) == len(set(audited))
    assert not set(audited) & set(refused)
    disk.free()
    assert await kept.journal.note_sent(lines(["after"]), [b'{"sent":"after"}']) == [None]
    await kept.journal.note_finals([final_of("before")], [b'{"sent":"ended"}'])
    await kept.reopen()
    assert (await kept.journal.known(["before"]))["before"].state == "succeeded"
    assert [json.loads(line)["sent"] for line in kept.audit()] == [*audited, "after", "ended"]
    assert (await kept.journal.note_sent(lines(refused[:1])))[0] is None
    await kept.close()


@pytest.mark.faults
def test_lines_that_a_full_disk_refused_stand_nowhere_and_those_it_took_stand_once(disk: SmallDisk) -> None:
    audit = AuditFile(disk.folder / AUDIT, 3 << 20, 3)
    chance, taken, number = random.Random(2), [], 0
    for _ in range(4):
        disk.fill()
        refusals = 0
        while refusals < 30:
            batch = [
                json.dumps({"number": number + index, "text": "x" * chance.randrange(3_000)}).encode()
                for index in range(chance.choice((1, 1, 64)))
            ]
            number += len(batch)
            try:
                audit.write(batch)
                taken += batch
            except CommandJournalError:
                refusals += 1
        disk.free()
        audit.write([b'{"number":"after"}'])
        taken.append(b'{"number":"after"}')
    audit.close()
    assert written(disk.folder) == taken


def written(folder: Path) -> list[bytes]:
    """All lines of the audit, oldest first."""
    paths = sorted(folder.glob(f"{AUDIT}.*"), key=lambda path: -int(path.suffix[1:]))
    return [line for path in (*paths, folder / AUDIT) for line in path.read_bytes().splitlines()]


def test_half_a_line_that_a_power_cut_left_is_ended_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / AUDIT
    for left in (b'{"who', b'{"whole":1}\n', b""):
        path.write_bytes(left)
        audit = AuditFile(path, 1 << 20, 3)
        audit.write([b'{"next":1}', b'{"next":2}'])
        audit.close()
        assert path.read_bytes().split(b"\n")[-3:] == [b'{"next":1}', b'{"next":2}', b""]
        assert path.read_bytes().count(b"\n") == 2 + bool(left)


def test_the_audit_begins_a_new_file_when_it_is_full_and_keeps_so_many_old_ones(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / AUDIT, 1_000, 2)
    for number in range(100):
        audit.write([b"%03d" % number + b"x" * 96])
    audit.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [AUDIT, f"{AUDIT}.1", f"{AUDIT}.2"]
    assert [int(line[:3]) for line in written(tmp_path)] == list(range(70, 100))
    assert all(path.stat().st_size == 1_000 for path in tmp_path.iterdir())
    # One that is longer than a file may be has a file of its own.
    audit.write([b"y" * 5_000])
    audit.write([b"z"])
    audit.close()
    assert [len(line) for line in written(tmp_path)[-2:]] == [5_000, 1]


def test_an_audit_that_others_moved_or_emptied_goes_on(tmp_path: Path) -> None:
    path = tmp_path / AUDIT
    audit = AuditFile(path, 1_000, 2)
    audit.write([b"a" * 500])
    os.truncate(path, 0)
    audit.write([b"b" * 700])
    audit.take_back()
    audit.write([b"c"])
    audit.close()
    assert path.read_bytes() == b"c\n"


def modes_in(folder: Path) -> dict[str, int]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}


async def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        kept = SqliteJournalHarness(tmp_path)
        await kept.open()
        await kept.journal.note_sent(lines(["a"]), [b"{}"])
        modes = modes_in(tmp_path)
        await kept.close()
    finally:
        os.umask(before)
    assert {"main.commands", "main.commands-wal", "main.commands-shm", AUDIT} <= set(modes)
    assert set(modes.values()) == {0o600}, modes


async def test_what_is_over_goes_after_its_time_and_what_is_not_stays(tmp_path: Path) -> None:
    kept = SqliteJournalHarness(tmp_path)
    await kept.open()
    await kept.journal.note_sent(lines(["over", "unfinished"]))
    await kept.journal.note_finals([final_of("over"), final_of("rejected")])
    await kept.close()
    await kept.open(keep_secs=0.0)
    await kept.journal.note_finals([])
    assert set(await kept.journal.known(["over", "rejected", "unfinished"])) == {"unfinished"}
    await kept.close()


async def test_beyond_the_most_rows_the_oldest_that_are_over_go(tmp_path: Path) -> None:
    kept = SqliteJournalHarness(tmp_path)
    await kept.open()
    ids = [f"{number}" for number in range(30)]
    await kept.journal.note_sent(lines(["unfinished"]))
    for id in ids:
        await kept.journal.note_sent(lines([id]))
        await kept.journal.note_finals([final_of(id)])
    await kept.close()
    await kept.open(max_rows=10)
    await kept.journal.note_finals([])
    assert set(await kept.journal.known([*ids, "unfinished"])) == {*ids[21:], "unfinished"}
    await kept.close()


async def test_what_was_never_sent_has_a_tenth_of_the_rows_and_pushes_out_nothing_else(
    tmp_path: Path,
) -> None:
    kept = SqliteJournalHarness(tmp_path)
    await kept.open()
    sent = [f"sent-{number}" for number in range(10)]
    await kept.journal.note_sent(lines(sent))
    await kept.journal.note_finals([final_of(id) for id in sent])
    refused = [f"refused-{number}" for number in range(30)]
    for id in refused:
        await kept.journal.note_finals([final_of(id, state=State.REJECTED)])
    await kept.close()
    await kept.open(max_rows=40)
    await kept.journal.note_finals([])
    assert set(await kept.journal.known([*sent, *refused])) == {*sent, *refused[-4:]}
    await kept.close()


async def test_the_space_of_what_went_is_given_back(tmp_path: Path) -> None:
    kept = SqliteJournalHarness(tmp_path)
    await kept.open()
    for number in range(20):
        await kept.journal.note_finals([final_of(f"{number}-{index}", b"x" * 2_000) for index in range(50)])
    await kept.close()
    full = kept.path.stat().st_size
    await kept.open(keep_secs=0.0)
    await kept.journal.note_finals([])
    await kept.close()
    assert kept.path.stat().st_size < full / 4


def no_writer_left() -> bool:
    return not any(thread.name.startswith("command-write") for thread in threading.enumerate())


async def test_a_damaged_file_is_an_error_of_the_journal(tmp_path: Path) -> None:
    kept = SqliteJournalHarness(tmp_path)
    await kept.open()
    await kept.journal.note_sent(lines([f"{number}" for number in range(500)], body=b"x" * 100))
    await kept.close()
    data = bytearray(kept.path.read_bytes())
    # The first pages hold what is read when it is opened.
    for start in range(8 * 4096, len(data), 4096):
        data[start : start + 2_000] = b"\xff" * 2_000
    kept.path.write_bytes(data)
    await kept.open()
    with pytest.raises(CommandJournalError, match="damaged"):
        await kept.journal.unfinished()
    await kept.close()
    kept.path.write_bytes(b"not a journal" * 1_000)
    with pytest.raises(CommandJournalError):
        await kept.open()
    # Whoever tries again and again to open it leaves nothing behind.
    await asyncio.to_thread(wait_until, no_writer_left, 10, "the end of the threads")


async def test_a_cancelled_caller_does_not_stop_what_is_being_noted(tmp_path: Path) -> None:
    kept = SqliteJournalHarness(tmp_path)
    await kept.open()
    for number in range(20):
        noting = asyncio.create_task(kept.journal.note_sent(lines([f"{number}"])))
        await asyncio.sleep(0)
        noting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await noting
    assert len(await kept.journal.unfinished()) == 20
    await kept.close()
    with sqlite3.connect(kept.path) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()
