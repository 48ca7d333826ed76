"""A command journal in memory, whose disk refuses and whose machine loses its power when it is told to."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace

from publisher.commanding.entries import FinalReply, JournalledCommand, Memory, SentLine
from publisher.errors import CommandJournalError


class FakeCommandJournal:
    """Implements `publisher.command_ports.CommandJournal` as `SqliteCommandJournal` does.

    `refusal` is what the disk says to every write until it is empty again, `audit_refusal` the audit's; each
    is a sentence. `errors` holds, for each method's name, refusals for its next calls, one each. `rows` and
    `audit` may be looked at.
    """

    def __init__(self) -> None:
        self.owner = uuid.uuid4().hex
        self.refusal = ""
        self.audit_refusal = ""
        self.errors: dict[str, list[CommandJournalError]] = {}
        self.rows: dict[str, JournalledCommand] = {}
        self.audit: list[bytes] = []
        self.closed = False
        self._final_us: dict[str, int] = {}
        self._ended = itertools.count()
        self._order: dict[str, int] = {}
        self._memory = Memory()
        # What a power cut would bring back: rows as they were before their unsynchronised ends.
        self._before: dict[str, JournalledCommand | None] = {}

    def reopen(self) -> None:
        """Another process opens the same file."""
        self._memory = replace(self._memory, exact=False)
        self.closed = False

    def lose_power(self) -> None:
        """The machine stops: ends that were noted after the last command that was sent are lost."""
        for id, row in self._before.items():
            if row is None:
                del self.rows[id]
            else:
                self.rows[id] = row
        self._before.clear()
        self.reopen()

    async def memory(self) -> Memory:
        await self._begin("memory")
        return self._memory

    async def remember(self, memory: Memory) -> None:
        await self._begin("remember", writes=True)
        self._memory = replace(memory, exact=False)

    async def note_sent(
        self, lines: Sequence[SentLine], audit: Sequence[bytes] = ()
    ) -> list[JournalledCommand | None]:
        await self._begin("note_sent", writes=True)
        if audit and self.audit_refusal:
            raise CommandJournalError(self.audit_refusal)
        self.audit += audit
        noted: list[JournalledCommand | None] = []
        for line in lines:
            noted.append(self.rows.get(line.id))
            if line.id not in self.rows:
                self.rows[line.id] = JournalledCommand(
                    id=line.id,
                    body=line.body,
                    sent_us=line.sent_us,
                    event_pos=line.event_pos,
                    ring_ms=line.ring_ms,
                )
        self._before.clear()
        return noted

    async def note_finals(self, finals: Sequence[FinalReply], audit: Sequence[bytes] = ()) -> None:
        await self._begin("note_finals", writes=True)
        for final in finals:
            known = self.rows.get(final.id)
            if known is not None and known.is_final:
                continue
            row = known or JournalledCommand(id=final.id, body=final.body)
            self._before.setdefault(final.id, known)
            self.rows[final.id] = replace(row, state=str(final.state), reply=final.kept or final.reply)
            self._final_us[final.id], self._order[final.id] = time.time_ns() // 1000, next(self._ended)
        if audit and self.audit_refusal:
            raise CommandJournalError(self.audit_refusal)
        self.audit += audit

    async def known(self, ids: Iterable[str]) -> dict[str, JournalledCommand]:
        await self._begin("known")
        return {id: self.rows[id] for id in ids if id in self.rows}

    async def unfinished(self) -> list[JournalledCommand]:
        await self._begin("unfinished")
        return sorted((row for row in self.rows.values() if not row.is_final), key=lambda row: row.sent_us)

    async def finals_since(self, us: int, most: int) -> list[JournalledCommand]:
        await self._begin("finals_since")
        found = [row for row in self.rows.values() if row.is_final and self._final_us[row.id] > us]
        return sorted(found, key=lambda row: -self._order[row.id])[:most]

    async def close(self) -> None:
        self.closed = True

    async def _begin(self, name: str, writes: bool = False) -> None:
        await asyncio.sleep(0)
        if self.closed:
            raise CommandJournalError("the command journal is closed")
        if waiting := self.errors.get(name):
            raise waiting.pop(0)
        if writes and self.refusal:
            raise CommandJournalError(self.refusal)
