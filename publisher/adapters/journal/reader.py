"""A journal seen from another process: read only, beside the collector that writes it.

It takes no lock, holds no transaction between reads, and changes nothing. New records are found by asking
again (`wait_beyond` asks every 50 ms).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from publisher.adapters.journal.disk_reader import DiskReader
from publisher.adapters.journal.loss import EpochStart
from publisher.errors import JournalDamaged, JournalError
from publisher.records import Record

_POLL_SECS: Final = 0.05


class JournalReader:
    """Made by `open_journal_reader`. The positions, epochs and cursors are those of the last `refresh`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pbx = ""
        self.first_pos = 1
        self.last_pos = 0
        self.epochs: list[EpochStart] = []
        self.cursors: dict[str, int] = {}
        self._disk = DiskReader(path)

    @property
    def bytes_on_disk(self) -> int:
        """File and write-ahead log."""
        return sum(
            part.stat().st_size
            for part in (self.path, self.path.with_name(self.path.name + "-wal"))
            if part.exists()
        )

    async def refresh(self) -> None:
        """Look at the file again. Raises `JournalError` when it cannot be read."""
        contents, self.pbx = await self._disk.ask(lambda side: (side.contents(), side.pbx))
        self.first_pos, self.last_pos = contents.first_pos, contents.last_pos
        self.epochs, self.cursors = contents.epochs, contents.cursors

    async def read(self, after: int, max_records: int = 1000, max_bytes: int = 1 << 20) -> list[Record]:
        """As `publisher.ports.Journal.read`; empty when nothing stands after the position yet."""
        if after >= self.last_pos:
            self.last_pos = await self._disk.ask(lambda side: side.last_pos())
        return await self._disk.read(after, self.last_pos, max_records, max_bytes)

    async def wait_beyond(self, pos: int) -> None:
        """Return as soon as a record stands after the position."""
        while self.last_pos <= pos:
            self.last_pos = await self._disk.ask(lambda side: side.last_pos())
            if self.last_pos <= pos:
                await asyncio.sleep(_POLL_SECS)

    async def pos_at(self, time_us: int) -> int:
        """About the first position received at or after a time (exact where the clock never went back).

        The position after the last one when all are older.
        """
        return await self._disk.ask(lambda side: side.pos_at(time_us))

    async def pos_of(self, epoch: int, seq: int) -> int:
        """The position of a record by its number; 0 when there is none such."""
        return await self._disk.ask(lambda side: side.pos_of(epoch, seq))

    async def close(self) -> None:
        await self._disk.close()


async def open_journal_reader(path: Path) -> JournalReader:
    """Open a journal file for reading, whether or not a collector writes it.

    Raises `JournalError` with one sentence when there is none or it cannot be read, `JournalDamaged`
    when it is damaged.
    """
    reader = JournalReader(path)
    try:
        await reader.refresh()
    except JournalDamaged:
        await reader.close()
        raise
    except JournalError as error:
        await reader.close()
        raise JournalError(f"the journal {path} cannot be read: {error}") from error
    return reader
