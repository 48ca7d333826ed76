"""Prints what the journal costs on this machine: `python -m tests.journal.measure [RECORDS]`.

Records are 600 B. "wall" is the time until readers may have them, one batch after the other; "cpu" is the
process's processor time on all threads, making the records included. The last part leaves RECORDS (a
million by default) of backlog on disk and reads it back.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from publisher.adapters.journal import JournalSettings, SqliteJournal, open_journal
from tests.journal.numbered import EPOCH, numbered

SIZE = 600


def rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def batches(journal: SqliteJournal, size: int, count: int) -> None:
    delays = []
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count // size):
        records = numbered(journal, size, SIZE)
        began = time.perf_counter()
        journal.append(records)
        await journal.wait_beyond(journal.next_pos - 2)
        delays.append(time.perf_counter() - began)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    delays.sort()
    print(
        f"batches of {size:4}: wall {wall / count * 1e6:8.2f} us/record, cpu {cpu / count * 1e6:7.2f},"
        f" append to readable p50 {delays[len(delays) // 2] * 1e3:.2f} ms"
        f" p99 {delays[len(delays) * 99 // 100] * 1e3:.2f} ms"
    )


async def stream(journal: SqliteJournal, count: int) -> None:
    """As the collector appends at full load: a read's worth at a time, never waiting for the commit."""
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(count // 50):
        journal.append(numbered(journal, 50, SIZE))
        if number % 10 == 0:
            await asyncio.sleep(0)
        while journal.congested:  # noqa: ASYNC110 - as the collector does
            await asyncio.sleep(0.001)
    await journal.wait_beyond(journal.next_pos - 2)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"stream of {count}: wall {wall / count * 1e6:.2f} us/record, cpu {cpu / count * 1e6:.2f}")


async def backlog(journal: SqliteJournal) -> None:
    print(f"backlog {journal.durable_pos}: RSS {rss_mib():.0f} MiB, {journal.state}")
    pos, count = 0, 0
    wall, cpu = time.perf_counter(), time.process_time()
    while records := await journal.read(pos, 1000):
        pos = records[-1].pos + records[-1].span - 1
        count += len(records)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"read back {count}: wall {wall / count * 1e6:.2f} us/record, cpu {cpu / count * 1e6:.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"RSS {rss_mib():.0f} MiB, peak {peak:.0f} MiB")


async def main(total: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = await open_journal(Path(folder), "main", JournalSettings())
        journal.begin_epoch(EPOCH)
        for size, count in ((1, 1000), (100, 20_000), (500, 50_000), (4000, 80_000)):
            await batches(journal, size, count)
        await stream(journal, max(50, total - journal.durable_pos))
        await backlog(journal)
        await journal.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
