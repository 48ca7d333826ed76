"""Reading a journal file from an event loop: one thread, one connection, one read at a time.

A read waits for the reads before it, each bounded by the caller's limits, and never for a commit. While the
disk refuses to be read the read is tried again each second, until it works or the reader is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from publisher.adapters.journal.read_side import ReadSide
from publisher.adapters.journal.sqlite_file import DiskRefused
from publisher.errors import JournalError
from publisher.records import Record

_RETRY_SECS: Final = 1.0

T = TypeVar("T")


class DiskReader:
    """Opens its connection at the first use.

    `alarm` tells why reading fails now, `damage` of what cannot be read any
    more; both are empty when all is well.
    """

    def __init__(self, path: Path, pbx: str = "") -> None:
        self._path = path
        self._pbx = pbx
        self._side: ReadSide | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal-read")
        self._closed = False
        self.alarm = ""
        self.damage = ""

    async def ask(self, question: Callable[[ReadSide], T]) -> T:
        """Run a question on the reading connection, once. Raises `DiskRefused`, `JournalDamaged`."""
        if self._closed:
            raise JournalError(f"the journal {self._path} is closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, question)

    def _run(self, question: Callable[[ReadSide], T]) -> T:
        if self._side is None:
            self._side = ReadSide(self._path, self._pbx)
        try:
            answer = question(self._side)
            self.damage = self._side.damage or self.damage
            return answer
        except DiskRefused:
            # A fresh connection next time: this one may hold on to what failed.
            self._forget()
            raise

    async def read(self, after: int, upto: int, max_records: int, max_bytes: int) -> list[Record]:
        """As `ReadSide.read`; waits while the disk refuses."""
        while True:
            try:
                records = await self.ask(lambda side: side.read(after, upto, max_records, max_bytes))
            except DiskRefused as refused:
                self.alarm = f"the journal {self._path} cannot be read: {refused}"
                await asyncio.sleep(_RETRY_SECS)
            else:
                self.alarm = ""
                return records

    async def reopen(self) -> None:
        """The file was replaced: use the new one from now on."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._forget)

    def _forget(self) -> None:
        if self._side is not None:
            self._side.close()
            self._side = None

    async def close(self) -> None:
        """Ends after the read that is under way."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._executor, self._forget)
            self._executor.shutdown(wait=False)
