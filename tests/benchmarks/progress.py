"""How far a running `amibus run` is, read from its journal from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from publisher.adapters.journal.reader import JournalReader, open_journal_reader
from publisher.errors import JournalError
from publisher.services.forwarder import CURSOR
from tests.benchmarks.processes import ProcessFailed, Service

_POLL_SECS: Final = 0.05


@dataclass(slots=True, frozen=True)
class Position:
    """At `at` (monotonic seconds) so many records were journalled, and so many of them confirmed."""

    at: float
    recorded: int
    confirmed: int


class Progress:
    """Reads the journal of a service. A look costs one short read transaction."""

    def __init__(self, service: Service, reader: JournalReader) -> None:
        self._service = service
        self._reader = reader

    @classmethod
    async def of(cls, service: Service, timeout_secs: float = 30.0) -> Progress:
        """Wait for the journal to be there."""
        return cls(service, await _opened(service, service.journal, timeout_secs))

    async def look(self) -> Position:
        await self._reader.refresh()
        return Position(time.monotonic(), self._reader.last_pos, self._reader.cursors.get(CURSOR, 0))

    async def until(
        self, reached: Callable[[Position], bool], timeout_secs: float, poll_secs: float = _POLL_SECS
    ) -> Position:
        """The first look at which it holds. Raises `ProcessFailed` after the timeout."""
        deadline = time.monotonic() + timeout_secs
        while not reached(position := await self.look()):
            self._service.check()
            if time.monotonic() > deadline:
                raise ProcessFailed(
                    f"after {timeout_secs:.0f} s only {position.recorded} records stand in the journal "
                    f"and {position.confirmed} of them are confirmed"
                )
            await asyncio.sleep(poll_secs)
        return position

    async def close(self) -> None:
        await self._reader.close()


async def _opened(service: Service, path: Path, timeout_secs: float) -> JournalReader:
    deadline = time.monotonic() + timeout_secs
    while True:
        try:
            return await open_journal_reader(path)
        except JournalError:
            service.check()
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_POLL_SECS)
