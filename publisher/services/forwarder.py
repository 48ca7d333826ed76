"""The forwarder: one PBX's journal, record by record, onto the bus, each at least once and in order.

Strategy
    read after the cursor -> build messages -> send a batch -> confirms come -> move the cursor.
Two tasks share one session: the sender keeps the window full, the settler takes the confirms. Messages
that are sent and not settled are kept, in order, and sent again on a new session when one is lost. One
connection a PBX, so that one PBX's trouble stays its own.

Bounds
* Never more than `window` positions are sent beyond the cursor as it would be found after a crash, so
  neither a lost session nor a killed process repeats more than the window. At the bound the sender waits.
* A batch is at most `batch` messages and 1 MiB of records; between batches other tasks run.

After a nack the sender stops, what is in flight is settled, and everything from the refused message on is
sent again, in order, with a window of one that doubles with each confirm. While the same message
keeps being refused, the pause before the next try grows up to 5 s. Messages after the refused one that were
confirmed meanwhile are repeated: order is worth more than a duplicate with the same id.

Nothing is ever dropped here: whatever the bus says, the record stays in the journal until it is confirmed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from publisher.backoff import Backoff
from publisher.errors import BusError, BusRefused
from publisher.ports import Bus, BusSession, Clock, Journal
from publisher.records import Record
from publisher.reports import (
    BusBlocked,
    BusDown,
    BusRefusal,
    BusUp,
    MessagesRefused,
    MessagesUnroutable,
    Reporter,
)
from schemas.message import Message

CURSOR: Final = "forwarder"
_REPORT_EVERY_SECS: Final = 5.0


@dataclass(slots=True, frozen=True)
class ForwarderSettings:
    """`window`: messages sent and not durably known as confirmed, at most. `batch`: messages a write."""

    window: int = 2000
    batch: int = 250
    settle_secs: float = 5.0
    """How long a forwarder that is told to stop waits for the confirms of what it sent."""


@dataclass(slots=True)
class ForwarderCounters:
    """Counts since the start of the process."""

    forwarded: int = 0
    """Records sent for the first time."""
    confirmed: int = 0
    refused: int = 0
    unroutable: int = 0
    resent: int = 0
    reconnects: int = 0


@dataclass(slots=True)
class _Outgoing:
    """What is sent or about to be sent again: `last_pos` is the last journal position it stands for."""

    last_pos: int
    message: Message


@dataclass(slots=True)
class _Pace:
    """How many messages may be in flight: the window, or less for a while after a nack."""

    window: int
    allowance: int = 0
    backoff: Backoff = field(default_factory=lambda: Backoff(first_secs=0.2, most_secs=5.0))

    def __post_init__(self) -> None:
        self.allowance = self.window

    def refused(self) -> float:
        """Shrink to one; the pause in seconds before the next try."""
        self.allowance = 1
        return self.backoff.next_secs()

    def confirmed(self, count: int) -> None:
        if count and self.allowance < self.window:
            self.allowance = min(self.window, self.allowance + count)
            self.backoff.reset()

    @property
    def step(self) -> int:
        """How much room is worth a write: the window moves in eighths, not message by message."""
        return max(1, self.allowance // 8)


class Forwarder:
    """Forwards one PBX. `run` never ends by itself; cancel it to stop."""

    def __init__(
        self,
        journal: Journal,
        bus: Bus,
        decode: Callable[[Record], Message],
        report: Reporter,
        clock: Clock,
        settings: ForwarderSettings | None = None,
    ) -> None:
        """`decode` gives the same message for the same record, always."""
        self._journal = journal
        self._bus = bus
        self._decode = decode
        self._report = report
        self._clock = clock
        self._settings = settings or ForwarderSettings()
        self._pace = _Pace(self._settings.window)
        self._lost_backoff = Backoff(first_secs=0.2, most_secs=4.0)
        self._refused_backoff = Backoff(first_secs=1.0, most_secs=30.0)
        # From the first unsettled message on, in order; the first `_sent` of them are in flight.
        self._kept: deque[_Outgoing] = deque()
        self._sent = 0
        # Session numbers: of the last message sent, and of the first one kept.
        self._last_number = 0
        self._first_number = 1
        self._settled_through = 0
        self._first_refused = 0
        self._last_pos = journal.cursor(CURSOR)
        self._room = asyncio.Event()
        self._unroutable_untold = 0
        self._unroutable_told_at = float("-inf")
        self.counters = ForwarderCounters()
        self.state = "not started"

    @property
    def backlog(self) -> int:
        """Records that stand in the journal and are not confirmed."""
        return max(0, self._journal.durable_pos - self._journal.cursor(CURSOR))

    async def run(self) -> None:
        """Forward until cancelled; then wait a little for the confirms of what is in flight."""
        while True:
            self.state = "connecting to the bus"
            try:
                session = await self._bus.open()
                try:
                    await self._serve(session)
                finally:
                    await session.close()
            except BusError as error:
                await self._pause(error)

    async def _pause(self, error: BusError) -> None:
        self._tell_unroutable(at_once=True)
        pbx = self._journal.pbx
        if isinstance(error, BusRefused):
            secs = self._refused_backoff.next_secs()
            self._report(BusRefusal(pbx, str(error), secs))
        else:
            secs = self._lost_backoff.next_secs()
            self._report(BusDown(pbx, str(error), len(self._kept), secs))
        self.state = f"no bus: {error}"
        await self._clock.sleep(secs)
        self.counters.reconnects += 1

    async def _serve(self, session: BusSession) -> None:
        """Raises what ended the session."""
        self._begin_numbers(after=0)
        self._report(BusUp(self._journal.pbx, self.backlog))
        try:
            while True:
                self.state = "forwarding"
                await self._send_and_settle(session)
                await self._after_refusal(session)
        except asyncio.CancelledError:
            await self._settle_rest(session)
            raise

    def _begin_numbers(self, after: int) -> None:
        """What is kept is to be sent (again): its first message gets the number after `after`."""
        self._sent = 0
        self._last_number = self._settled_through = after
        self._first_number = after + 1
        self._first_refused = 0

    async def _send_and_settle(self, session: BusSession) -> None:
        """Return when something was refused and everything sent is settled."""
        # No task group: one that fails while it is cancelled swallows the cancellation.
        sender = asyncio.create_task(self._send(session))
        settler = asyncio.create_task(self._settle(session, sender))
        try:
            await asyncio.wait({sender, settler}, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            sender.cancel()
            settler.cancel()
            ends = await asyncio.gather(settler, sender, return_exceptions=True)
        for end in ends:
            # Both tasks may fail of the same end; one telling is enough.
            if isinstance(end, Exception):
                raise end

    async def _send(self, session: BusSession) -> None:
        while True:
            if session.blocked:
                await self._sit_out(session)
            if self._sent < len(self._kept):
                await self._send_again(session)
            else:
                await self._send_new(session)
            # The publish itself never waits; everyone else gets a turn here.
            await asyncio.sleep(0)

    async def _send_again(self, session: BusSession) -> None:
        count = min(self._pace.allowance - self._sent, len(self._kept) - self._sent, self._settings.batch)
        if count < 1:
            await self._wait_room()
            return
        batch = [outgoing.message for outgoing in islice(self._kept, self._sent, self._sent + count)]
        self._publish(session, batch)
        self.counters.resent += count

    async def _send_new(self, session: BusSession) -> None:
        settings, journal, step = self._settings, self._journal, self._pace.step
        if self._pace.allowance - self._sent < step:
            await self._wait_room()
            return
        room = journal.durable_cursor(CURSOR) + settings.window - self._last_pos
        if room < step:
            await journal.wait_cursor(CURSOR, self._last_pos - settings.window + step)
            return
        if journal.durable_pos <= self._last_pos:
            await journal.wait_beyond(self._last_pos)
        most = min(room, self._pace.allowance - self._sent, settings.batch)
        records = await journal.read(self._last_pos, max_records=most)
        if not records or session.blocked:
            return
        batch = [record.message or self._decode(record) for record in records]
        # All or none: what is kept and `_last_pos` tell the same, whatever the decoder does.
        self._kept.extend(
            _Outgoing(record.pos + record.span - 1, message)
            for record, message in zip(records, batch, strict=True)
        )
        self._last_pos = self._kept[-1].last_pos
        self._publish(session, batch)
        self.counters.forwarded += len(batch)

    def _publish(self, session: BusSession, batch: list[Message]) -> None:
        session.publish(batch)
        self._sent += len(batch)
        self._last_number += len(batch)

    async def _wait_room(self) -> None:
        self._room.clear()
        await self._room.wait()

    async def _sit_out(self, session: BusSession) -> None:
        reason = session.blocked
        self.state = f"the bus takes nothing now: {reason}"
        self._report(BusBlocked(self._journal.pbx, reason))
        await session.wait_unblocked()
        self.state = "forwarding"
        self._report(BusBlocked(self._journal.pbx, ""))

    async def _settle(self, session: BusSession, sender: asyncio.Task[None]) -> None:
        while not (self._first_refused and self._settled_through >= self._last_number):
            await self._take_news(session)
            if self._first_refused:
                sender.cancel()

    async def _take_news(self, session: BusSession) -> None:
        news = await session.settled()
        counters = self.counters
        if news.refused:
            counters.refused += len(news.refused)
            self._first_refused = min(news.refused[0], self._first_refused or news.refused[0])
        self._settled_through = news.confirmed_through
        through = news.confirmed_through
        if self._first_refused:
            through = min(through, self._first_refused - 1)
        self._confirm(through - self._first_number + 1)
        if news.unroutable:
            counters.unroutable += news.unroutable
            self._unroutable_untold += news.unroutable
        self._tell_unroutable()
        self._room.set()

    def _confirm(self, count: int) -> None:
        """The first `count` of what is kept are done with."""
        if count < 1:
            return
        kept = self._kept
        for _ in range(count - 1):
            kept.popleft()
        self._journal.advance(CURSOR, kept.popleft().last_pos)
        self._sent -= count
        self._first_number += count
        self.counters.confirmed += count
        self._pace.confirmed(count)
        self._lost_backoff.reset()
        self._refused_backoff.reset()

    async def _after_refusal(self, session: BusSession) -> None:
        secs = self._pace.refused()
        count = self._last_number - self._first_refused + 1
        self.state = "the bus refused messages: sending them again"
        self._report(MessagesRefused(self._journal.pbx, count, secs))
        self._begin_numbers(after=self._last_number)
        await self._clock.sleep(secs)
        if session.blocked:
            await self._sit_out(session)

    async def _settle_rest(self, session: BusSession) -> None:
        """Told to stop: a clean stop repeats nothing, if the bus answers in time."""
        self.state = "stopping"
        try:
            async with asyncio.timeout(self._settings.settle_secs):
                while self._sent and not self._first_refused:
                    await self._take_news(session)
        except (TimeoutError, BusError):
            return
        finally:
            self._tell_unroutable(at_once=True)

    def _tell_unroutable(self, at_once: bool = False) -> None:
        if not self._unroutable_untold:
            return
        now = self._clock.monotonic()
        if at_once or now - self._unroutable_told_at >= _REPORT_EVERY_SECS:
            self._report(MessagesUnroutable(self._journal.pbx, self._unroutable_untold))
            self._unroutable_told_at = now
            self._unroutable_untold = 0
