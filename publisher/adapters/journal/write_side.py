"""The writing connection of a journal: commits, checkpoints, retention. Used by the writer thread alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Final

from publisher.adapters.journal.chunk import Chunk, pack, split
from publisher.adapters.journal.loss import RETENTION, EpochStart, Loss
from publisher.adapters.journal.sqlite_file import SqliteFile
from publisher.errors import JournalDamaged
from publisher.records import Record

LAYOUT: Final = "1"
_LOG_LIMIT_BYTES: Final = 32 << 20
_RETENTION_STEP_CHUNKS: Final = 256
_RETENTION_STEP_BYTES: Final = 8 << 20
_EPOCHS_KEPT: Final = 1000
_FREE_PAGES_KEPT: Final = 4096
_VACUUM_STEP_PAGES: Final = 512

_COMMIT: Final = "INSERT INTO group_commit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CHUNK: Final = "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NO_CHUNK: Final = (None,) * 10


@dataclass(slots=True)
class Batch:
    """What one group commit writes, all or nothing. `state` is (data, position).

    `afresh_after`: delete chunks beyond this position first; set when an earlier try failed and may
    have left something.
    """

    records: Sequence[Record] = ()
    cursors: Mapping[str, int] = field(default_factory=dict)
    removed: Sequence[str] = ()
    state: tuple[bytes, int] | None = None
    epochs: Sequence[EpochStart] = ()
    losses: Sequence[Loss] = ()
    afresh_after: int | None = None


@dataclass(slots=True)
class Contents:
    """What a journal file holds beside its records. `first_pos`: of the oldest record that is kept."""

    first_pos: int = 1
    last_pos: int = 0
    last_us: int = 0
    epochs: list[EpochStart] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)
    state: tuple[bytes, int] = (b"", 0)


class WriteSide:
    """Raises `DiskRefused` and `JournalDamaged` from every method."""

    def __init__(self, path: Path, pbx: str, *, power: bool) -> None:
        """Open, or make, the file."""
        self._file = SqliteFile(path, writable=True, power=power)
        self._log = path.with_name(path.name + "-wal")
        try:
            if not self._file.value("SELECT count(*) FROM sqlite_master"):
                self._create(pbx)
            layout = self._file.value("SELECT value FROM meta WHERE key = 'layout'")
            if layout != LAYOUT:
                raise JournalDamaged(f"the journal {path} has layout {layout!r}, this version reads {LAYOUT}")
        except BaseException:
            self._file.close()
            raise

    def _create(self, pbx: str) -> None:
        script = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
        # In one transaction with the mark of its layout: a crash leaves an empty file or a whole one.
        name = pbx.replace("'", "''")
        meta = f"INSERT INTO meta VALUES ('layout', '{LAYOUT}'), ('pbx', '{name}');"
        self._file.run_script(f"BEGIN IMMEDIATE;\n{script}\n{meta}\nCOMMIT;")

    def load(self) -> Contents:
        """Everything but the records. Raises `JournalDamaged` where it makes no sense."""
        return load_contents(self._file)

    def commit(self, batch: Batch) -> None:
        """Write a batch; when it returns, the batch survives what the durability promises."""
        plain = not (batch.epochs or batch.losses or batch.afresh_after is not None)
        parts = list(split(batch.records))
        if plain and len(parts) <= 1:
            chunk = pack(parts[0]) if parts else None
            if chunk and not (batch.cursors or batch.removed or batch.state):
                self._file.run(_CHUNK, chunk)
            else:
                self._insert(chunk, batch)
            return
        chunks = [pack(part) for part in parts]
        with self._file.transaction():
            if batch.afresh_after is not None:
                self._file.run("DELETE FROM chunk WHERE first_pos > ?", (batch.afresh_after,))
            self._file.run_each(
                "INSERT OR REPLACE INTO epoch VALUES (?, ?)",
                [(start.first_pos, start.epoch) for start in batch.epochs],
            )
            self._put_losses(batch.losses)
            self._file.run_each(_CHUNK, chunks)
            self._insert(None, batch)

    def _insert(self, chunk: Chunk | None, batch: Batch) -> None:
        data, pos = batch.state or (None, None)
        self._file.run(
            _COMMIT,
            (*(chunk or _NO_CHUNK), json.dumps(batch.cursors), json.dumps(batch.removed), pos, data),
        )

    def _put_losses(self, losses: Sequence[Loss]) -> None:
        self._file.run_each(
            "INSERT OR REPLACE INTO loss VALUES (?, ?, ?, ?, ?)",
            [(loss.first_pos, loss.last_pos, loss.cause, loss.from_us, loss.to_us) for loss in losses],
        )

    def copy_chunk(self, chunk: Chunk) -> None:
        """Take over a chunk from a damaged file."""
        self._file.run(_CHUNK, chunk)

    @property
    def log_bytes(self) -> int:
        """Size of the write-ahead log."""
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

    def bound_log(self) -> None:
        """Start the log anew when it is above 32 MiB; waits at most 0.1 s for readers.

        Another program that keeps a read transaction open can hold it back; it is tried again later.
        """
        if self.log_bytes > _LOG_LIMIT_BYTES:
            self._file.set_busy_timeout(0.1)
            try:
                self._file.checkpoint("TRUNCATE")
            finally:
                self._file.set_busy_timeout(5.0)

    def bytes_used(self) -> int:
        """Bytes that hold something, in file and log."""
        page_size = int(self._file.value("PRAGMA page_size"))
        pages = int(self._file.value("PRAGMA page_count")) - int(self._file.value("PRAGMA freelist_count"))
        return pages * page_size

    def forget(self, before_us: int, keep_bytes: int) -> Loss | None:
        """One small step of retention: delete the oldest chunks that are too old or too much.

        Returns the whole loss that stands at the journal's beginning now, or None when nothing had to go.
        Freed pages are used again; beyond 16 MiB of them the file is shortened, a little a step.
        """
        excess = self.bytes_used() - keep_bytes
        doomed: list[tuple[int, int, int, int]] = []
        freed = 0
        for first_pos, last_pos, first_us, last_us, size in self._file.rows(
            "SELECT first_pos, last_pos, first_us, last_us, bytes FROM chunk ORDER BY first_pos LIMIT ?",
            (_RETENTION_STEP_CHUNKS,),
        ):
            if freed >= _RETENTION_STEP_BYTES or not (last_us < before_us or freed < excess):
                break
            doomed.append((first_pos, last_pos, first_us, last_us))
            freed += size
        loss = self._delete(doomed) if doomed else None
        free_pages = int(self._file.value("PRAGMA freelist_count"))
        if free_pages > _FREE_PAGES_KEPT:
            # As a script: that runs the statement to its end, where `execute` would free a single page.
            self._file.run_script(f"PRAGMA incremental_vacuum({min(_VACUUM_STEP_PAGES, free_pages)})")
        return loss

    def _delete(self, doomed: Sequence[tuple[int, int, int, int]]) -> Loss:
        last_pos = doomed[-1][1]
        with self._file.transaction():
            earlier = load_losses(self._file, last_pos)
            loss = Loss(
                min([doomed[0][0], *[known.first_pos for known in earlier]]),
                last_pos,
                RETENTION,
                min([doomed[0][2], *[known.from_us for known in earlier]]),
                max(row[3] for row in doomed),
            )
            self._file.run("DELETE FROM chunk WHERE first_pos <= ?", (doomed[-1][0],))
            self._file.run("DELETE FROM loss WHERE first_pos <= ?", (last_pos,))
            self._put_losses([loss])
            # Numbers far in the past lose their epoch; a reader that old gets one gap without numbers.
            self._file.run(
                "DELETE FROM epoch WHERE first_pos < (SELECT first_pos FROM epoch WHERE first_pos <= ?"
                " ORDER BY first_pos DESC LIMIT 1 OFFSET ?)",
                (last_pos, _EPOCHS_KEPT),
            )
        return loss

    def close(self) -> None:
        self._file.close()


def load_losses(file: SqliteFile, upto: int) -> list[Loss]:
    """The losses that begin at or before a position, in order."""
    rows = file.rows(
        "SELECT first_pos, last_pos, cause, from_us, to_us FROM loss WHERE first_pos <= ? ORDER BY first_pos",
        (upto,),
    )
    if not all(_whole(row[:2]) and _whole(row[3:]) and isinstance(row[2], str) for row in rows):
        raise JournalDamaged(f"the journal {file.path} is damaged (losses that make no sense)")
    return [Loss(*row) for row in rows]


def _whole(values: Sequence[object]) -> bool:
    return all(isinstance(value, int) for value in values)


def load_epochs(file: SqliteFile) -> list[EpochStart]:
    """The known epochs, in order. Raises `JournalDamaged` where they do not grow."""
    rows = file.rows("SELECT first_pos, epoch FROM epoch ORDER BY first_pos")
    if not all(map(_whole, rows)):
        raise JournalDamaged(f"the journal {file.path} is damaged (epochs that make no sense)")
    epochs = [EpochStart(*row) for row in rows]
    for earlier, later in pairwise(epochs):
        if later.epoch <= earlier.epoch:
            raise JournalDamaged(f"the journal {file.path} is damaged (epochs out of order)")
    return epochs


def load_contents(file: SqliteFile) -> Contents:
    """Everything but the records, checked for sense."""
    contents = Contents(epochs=load_epochs(file), losses=load_losses(file, (1 << 63) - 1))
    last = file.rows("SELECT * FROM chunk ORDER BY first_pos DESC LIMIT 1")
    ends = [loss.last_pos for loss in contents.losses] + [start.first_pos - 1 for start in contents.epochs]
    if last:
        chunk = Chunk(*last[0])
        if not _whole(chunk[:8]) or chunk.last_pos < chunk.first_pos:
            raise JournalDamaged(f"the journal {file.path} is damaged (records that make no sense)")
        ends.append(chunk.last_pos)
        contents.last_us = chunk.last_us
    contents.last_pos = max(ends, default=0)
    contents.first_pos = file.value("SELECT min(first_pos) FROM chunk") or contents.last_pos + 1
    cursors = file.rows("SELECT * FROM cursor")
    if not all(isinstance(name, str) and isinstance(pos, int) for name, pos in cursors):
        raise JournalDamaged(f"the journal {file.path} is damaged (cursors that make no sense)")
    contents.cursors = {name: max(0, min(pos, contents.last_pos)) for name, pos in cursors}
    state = file.rows("SELECT data, pos FROM state")
    if state:
        if not isinstance(state[0][0], bytes) or not _whole(state[0][1:]):
            raise JournalDamaged(f"the journal {file.path} is damaged (a state that makes no sense)")
        contents.state = (state[0][0], state[0][1])
    return contents
