"""A commander's journal whose process is meant to be killed: it tells each id once that is noted as sent.

Usage: python -m tests.command_contract.sender_child FOLDER ROUND
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from tests.command_contract.harness import final_of
from tests.command_contract.journal_harness import SqliteJournalHarness, lines


async def main(folder: Path, round: str) -> None:
    kept = SqliteJournalHarness(folder)
    await kept.open()
    for number in itertools.count():
        ids = [f"{round}-{number}-{index}" for index in range(number % 5 + 1)]
        noted = await kept.journal.note_sent(lines(ids), [f'{{"sent":"{id}"}}'.encode() for id in ids])
        assert noted == [None] * len(ids)
        # One write, so that a kill leaves whole lines only.
        os.write(1, "".join(f"{id}\n" for id in ids).encode())
        if number % 3 == 0:
            await kept.journal.note_finals([final_of(id) for id in ids], [b'{"ended":1}'])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
