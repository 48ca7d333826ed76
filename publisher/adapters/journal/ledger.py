"""The ledger: which of a journal's records, cursors and losses are on disk, readable, or neither yet.

Strategy: everything that was appended stands in the window; three positions cut it. Up to `committed_pos`
records are on disk; up to `readable_pos` they may be read (while the disk refuses that is ahead of
`committed_pos`); up to `end_pos` they were appended. `collect` makes the next batch, `written` and
`refused` take its outcome. No threads, no clock, no event loop here.

Bounds: records that are not on disk cost at most `memory_limit_bytes` (raw bytes and 300 bytes each). Past
that the oldest of them are dropped, a sixteenth of the limit at a time: the newest are worth more to the
people who follow calls, and what the running readers have had already goes first. Dropped positions become
one loss, so one gap record for each epoch, in their place. A batch that is being written is never dropped.

Invariants: committed_pos <= readable_pos <= end_pos. A position is in the window, on disk, or in a loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from publisher.adapters.journal.loss import (
    DISK_FULL,
    DISK_SLOW,
    JOURNAL_DAMAGED,
    EpochStart,
    Loss,
    gap_records,
    joined,
)
from publisher.adapters.journal.mark import Note
from publisher.adapters.journal.settings import JournalSettings
from publisher.adapters.journal.window import Window, cost
from publisher.adapters.journal.write_side import Batch, Contents
from publisher.records import Record

MAX_BATCH_RECORDS: Final = 8192
MAX_BATCH_BYTES: Final = 4 << 20


class Ledger:
    """See the module."""

    def __init__(self, pbx: str, contents: Contents, settings: JournalSettings) -> None:
        self.pbx = pbx
        self.committed_pos = self.readable_pos = self.end_pos = contents.last_pos
        self.first_pos = contents.first_pos
        self.last_us = contents.last_us
        self.epochs = list(contents.epochs)
        self.cursors = dict(contents.cursors)
        self.durable_cursors = dict(contents.cursors)
        self.state = contents.state
        self.held_bytes = 0
        self._limit = settings.memory_limit_bytes
        self._window = Window(settings.tail_records, settings.tail_bytes)
        self._losses: list[Loss] = []
        self._epoch_written = self.epoch.epoch
        self._state_written = True
        self._moved: set[str] = set()
        self._removed: set[str] = set()
        # Whether a cursor moved or went since the last note: the file may have to wait for it much longer.
        self._cursors_unnoted = False
        self._batch_end = 0
        self._afresh = False
        self._refusing = False

    @property
    def epoch(self) -> EpochStart:
        """The current epoch; zeros before the first."""
        return self.epochs[-1] if self.epochs else EpochStart(0, 0)

    @property
    def records_in_memory(self) -> int:
        return len(self._window)

    @property
    def waiting(self) -> int:
        """How many positions are not readable yet."""
        return self.end_pos - self.readable_pos

    @property
    def unnoted(self) -> bool:
        """Whether there is news for readers: records to show, cursors to keep."""
        return self.end_pos > self.readable_pos or self._cursors_unnoted

    @property
    def unwritten(self) -> bool:
        """Whether there is anything that the file does not have."""
        return bool(
            self.end_pos > self.committed_pos
            or self._moved
            or self._removed
            or not self._state_written
            or self._epoch_written < self.epoch.epoch
        )

    def begin_epoch(self, epoch: int) -> None:
        if epoch <= self.epoch.epoch:
            raise ValueError(f"epoch {epoch} does not follow epoch {self.epoch.epoch}")
        start = EpochStart(self.end_pos + 1, epoch)
        if self.epochs and self.epoch.first_pos == start.first_pos:
            self.epochs.pop()
        self.epochs.append(start)

    def append(self, records: Sequence[Record]) -> None:
        """Raises `ValueError` when the records do not go on where the journal ends."""
        first = records[0]
        epoch_pos, epoch = self.epoch.first_pos, self.epoch.epoch
        if not epoch or first.epoch != epoch or first.seq != first.pos - epoch_pos + 1:
            raise ValueError(
                f"record {first.pos} has epoch {first.epoch} and seq {first.seq}; "
                f"the journal is at epoch {epoch} and seq {self.end_pos - epoch_pos + 2}"
            )
        pos = self.end_pos + 1
        for record in records:
            if record.pos != pos:
                raise ValueError(f"record {record.pos} does not follow {pos - 1}")
            pos += record.span
        added = cost(records)
        self.end_pos = pos - 1
        self.last_us = records[-1].received_us
        self.held_bytes += added
        self._window.extend(records, added)
        self._window.trim(self.committed_pos)
        if self.held_bytes > self._limit:
            self._drop()

    def _drop(self) -> None:
        excess = self.held_bytes - self._limit + self._limit // 16
        dropped = self._window.drop_oldest(max(self.committed_pos, self._batch_end), excess)
        if not dropped:
            return
        self.held_bytes -= cost(dropped)
        first, last = dropped[0], dropped[-1]
        times = [record.received_us for record in dropped]
        cause = DISK_FULL if self._refusing else DISK_SLOW
        loss = Loss(first.pos, last.pos + last.span - 1, cause, min(times), max(times))
        self._losses = joined(self._losses, loss)

    def collect(self, *, to_disk: bool) -> tuple[Batch, Note]:
        """The next batch, and the note that goes with it.

        With `to_disk` false the batch stays empty and the note covers all that was appended.
        """
        self._cursors_unnoted = False
        if not to_disk:
            return Batch(), self._note(self.end_pos)
        start, losses = self.committed_pos, []
        while (loss := self._loss_at(start + 1)) is not None:
            losses.append(loss)
            start = loss.last_pos
        records = self._window.after(start, self._before_loss(start), MAX_BATCH_RECORDS, MAX_BATCH_BYTES)
        end = records[-1].pos + records[-1].span - 1 if records else start
        epochs: list[EpochStart] = []
        if self._epoch_written < self.epoch.epoch:
            epochs = [e for e in self.epochs if e.epoch > self._epoch_written and e.first_pos <= end + 1]
        batch = Batch(
            records,
            {name: self.cursors[name] for name in self._moved},
            list(self._removed),
            self.state if not self._state_written and self.state[1] <= end else None,
            epochs,
            losses,
            self.committed_pos if self._afresh else None,
        )
        self._moved = set()
        self._removed = set()
        self._batch_end = end
        return batch, self._note(max(end, self.readable_pos))

    def collect_all(self) -> tuple[Batch, Note]:
        """After the file was damaged: all that is known, for a new file; the records follow in batches."""
        start = self._window.first_pos
        lost_to = start - 1 if start else self.end_pos
        self.committed_pos = min(self.committed_pos, lost_to)
        self.held_bytes = self._window.bytes
        self._epoch_written = 0
        self._moved = set(self.cursors)
        self._removed = set()
        self._state_written = not self.state[0]
        self._losses = [known for known in self._losses if known.last_pos > lost_to]
        if lost_to:
            from_us = self.epochs[0].epoch * 1000 if self.epochs else self.last_us
            self._losses.insert(0, Loss(1, lost_to, JOURNAL_DAMAGED, from_us, self.last_us))
        self.committed_pos = 0
        self.first_pos = lost_to + 1
        self._afresh = False
        return self.collect(to_disk=True)

    def written(self, batch: Batch, note: Note) -> None:
        """The batch is on disk."""
        self.held_bytes -= cost(batch.records)
        self.committed_pos = self._batch_end
        self._epoch_written = max([self._epoch_written, *[known.epoch for known in batch.epochs]])
        if batch.state is not None and batch.state == self.state:
            self._state_written = True
        self._afresh = False
        self._refusing = False
        self._noted(note)
        self._window.trim(self.committed_pos)
        if self._losses:
            kept_from = self._window.first_pos or self.end_pos + 1
            self._losses = [
                loss for loss in self._losses if loss.last_pos > min(self.committed_pos, kept_from)
            ]

    def refused(self, batch: Batch, note: Note) -> None:
        """The batch is not on disk, but the mark is written: the records may be read from memory."""
        self._moved |= batch.cursors.keys() & self.cursors.keys()
        self._removed |= set(batch.removed) - self.cursors.keys()
        self._afresh = True
        self._refusing = True
        self._noted(note)
        self._drop_excess()

    def noted(self, note: Note) -> None:
        """The mark alone is written."""
        self._noted(note)
        self._drop_excess()

    def _noted(self, note: Note) -> None:
        self._batch_end = 0
        self.readable_pos = max(self.readable_pos, note.last_pos)
        self.durable_cursors = {name: pos for name, pos in note.cursors.items() if name in self.cursors}

    def _drop_excess(self) -> None:
        if self.held_bytes > self._limit:
            self._drop()

    def _note(self, last_pos: int) -> Note:
        return Note(
            last_pos,
            self.epoch.epoch,
            self.epoch.first_pos,
            self.last_us,
            last_pos > self._batch_end,
            dict(self.cursors),
        )

    def _loss_at(self, pos: int) -> Loss | None:
        for loss in self._losses:
            if loss.first_pos <= pos <= loss.last_pos:
                return loss
        return None

    def _before_loss(self, pos: int) -> int:
        """The last position after `pos` that no loss cuts off."""
        return min(
            [loss.first_pos - 1 for loss in self._losses if loss.first_pos > pos], default=self.end_pos
        )

    def read(self, after: int, max_records: int, max_bytes: int) -> list[Record] | None:
        """Readable records after a position from memory; None where the disk must be asked."""
        if after >= self.readable_pos:
            return []
        loss = self._loss_at(after + 1)
        if loss is not None:
            upto = min(loss.last_pos, self.readable_pos)
            part = Loss(loss.first_pos, upto, loss.cause, loss.from_us, loss.to_us)
            return gap_records(self.pbx, part, after, self.epochs)
        first = self._window.first_pos
        if after < self.committed_pos and not (first and after + 1 >= first):
            return None
        upto = min(self._before_loss(after), self.readable_pos)
        return self._window.after(after, upto, max_records, max_bytes)

    def advance(self, name: str, pos: int) -> None:
        if not 0 <= pos <= self.readable_pos:
            raise ValueError(
                f"cursor {name!r} cannot stand at {pos}: the journal reads to {self.readable_pos}"
            )
        if self.cursors.get(name) != pos:
            self.cursors[name] = pos
            self._moved.add(name)
            self._removed.discard(name)
            self._cursors_unnoted = True

    def remove_cursor(self, name: str) -> None:
        if self.cursors.pop(name, None) is not None:
            self.durable_cursors.pop(name, None)
            self._moved.discard(name)
            self._removed.add(name)
            self._cursors_unnoted = True

    def save_state(self, state: bytes, pos: int) -> None:
        self.state = (state, pos)
        self._state_written = False
