"""The writing process is killed with SIGKILL at random points; what it was told must be true."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from publisher.adapters.journal import SqliteJournal, open_journal
from publisher.records import EVENT
from tests.journal.numbered import gaps, read_all

ROOT = Path(__file__).parents[2]
ROUNDS = 30


async def run_and_kill(folder: Path, seed: int, after_lines: int) -> tuple[int, int, int]:
    """Run the writer until it has said so many lines, kill it; the last whole line it said."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.journal.writer_child",
        str(folder),
        str(seed),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    told = b"0 0 0"
    for _ in range(after_lines):
        line = await asyncio.wait_for(child.stdout.readline(), 60)
        assert line.endswith(b"\n"), "the writer ended by itself"
        told = line
    child.kill()
    for line in (await child.stdout.read()).splitlines(keepends=True):
        if line.endswith(b"\n"):
            told = line
    await child.wait()
    durable, cursor, epoch = map(int, told.split())
    return durable, cursor, epoch


async def check(journal: SqliteJournal, told: tuple[int, int, int]) -> None:
    durable, cursor, epoch = told
    assert not journal.state.alarm
    assert journal.opening_loss is None
    assert journal.durable_pos >= durable
    assert journal.durable_pos >= journal.cursor("forwarder") >= cursor
    assert journal.epoch >= epoch
    state, pos = journal.load_state()
    assert state == (b"state %d" % pos if pos else b"")
    assert pos <= journal.durable_pos
    expected = 1
    seq_of: dict[int, int] = {}
    records = await read_all(journal)
    for record in records:
        assert record.pos == expected
        expected += record.span
        if record.kind == EVENT:
            assert b"Position: %d\r\n" % record.pos in record.raw
        if record.epoch:
            assert record.seq == seq_of.get(record.epoch, 1)
            seq_of[record.epoch] = record.seq + record.span
    assert expected == journal.next_pos
    # Retention may have taken the beginning, and nothing else may be missing.
    lost = gaps(records)
    assert all(cause == "retention" and count == span for _, span, cause, count in lost)
    assert sum(span for _, span, _, _ in lost) == journal.first_pos - 1


@pytest.mark.faults
async def test_what_was_told_durable_before_a_kill_is_there_after_it_without_holes_or_doubles(
    tmp_path: Path,
) -> None:
    rng = random.Random(20)
    for seed in range(ROUNDS):
        told = await run_and_kill(tmp_path, seed, rng.choice((1, 2, 5, 20, 60)))
        journal = await open_journal(tmp_path, "main")
        await check(journal, told)
        # Every other time the next writer finds the file as the kill left it, not closed in good order.
        if seed % 2:
            await journal.close()
        else:
            journal._retention.cancel()
            await journal._disk.close()
            journal._writer._mark.close()
