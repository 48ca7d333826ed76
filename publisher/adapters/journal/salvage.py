"""Opening a journal: the ordinary way, and after its file or its log was damaged.

Strategy: a file whose tables cannot be read is moved aside whole (`<name>.damaged-<UTC time>`, with its
log), and a new one begins. Into the new one go the numbering, the cursors and the collector's state, from
the old file where it still gives them, else from the mark (see mark.py), and every readable chunk that
some cursor still has before it. What had been readable and is not found any more becomes a loss in its
place, so that each reader gets a gap record with the exact count, and no number is given out twice.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from publisher.adapters.journal.chunk import Chunk, unpack
from publisher.adapters.journal.loss import DISK_FULL, JOURNAL_DAMAGED, EpochStart, Loss
from publisher.adapters.journal.mark import Note
from publisher.adapters.journal.read_side import CHUNKS
from publisher.adapters.journal.sqlite_file import DiskRefused, SqliteFile
from publisher.adapters.journal.write_side import (
    Batch,
    Contents,
    WriteSide,
    load_contents,
    load_epochs,
    load_losses,
)
from publisher.errors import JournalDamaged, JournalError

_PARTS: Final = ("", "-wal", "-shm")
_FIRST_SKIP: Final = 64
_LOG_EVERY_BYTES: Final = 32 << 20


@dataclass(slots=True)
class Opened:
    """An open journal file. `alarm`: what went wrong with it before, one sentence or empty.

    `unnumbered` is set when not even the numbering survived.
    """

    write_side: WriteSide
    contents: Contents
    alarm: str = ""
    unnumbered: Loss | None = None


def open_file(path: Path, pbx: str, note: Note, now_us: int, *, power: bool) -> Opened:
    """Open or make the file. Raises `JournalError` when the disk refuses."""
    existed = path.exists() and path.stat().st_size > 0
    write_side: WriteSide | None = None
    try:
        write_side = WriteSide(path, pbx, power=power)
        opened = Opened(write_side, write_side.load())
    except DiskRefused as refused:
        if write_side is not None:
            write_side.close()
        raise JournalError(f"the journal {path} cannot be opened: {refused}") from refused
    except JournalDamaged:
        if write_side is not None:
            write_side.close()
        return _begin_anew(path, pbx, note, now_us, power=power)
    if not existed and note.last_pos:
        opened.alarm = f"the journal {path} was removed; a new one goes on after record {note.last_pos}"
    _close_tail(opened, path, note)
    return opened


def _begin_anew(path: Path, pbx: str, note: Note, now_us: int, *, power: bool) -> Opened:
    aside = move_aside(path)
    alarm = f"the journal {path} was damaged; it was moved to {aside.name} and a new one was started"
    write_side = WriteSide(path, pbx, power=power)
    try:
        contents = _salvaged(aside, write_side, note)
    except BaseException:
        write_side.close()
        raise
    opened = Opened(write_side, contents, alarm)
    _close_tail(opened, path, note)
    if opened.contents.last_pos == 0:
        opened.unnumbered = Loss(0, 0, JOURNAL_DAMAGED, 0, now_us)
    return opened


def move_aside(path: Path) -> Path:
    """Rename a damaged file and its log; its new path."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for part in _PARTS:
        source = path.with_name(path.name + part)
        if source.exists():
            source.rename(aside.with_name(aside.name + part))
    return aside


def _close_tail(opened: Opened, path: Path, note: Note) -> None:
    """Make a loss of what was readable before the end and is not in the file."""
    contents = opened.contents
    if note.held and note.cursors:
        # While the disk refused, the mark alone kept them.
        old, contents.cursors = contents.cursors, dict(note.cursors)
        opened.write_side.commit(
            Batch(cursors=note.cursors, removed=[name for name in old if name not in note.cursors])
        )
    if note.last_pos <= contents.last_pos:
        return
    epochs: list[EpochStart] = []
    if note.epoch > max((start.epoch for start in contents.epochs), default=0):
        epochs.append(EpochStart(note.epoch_pos, note.epoch))
    loss = Loss(
        contents.last_pos + 1,
        note.last_pos,
        DISK_FULL if note.held else JOURNAL_DAMAGED,
        contents.last_us or note.last_us,
        note.last_us,
    )
    contents.epochs += epochs
    contents.losses.append(loss)
    contents.last_pos = note.last_pos
    contents.last_us = note.last_us
    for name, pos in note.cursors.items():
        contents.cursors[name] = max(pos, contents.cursors.get(name, 0))
    count = loss.last_pos - loss.first_pos + 1
    if not opened.alarm:
        why = "they were in memory only, the disk was full" if note.held else "the file's end is missing"
        opened.alarm = f"the last {count} records of the journal {path} are lost: {why}"
    opened.write_side.commit(Batch(losses=[loss], epochs=epochs, cursors=contents.cursors))


def _salvaged(aside: Path, write_side: WriteSide, note: Note) -> Contents:
    try:
        old = SqliteFile(aside, writable=False, tolerant=True)
    except (DiskRefused, JournalDamaged):
        return Contents()
    try:
        contents = _readable_contents(old, note)
        if contents.last_pos == 0:
            return Contents()
        # Up to here every reader is done; the moved file keeps it for a person who wants it.
        done = min(contents.cursors.values(), default=0)
        _copy_chunks(old, write_side, done, contents)
    finally:
        old.close()
    write_side.commit(
        Batch(
            epochs=contents.epochs,
            losses=contents.losses,
            cursors=contents.cursors,
            state=contents.state if contents.state[0] else None,
        )
    )
    return write_side.load()


def _readable_contents(old: SqliteFile, note: Note) -> Contents:
    """What the old file still tells, a table at a time; the mark fills in."""
    try:
        return load_contents(old)
    except (DiskRefused, JournalDamaged, ValueError, TypeError):
        contents = Contents(cursors=dict(note.cursors))
    with suppress(DiskRefused, JournalDamaged, ValueError, TypeError):
        contents.epochs = load_epochs(old)
    with suppress(DiskRefused, JournalDamaged, ValueError, TypeError):
        contents.losses = load_losses(old, (1 << 63) - 1)
    with suppress(DiskRefused, JournalDamaged, ValueError, TypeError):
        contents.cursors |= {str(name): int(pos) for name, pos in old.rows("SELECT * FROM cursor")}
    ends = [loss.last_pos for loss in contents.losses] + [start.first_pos - 1 for start in contents.epochs]
    contents.last_pos = max([note.last_pos, *ends])
    return contents


def _copy_chunks(old: SqliteFile, write_side: WriteSide, done: int, contents: Contents) -> None:
    """Copy the readable chunks after a position; epochs that the old file lost are told by its chunks."""
    epochs = {start.epoch: start.first_pos for start in contents.epochs}
    pos, skip = done, _FIRST_SKIP
    copied_bytes = 0
    while pos < contents.last_pos:
        try:
            for row in old.each(CHUNKS, (pos + 1, contents.last_pos)):
                chunk = Chunk(*row)
                unpack(chunk, 0, 1, 0)
                if chunk.last_pos > pos:
                    write_side.copy_chunk(chunk)
                    epochs.setdefault(chunk.epoch, chunk.first_pos - chunk.first_seq + 1)
                    pos, skip = chunk.last_pos, _FIRST_SKIP
                    copied_bytes += chunk.size
                    if copied_bytes > _LOG_EVERY_BYTES:
                        copied_bytes = 0
                        write_side.bound_log()
            break
        except (JournalDamaged, ValueError, TypeError, LookupError):
            # A page in the way: begin again a little further on, at most some dozens of times.
            pos += skip
            skip *= 2
        except DiskRefused:
            break
    starts = sorted(EpochStart(first_pos, epoch) for epoch, first_pos in epochs.items())
    contents.epochs = [
        start for index, start in enumerate(starts) if index == 0 or start.epoch > starts[index - 1].epoch
    ]
