"""A writer that is meant to be killed: appends as fast as it may and tells what it was told.

Usage: python -m tests.journal.writer_child FOLDER SEED. Each line on stdout is
`<durable_pos> <cursor> <epoch of the last record that was read>`, printed only after the journal said so;
the parent kills this process at some point and compares.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from publisher.adapters.journal import JournalSettings, SqliteJournal, open_journal
from tests.journal.numbered import EPOCH, numbered


async def tell(journal: SqliteJournal) -> None:
    """Read like the forwarder, move the cursor, say what is durable."""
    pos, epoch = journal.cursor("forwarder"), 0
    while True:
        await journal.wait_beyond(pos)
        for record in await journal.read(pos, 300):
            pos, epoch = record.pos + record.span - 1, record.epoch
        journal.advance("forwarder", pos)
        line = b"%d %d %d\n" % (journal.durable_pos, journal.durable_cursor("forwarder"), epoch)
        os.write(1, line)


async def main(folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    settings = JournalSettings(tail_records=200, retention_check_secs=0.02, keep_bytes=3 << 20, keep_secs=1e9)
    journal = await open_journal(folder, "main", settings)
    journal.begin_epoch(max(EPOCH, journal.epoch + 1))
    telling = asyncio.create_task(tell(journal))
    while not telling.done():
        journal.append(numbered(journal, rng.choice((1, 1, 2, 20, 300)), rng.choice((60, 600, 3000))))
        if rng.random() < 0.05:
            journal.save_state(b"state %d" % (journal.next_pos - 1), journal.next_pos - 1)
        if rng.random() < 0.02:
            journal.begin_epoch(journal.epoch + 1)
        await asyncio.sleep(rng.choice((0, 0, 0.001)))
        while journal.congested:  # noqa: ASYNC110 - as the collector does
            await asyncio.sleep(0.001)
    telling.result()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
