"""The recovery: commands under way or answered before this process, or before the queue forgot them.

The command journal says what was sent. What became of a call is read off the event journal, from where it
stood when the call was ordered, and off what the PBX says from now on (`publisher.services.in_flight`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from publisher.ami.fields import parse_packet
from publisher.commanding.call_watch import CallFacts
from publisher.commanding.entries import JournalledCommand, QueuedCommand
from publisher.commanding.outcomes import Outcome
from publisher.errors import CommandJournalError
from publisher.ports import Journal
from publisher.records import EVENT, SYNTHETIC
from publisher.reports import CommandJournalAlarm
from publisher.services.in_flight import InFlight
from publisher.services.settlement import CommandDesk, Handled, Settlement, readable
from schemas.actions import DEFAULT_RING_MS, MAX_RING_MS
from schemas.reply import Reason, State

_RETRY_SECS: Final = 1.0
_RESTORED: Final = 10_000
_READ_RECORDS: Final = 1_000


class Recovery:
    """One PBX's. `events` is its event journal, `encoding` that of its text."""

    def __init__(
        self,
        desk: CommandDesk,
        events: Journal,
        encoding: str,
        in_flight: InFlight,
        settlement: Settlement,
        watch: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._events = events
        self._encoding = encoding
        self._in_flight = in_flight
        self._settlement = settlement
        self._watch = watch

    async def take_up_sent(self, in_hand: Callable[[str], bool]) -> None:
        """What an earlier process sent and did not answer; not what is `in_hand` in this one. Tries until the
        journal can be read."""
        while True:
            try:
                unfinished = await self._desk.journal.unfinished()
                break
            except CommandJournalError as error:
                self._desk.report(CommandJournalAlarm(self._desk.pbx, str(error)))
                await self._desk.clock.sleep(_RETRY_SECS)
        await self.find_out([known for known in unfinished if not in_hand(known.id)])

    async def find_out(self, sent: Iterable[JournalledCommand]) -> None:
        """What became of commands that were sent: from the events since then, and from those to come."""
        now, now_us = self._desk.clock.monotonic(), self._desk.clock.now_us()
        facts: dict[str, CallFacts] = {}
        first_pos = self._events.next_pos
        for known in sent:
            left_secs = (known.sent_us - now_us) / 1e6 + known.ring_ms / 1000
            call = self._in_flight.find_out(handled_of(known, now), known.ring_ms, left_secs, now)
            if call is not None:
                facts[known.id] = call
                first_pos = min(first_pos, known.event_pos)
        if facts:
            # First the watch, then the journal: what comes meanwhile is heard once more, and not missed.
            self._watch()
            await self._read_events(first_pos, list(facts))
        for id in facts:
            self._in_flight.settle_found(id)

    async def _read_events(self, pos: int, ids: list[str]) -> None:
        wanted = [id.encode() for id in ids]
        while batch := await self._events.read(pos, _READ_RECORDS):
            for record in batch:
                raw = record.raw
                if record.kind == EVENT and not record.flags & SYNTHETIC and any(id in raw for id in wanted):
                    parsed = parse_packet(raw, self._encoding)
                    self._in_flight.event(parsed.name, parsed.fields)
            pos = batch[-1].pos + batch[-1].span - 1
            await asyncio.sleep(0)

    async def restore_replies(self, keep_secs: float) -> None:
        """Give a queue that went back in time the replies that were given."""
        since_us = self._desk.clock.now_us() - int(keep_secs * 1e6)
        for known in await self._desk.journal.finals_since(since_us, _RESTORED):
            self._settlement.restore(known)

    async def sort(self, found: Iterable[QueuedCommand], frozen: bool) -> list[QueuedCommand]:
        """Commands found in the queue that nobody here has in hand: those that were surely never sent.

        The others are answered from the journal, found out about, or with `frozen` given up as unknown.
        """
        commands = list(found)
        known = await self._desk.journal.known([one.id for one in commands])
        unsent: list[QueuedCommand] = []
        unheard: list[JournalledCommand] = []
        for one in commands:
            journalled = known.get(one.id)
            if journalled is not None and journalled.is_final:
                self._settlement.restore(journalled)
            elif journalled is not None:
                unheard.append(journalled)
            elif frozen:
                self._freeze(one)
            elif one.state == State.SENDING and one.owner != self._desk.journal.owner:
                # Another collector may have sent it; its journal is not here.
                unheard.append(self._of_another(one))
            else:
                unsent.append(one)
        await self.find_out([one for one in unheard if one.id not in self._in_flight])
        return unsent

    def _freeze(self, one: QueuedCommand) -> None:
        message = "the queue forgot what happened to it: it may have been executed"
        outcome = Outcome(state=State.UNKNOWN, reason=Reason.QUEUE_ROLLED_BACK, message=message)
        self._settlement.give(unread(one, self._desk.clock.monotonic()), outcome)

    def _of_another(self, one: QueuedCommand) -> JournalledCommand:
        """A command that another collector marked as sent, as if our journal held it."""
        command = readable(one.body)
        ring_ms = 0
        if command is not None and command.action.lower() == "originate":
            # Nobody has judged it here: where its field is no such time, it may have been the longest.
            timeout = command.fields.get("Timeout", DEFAULT_RING_MS)
            ring_ms = timeout if type(timeout) is int and 0 < timeout <= MAX_RING_MS else MAX_RING_MS
        now_us, pos = self._desk.clock.now_us(), self._events.next_pos - 1
        return JournalledCommand(id=one.id, body=one.body, sent_us=now_us, event_pos=pos, ring_ms=ring_ms)


def handled_of(known: JournalledCommand, now: float) -> Handled:
    """A command of the journal on its way to its reply."""
    command = readable(known.body)
    client, action = (command.client, command.action) if command is not None else ("", "")
    return Handled(known.id, client, action, known.body, now, command, sent=True)


def unread(one: QueuedCommand, now: float) -> Handled:
    """A command of the queue that is answered without being judged."""
    return Handled(one.id, one.client, one.action, one.body, now, readable(one.body))
