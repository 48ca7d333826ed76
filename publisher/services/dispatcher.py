"""The dispatcher: from the line of waiting commands to the PBX, each at most once.

For each batch, in this order, and none of it may be left out:
1. the queue marks them `sending`: still ours, still in time, not cancelled;
2. the command journal notes them, on the disk; one that it knows was sent before and is not sent again;
3. they are handed to the connection.
If 1 or 2 fails, nothing is sent. What is noted and could not be handed over (the connection had just gone)
waits here, known to be unsent, and goes through 1 again.

Bounds: `most_calls` calls and `most_others` other commands under way; the PBX's rate; a batch of `_AT_ONCE`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from publisher.ami.errors import ActionRefused, AmiError
from publisher.command_ports import ActionLine
from publisher.commanding.entries import (
    CANCELLED,
    EXPIRED,
    GONE,
    NOT_OURS,
    SEND,
    JournalledCommand,
    SentLine,
)
from publisher.commanding.headers import action_of
from publisher.commanding.outcomes import Outcome
from publisher.commanding.rates import TokenBucket
from publisher.commanding.waiting import Waiting, WaitingCommand
from publisher.errors import CommandJournalError
from publisher.ports import Journal
from publisher.reports import CommandJournalAlarm
from publisher.services.in_flight import InFlight
from publisher.services.settlement import CommandDesk, Handled, Settlement
from schemas.reply import Reason, State

_AT_ONCE: Final = 256
# How far Redis's clock, as it is known here, may be off.
_CLOCK_MARGIN_MS: Final = 1_000
_JOURNAL_RETRY_SECS: Final = 1.0
# Where the connection takes nothing although it stands.
_REFUSED_SECS: Final = 0.05


@dataclass(slots=True, frozen=True)
class DispatchSettings:
    """`rate` is in commands a second for this PBX, 0 for no limit. `lease_secs`: as the queue's."""

    most_calls: int = 100
    most_others: int = 200
    rate: float = 100.0
    burst: int = 100
    answer_secs: float = 30.0
    lease_secs: float = 15.0


OnKnown = Callable[[WaitingCommand, JournalledCommand], Awaitable[None]]
"""What to do with a command that the journal knows already."""


class Dispatcher:
    """One PBX's. `wake` says that something may have become possible."""

    def __init__(
        self,
        desk: CommandDesk,
        events: Journal,
        line: ActionLine,
        in_flight: InFlight,
        settlement: Settlement,
        settings: DispatchSettings,
    ) -> None:
        self._desk = desk
        self._events = events
        self._line = line
        self._in_flight = in_flight
        self._settlement = settlement
        self._settings = settings
        self._rate = TokenBucket(settings.rate, settings.burst)
        self._news = asyncio.Event()
        self._batch: dict[str, WaitingCommand] = {}
        self._noted: dict[str, WaitingCommand] = {}
        self._alarm = ""
        self.waiting = Waiting()
        self.on_known: OnKnown = _nobody_knows
        self.sent = 0

    def __contains__(self, id: str) -> bool:
        return id in self.waiting or id in self._noted or id in self._batch

    def wake(self) -> None:
        self._news.set()

    def __len__(self) -> int:
        return len(self.waiting) + len(self._noted) + len(self._batch)

    def clear(self) -> list[WaitingCommand]:
        """Forget all that has not been sent: what that was."""
        left = [*self.waiting, *self._noted.values()]
        self.waiting.clear()
        self._noted.clear()
        return left

    def cancel(self, id: str) -> WaitingCommand | None:
        """Take a command out that has not begun to be sent."""
        return self.waiting.remove(id)

    async def step(self, now_ms: int) -> float:
        """Do what can be done now; returns how long to wait before the next look, at most.

        `now_ms` is Redis's time as far as it is known. Raises `CommandQueueError`; nothing is lost by it.
        """
        self._news.clear()
        await self._expire(now_ms)
        batch = self._next_batch()
        if not batch:
            return min(1.0, self._rate.wait_secs(self._desk.clock.monotonic()) or 1.0)
        self._batch = {one.id: one for one in batch}
        try:
            await self._send(batch, now_ms)
        finally:
            left = list(self._batch.values())
            self._batch = {}
            self.waiting.put_back(one for one in left if one.id not in self._noted)
        return _REFUSED_SECS if len(left) == len(batch) else 0.0

    async def wait(self, secs: float) -> None:
        """Return when woken, at the latest after so many seconds."""
        if secs <= 0:
            return
        try:
            async with asyncio.timeout(secs):
                await self._news.wait()
        except TimeoutError:
            return

    def _next_batch(self) -> list[WaitingCommand]:
        if not self._line.up:
            return []
        settings, in_flight = self._settings, self._in_flight
        rooms = max(0, settings.most_calls - in_flight.calls), max(0, settings.most_others - in_flight.others)
        if self._noted:
            return list(self._noted.values())[:_AT_ONCE]
        tokens = self._rate.take_up_to(min(_AT_ONCE, sum(rooms)), self._desk.clock.monotonic())
        batch = self.waiting.take(tokens, *rooms)
        self._rate.give_back(tokens - len(batch))
        return batch

    async def _expire(self, now_ms: int) -> None:
        """Those whose time is over; the queue's clock decides."""
        due = self.waiting.due(now_ms)[:_AT_ONCE]
        due += [one for one in self._noted.values() if one.expires_ms <= now_ms]
        if not due:
            return
        verdicts = await self._desk.queue.mark_sending([one.id for one in due])
        for one, verdict in zip(due, verdicts, strict=True):
            late = one.expires_ms + _CLOCK_MARGIN_MS <= now_ms
            if verdict.word != SEND or late:
                self.waiting.remove(one.id)
                self._settle_unsent(one, EXPIRED if verdict.word == SEND else verdict.word)

    async def _send(self, batch: list[WaitingCommand], now_ms: int) -> None:
        asked_at = self._desk.clock.monotonic()
        lease_until = asked_at + self._settings.lease_secs
        verdicts = await self._desk.queue.mark_sending([one.id for one in batch])
        until: dict[str, float] = {}
        for one, verdict in zip(batch, verdicts, strict=True):
            if verdict.word == SEND:
                # What the queue says later about a command's time gives it no more of it.
                left_ms = min(verdict.left_ms, one.expires_ms + _CLOCK_MARGIN_MS - now_ms)
                until[one.id] = asked_at + left_ms / 1000
            else:
                self._drop(one)
                self._settle_unsent(one, verdict.word)
        if not await self._note([one for one in batch if one.id in until and one.id not in self._noted]):
            return
        for one in [one for one in batch if one.id in self._noted]:
            # The disk may have been slow: what is late now is not sent, and its row says no worse than that.
            if self._desk.clock.monotonic() >= until.get(one.id, 0.0):
                self._drop(one)
                self._settle_unsent(one, EXPIRED)
            elif self._desk.clock.monotonic() >= lease_until:
                # Another collector may have the turn by now: ask again.
                break
            elif not self._hand_over(one):
                break
        self._line.flush()

    async def _note(self, new: list[WaitingCommand]) -> bool:
        """Put them into the command journal; False if it takes nothing."""
        if not new:
            return True
        now_us = self._desk.clock.now_us()
        pos = self._events.next_pos - 1
        lines = [
            SentLine(id=one.id, body=one.body, sent_us=now_us, event_pos=pos, ring_ms=one.ring_ms)
            for one in new
        ]
        try:
            known = await self._desk.journal.note_sent(
                lines, [self._desk.audit.sent(one.command, now_us) for one in new]
            )
        except CommandJournalError as error:
            self._tell_alarm(str(error))
            await self._desk.clock.sleep(_JOURNAL_RETRY_SECS)
            return False
        self._tell_alarm("")
        for one, before in zip(new, known, strict=True):
            if before is None:
                self._noted[one.id] = one
            else:
                self._drop(one)
                await self.on_known(one, before)
        return True

    def _hand_over(self, one: WaitingCommand) -> bool:
        """Hand one to the connection; False if that takes nothing more now."""
        action, headers, ring_ms = action_of(one.command, one.fields, self._line.ami_version)
        handled = Handled.of(one.command, one.body, one.taken_at, sent=True)
        flight = self._in_flight.begin(
            handled, ring_ms, self._desk.clock.monotonic(), self._settings.answer_secs
        )
        try:
            self._line.send(action, headers, one.id, flight, self._settings.answer_secs)
        except ActionRefused as error:
            self._in_flight.withdraw(one.id)
            self._drop(one)
            outcome = Outcome(state=State.REJECTED, reason=Reason.INVALID, message=str(error))
            self._settlement.give(handled, outcome)
            return True
        except AmiError:
            # Not connected any more, or too much on its way: it is known to be unsent, and goes later.
            self._in_flight.withdraw(one.id)
            return False
        self._drop(one)
        self.sent += 1
        return True

    def _drop(self, one: WaitingCommand) -> None:
        """It is no longer here."""
        self._noted.pop(one.id, None)
        self._batch.pop(one.id, None)

    def _settle_unsent(self, one: WaitingCommand, word: str) -> None:
        self._noted.pop(one.id, None)
        handled = Handled.of(one.command, one.body, one.taken_at, sent=False)
        match word:
            case _ if word == EXPIRED:
                message = "its time was over before it could be sent"
                self._settlement.give(
                    handled, Outcome(state=State.EXPIRED, reason=Reason.EXPIRED, message=message)
                )
            case _ if word == CANCELLED:
                self._settlement.give(handled, cancelled())
            case _ if word == GONE:
                self._settlement.give(handled, forgotten())
            case _:
                # Another collector has taken it over, and answers it.
                assert word == NOT_OURS

    def _tell_alarm(self, alarm: str) -> None:
        if alarm != self._alarm:
            self._alarm = alarm
            self._desk.report(CommandJournalAlarm(self._desk.pbx, alarm))


def cancelled() -> Outcome:
    """The outcome of a command that was called back before it was sent."""
    return Outcome(
        state=State.REJECTED, reason=Reason.CANCELLED, message="it was cancelled before it was sent"
    )


def forgotten() -> Outcome:
    """The outcome of a command that the queue has forgotten, and that is known here not to have been sent."""
    message = "the queue has forgotten it; it was not sent"
    return Outcome(state=State.REJECTED, reason=Reason.QUEUE_ROLLED_BACK, message=message)


async def _nobody_knows(waiting: WaitingCommand, known: JournalledCommand) -> None:
    return
