"""The settlement: final replies on their way into the command journal and the queue.

Every outcome goes through here once. It is noted on this machine's disk first, then given in the queue; what
the queue does not take is given again until it does, for as long as the process lives. A command's first
final reply stays: the journal keeps it against a queue that forgets, the queue against a journal that is new.

Bounds: what waits here was claimed before, and no more is claimed while too much waits. What the journal
refuses is offered to it again, at most 10,000 replies; the oldest are given up then: the queue has them.
The queue gets a megabyte of replies at once, and less after it did not take that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from publisher.backoff import Backoff
from publisher.command_ports import CommandJournal, CommandQueue
from publisher.commanding.audit import Audit
from publisher.commanding.entries import FinalReply, JournalledCommand
from publisher.commanding.outcomes import Outcome
from publisher.errors import CommandJournalError, CommandQueueError
from publisher.ports import Clock
from publisher.reports import CommandAnsweredTwice, CommandJournalAlarm, Report
from schemas.command import Command
from schemas.errors import CommandError, EncodeError
from schemas.reply import MAX_REPLY_BYTES, Reason, Reply, State
from schemas.timestamps import timestamp_text

_AT_ONCE: Final = 256
_BYTES_AT_ONCE: Final = 1 << 20
# Of what was never sent, longer bodies are not kept on the disk: anybody could fill it with refused commands.
_UNSENT_BODY_BYTES: Final = 2_048
# What the journal keeps of a reply; the lists of a larger one stand in the queue alone.
_KEPT_BYTES: Final = 16 << 10
_UNNOTED_KEPT: Final = 10_000
_SHORT: Final = 100


@dataclass(slots=True, frozen=True)
class CommandDesk:
    """What every part of one PBX's commander works with."""

    pbx: str
    queue: CommandQueue
    journal: CommandJournal
    audit: Audit
    clock: Clock
    report: Callable[[Report], None]


@dataclass(slots=True, frozen=True)
class Handled:
    """A command in hand: what is known of it, whether or not it could be read. `taken_at` is monotonic."""

    id: str
    client: str
    action: str
    body: bytes
    taken_at: float
    command: Command | None = None
    sent: bool = False

    @classmethod
    def of(cls, command: Command, body: bytes, taken_at: float, sent: bool) -> Handled:
        """A command that could be read."""
        return cls(command.id, command.client, command.action, body, taken_at, command, sent)


class Settlement:
    """One PBX's. `give` never waits; `run` does the work."""

    def __init__(self, desk: CommandDesk) -> None:
        self._desk = desk
        self._waiting: dict[str, FinalReply] = {}
        # None: nothing to be kept, only a line of the audit.
        self._unnoted: dict[str, tuple[FinalReply | None, bytes]] = {}
        self._news = asyncio.Event()
        self._alarm = ""
        self.given: dict[State, int] = {}
        self.on_settled: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, id: str) -> bool:
        return id in self._waiting

    @property
    def unnoted(self) -> frozenset[str]:
        """What the disk has not taken yet: the end of this process would cost the journal its replies."""
        return frozenset(self._unnoted)

    def give(self, handled: Handled, outcome: Outcome) -> None:
        """The final reply of a command."""
        now_us = self._desk.clock.now_us()
        reply = Reply(
            id=handled.id,
            pbx=self._desk.pbx,
            action=handled.action,
            state=outcome.state,
            at=timestamp_text(now_us),
            reason=str(outcome.reason),
            message=outcome.message,
            fields=outcome.fields,
            events=outcome.events,
            output=outcome.output,
            truncated=outcome.truncated,
        )
        took_ms = int((self._desk.clock.monotonic() - handled.taken_at) * 1000)
        unsent = None if handled.sent else handled.command
        line = self._desk.audit.ended(
            handled.id, handled.client, handled.action, outcome, now_us, took_ms, unsent
        )
        encoded = encoded_within(reply, MAX_REPLY_BYTES)
        kept = b"" if len(encoded) <= _KEPT_BYTES else encoded_within(reply, _KEPT_BYTES)
        final = FinalReply(
            handled.id, outcome.state, encoded, handled.body, kept, handled.client, handled.action
        )
        worthless = outcome.reason == Reason.UNAUTHENTICATED or len(handled.body) > _UNSENT_BODY_BYTES
        self._put(final, line, noted=handled.sent or not worthless)

    def restore(self, known: JournalledCommand) -> None:
        """Give again what the journal says was given: the queue has forgotten it."""
        command = readable(known.body)
        client, action = (command.client, command.action) if command is not None else ("", "")
        self._put(
            FinalReply(known.id, State(known.state), known.reply, known.body, client=client, action=action),
            b"",
            noted=True,
        )

    def _put(self, final: FinalReply, line: bytes, *, noted: bool) -> None:
        if final.id not in self._waiting:
            self._waiting[final.id] = final
            self._unnoted[final.id] = (final if noted else None, line)
            self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        backoff = Backoff(0.1, 5.0)
        most = _AT_ONCE
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            some = self._next(most)
            await self._note()
            try:
                verdicts = await self._desk.queue.finish(some)
            except CommandQueueError:
                # Whoever holds the turn tells of it; the same replies go again, fewer at once: they may have
                # been too much for the line in the time that an answer may take.
                most = max(1, len(some) // 2)
                await self._desk.clock.sleep(backoff.next_secs())
                continue
            backoff.reset()
            most = min(_AT_ONCE, most * 2)
            for final, verdict in zip(some, verdicts, strict=True):
                del self._waiting[final.id]
                self.given[final.state] = self.given.get(final.state, 0) + 1
                if verdict == "other":
                    self._desk.report(CommandAnsweredTwice(self._desk.pbx, final.id, str(final.state)))
            self.on_settled()

    def _next(self, most: int) -> list[FinalReply]:
        """The oldest that wait: at most so many, and a megabyte unless one alone is larger."""
        some: list[FinalReply] = []
        size = 0
        for final in islice(self._waiting.values(), most):
            size += len(final.reply) + len(final.body)
            if some and size > _BYTES_AT_ONCE:
                break
            some.append(final)
        return some

    async def _note(self) -> None:
        """Note all that is not in the journal yet; what it does not take now it is offered again."""
        while len(self._unnoted) > _UNNOTED_KEPT:
            del self._unnoted[next(iter(self._unnoted))]
        if not self._unnoted:
            return
        some = list(self._unnoted.items())
        try:
            await self._desk.journal.note_finals(
                [final for _, (final, _) in some if final is not None],
                [line for _, (_, line) in some if line],
            )
        except CommandJournalError as error:
            self._tell_alarm(str(error))
            return
        for id, _ in some:
            self._unnoted.pop(id, None)
        self._tell_alarm("")

    def _tell_alarm(self, alarm: str) -> None:
        if alarm != self._alarm:
            self._alarm = alarm
            self._desk.report(CommandJournalAlarm(self._desk.pbx, alarm))


def readable(body: bytes) -> Command | None:
    """The command of a body, if it is one."""
    try:
        return Command.decode(body)
    except CommandError:
        return None


def encoded_within(reply: Reply, most: int) -> bytes:
    """The reply as bytes, its lists cut until it fits; without any, and its longest texts, if need be."""
    encoded = _encoded(reply, most)
    events, output = reply.events, reply.output
    while encoded is None and (events or output):
        events, output = events[: len(events) // 2], output[: len(output) // 2]
        encoded = _encoded(replace(reply, events=events, output=output, truncated=True), most)
    if encoded is None:
        # The id and the action of a command that could not be read are whatever somebody wrote there.
        encoded = Reply(
            id=reply.id[:_SHORT],
            pbx=reply.pbx,
            action=reply.action[:_SHORT],
            state=reply.state,
            at=reply.at,
            reason=reply.reason[:_SHORT],
            message=reply.message[:1000],
            truncated=True,
        ).encode()
    return encoded


def _encoded(reply: Reply, most: int) -> bytes | None:
    """The reply as bytes, if it has no more than so many."""
    try:
        encoded = reply.encode()
    except EncodeError:
        # Larger than any body may be.
        return None
    return encoded if len(encoded) <= most else None
