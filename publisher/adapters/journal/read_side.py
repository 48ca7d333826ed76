"""A reading connection to a journal: records in order, with gap records where positions hold nothing.

Strategy: one read is one transaction, so that records, losses and epochs are of one moment; retention in
between cannot make a hole that looks like damage. Rows are taken one at a time until a bound is reached.
Transactions are short (one read), so that the write-ahead log can start anew under readers.

Invariant: the answer begins right after the asked position. A hole that no loss explains, a chunk that
fails its checksum and a page that cannot be read become a gap record with the cause "journal_damaged".
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from publisher.adapters.journal.chunk import Chunk, unpack
from publisher.adapters.journal.loss import JOURNAL_DAMAGED, EpochStart, Loss, gap_records
from publisher.adapters.journal.sqlite_file import DiskRefused, SqliteFile
from publisher.adapters.journal.write_side import Contents, load_contents, load_epochs
from publisher.errors import JournalDamaged
from publisher.records import Record

# From the chunk that holds position ?1, or the next one, up to position ?2.
CHUNKS: Final = """
SELECT * FROM chunk
WHERE first_pos >= coalesce((SELECT max(first_pos) FROM chunk WHERE first_pos <= ?1), ?1)
  AND first_pos <= ?2
ORDER BY first_pos
"""
_FIRST_SKIP: Final = 1024


class ReadSide:
    """Used by one thread. Raises `DiskRefused`. `damage`: a sentence once a hole was met, else empty."""

    def __init__(self, path: Path, pbx: str = "") -> None:
        """Open for reading. Without `pbx` the file's own name for it is used."""
        if not path.exists():
            raise DiskRefused("there is no such file")
        self.damage = ""
        self.file = SqliteFile(path, writable=False)
        try:
            self.pbx = pbx or str(self.file.value("SELECT value FROM meta WHERE key = 'pbx'"))
        except BaseException:
            self.file.close()
            raise

    def read(self, after: int, upto: int, max_records: int, max_bytes: int) -> list[Record]:
        """Records with `after < pos <= upto`, at least one (or a gap record) where `after < upto`."""
        if after >= upto:
            return []
        with self.file.moment():
            loss = self._loss_at(after + 1)
            if loss is not None:
                return self._gap(loss, after, upto)
            try:
                found, resume = self._records(after, upto, max_records, max_bytes)
            except JournalDamaged:
                found, resume = [], self._next_readable(after + 1, upto)
            if found or resume <= after + 1:
                return found
            return self._gap(self._unexplained(after + 1, min(resume - 1, upto)), after, upto)

    def _records(self, after: int, upto: int, max_records: int, max_bytes: int) -> tuple[list[Record], int]:
        """The records right after a position; if none, where the next ones begin (`upto + 1`: nowhere).

        Right after the position itself where that lies inside the span of the last gap record.
        """
        found: list[Record] = []
        asked = after
        room = max_bytes
        rows = self.file.each(CHUNKS, (after + 1, upto))
        try:
            for row in rows:
                chunk = Chunk(*row)
                if chunk.last_pos <= after:
                    continue
                if chunk.first_pos > after + 1:
                    return found, chunk.first_pos
                try:
                    part = unpack(chunk, after, max_records - len(found), room)
                except (JournalDamaged, ValueError, TypeError, LookupError):
                    return found, chunk.last_pos + 1
                size = sum([len(record.raw) for record in part])
                if found and size > room:
                    break
                found += part
                if not part:
                    # Asked from inside the span of the chunk's last gap record: that one counts as read.
                    after = chunk.last_pos
                    continue
                after = part[-1].pos + part[-1].span - 1
                room -= size
                if len(found) >= max_records or room <= 0 or after < chunk.last_pos:
                    break
        except JournalDamaged:
            if not found:
                raise
        finally:
            rows.close()
        return found, asked + 1 if after >= upto else upto + 1

    def _gap(self, loss: Loss, after: int, upto: int) -> list[Record]:
        part = Loss(loss.first_pos, min(loss.last_pos, upto), loss.cause, loss.from_us, loss.to_us)
        return gap_records(self.pbx, part, after, self._epochs())

    def _loss_at(self, pos: int) -> Loss | None:
        try:
            rows = self.file.rows(
                "SELECT first_pos, last_pos, cause, from_us, to_us FROM loss WHERE first_pos <= ?"
                " ORDER BY first_pos DESC LIMIT 1",
                (pos,),
            )
        except JournalDamaged:
            return None
        return Loss(*rows[0]) if rows and rows[0][1] >= pos else None

    def _epochs(self) -> list[EpochStart]:
        try:
            return load_epochs(self.file)
        except JournalDamaged:
            return []

    def _unexplained(self, first: int, last: int) -> Loss:
        """A hole that is nobody's doing, cut where a known loss begins; times from its neighbours."""
        from_us = to_us = 0
        self.damage = f"records of the journal {self.file.path} near position {first} cannot be read"
        try:
            known = self.file.value(
                "SELECT min(first_pos) FROM loss WHERE first_pos BETWEEN ? AND ?", (first, last)
            )
            if known is not None:
                last = known - 1
            before = "SELECT last_us FROM chunk WHERE first_pos < ? ORDER BY first_pos DESC LIMIT 1"
            beyond = "SELECT first_us FROM chunk WHERE first_pos > ? ORDER BY first_pos LIMIT 1"
            from_us = self.file.value(before, (first,)) or 0
            to_us = self.file.value(beyond, (last,)) or from_us
        except JournalDamaged:
            to_us = max(from_us, to_us)
        return Loss(first, last, JOURNAL_DAMAGED, from_us or to_us, to_us)

    def _next_readable(self, first: int, upto: int) -> int:
        """Where reading works again after a page that cannot be read; steps double, so it ends soon."""
        skip, pos = _FIRST_SKIP, first
        while pos <= upto:
            pos += skip
            skip *= 2
            try:
                found = self.file.rows(
                    "SELECT * FROM chunk WHERE first_pos >= ? ORDER BY first_pos LIMIT 1", (pos,)
                )
            except JournalDamaged:
                continue
            return int(found[0][0]) if found else upto + 1
        return upto + 1

    def contents(self) -> Contents:
        """Everything but the records."""
        with self.file.moment():
            return load_contents(self.file)

    def first_pos(self) -> int:
        """Position of the oldest kept record; 0 without one."""
        return int(self.file.value("SELECT min(first_pos) FROM chunk") or 0)

    def last_pos(self) -> int:
        """The last position that a chunk or a loss covers; 0 in an empty journal."""
        return int(
            self.file.value(
                "SELECT max((SELECT coalesce(max(last_pos), 0) FROM loss), coalesce((SELECT last_pos FROM"
                " chunk ORDER BY first_pos DESC LIMIT 1), 0))"
            )
        )

    def pos_at(self, time_us: int) -> int:
        """About the first position received at or after a time: where reading should start.

        Halving over the chunks: exact when the machine's clock never went back; else near it.
        Returns the position after the last one when everything is older.
        """
        low, high = self.first_pos(), self.last_pos()
        if low == 0:
            return high + 1
        while low <= high:
            middle = (low + high) // 2
            rows = self.file.rows(
                "SELECT * FROM chunk WHERE first_pos <= ? ORDER BY first_pos DESC LIMIT 1", (middle,)
            )
            chunk = Chunk(*rows[0])
            if chunk.last_us < time_us:
                low = max(middle, chunk.last_pos) + 1
            elif chunk.first_us >= time_us:
                high = chunk.first_pos - 1
            else:
                late = [r.pos for r in unpack(chunk, 0, 1 << 30, 1 << 62) if r.received_us >= time_us]
                return late[0]
        return low

    def pos_of(self, epoch: int, seq: int) -> int:
        """The position of a number; 0 when the epoch is not known or does not reach so far."""
        epochs = self._epochs()
        for index, start in enumerate(epochs):
            if start.epoch == epoch and seq >= 1:
                pos = start.first_pos + seq - 1
                end = epochs[index + 1].first_pos - 1 if index + 1 < len(epochs) else self.last_pos()
                return pos if pos <= end else 0
        return 0

    def close(self) -> None:
        self.file.close()
