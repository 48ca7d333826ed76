"""What the commander needs from outside: the queue of commands, the command journal, the line to the PBX.

Adapters implement them, fakes too; one suite of contract tests runs against each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from publisher.ami.fields import ParsedPacket
from publisher.ami.reports import Reply
from publisher.commanding.entries import (
    ALL,
    Claim,
    FinalReply,
    JournalledCommand,
    Memory,
    QueuedCommand,
    SentLine,
    Tenure,
    Verdict,
)


class CommandQueue(Protocol):
    """One PBX's queue. All methods raise `publisher.errors.CommandQueueError`: its subclasses say whether to
    wait (`QueueUnreachable`), to tell an operator (`QueueRefused`), or that another has the turn
    (`QueueHeld`, `QueueFenced`). After an error it is unknown whether the call took effect; each can be made
    again."""

    async def take(self, memory: Memory) -> Tenure:
        """Begin a tenure. Raises `QueueHeld` while another's lease lasts."""
        ...

    async def confirm(self) -> None:
        """Everything that was older than an untrusted turn has been dealt with: a later turn trusts the data
        again. Until then each one is untrusted, also that of another process."""
        ...

    @property
    def memory(self) -> Memory:
        """What to remember of the last turn, up to the last answer; nothing before the first one."""
        ...

    async def renew(self) -> int:
        """Go on with it; how many commands are claimed and not over."""
        ...

    async def release(self) -> None:
        """End it early."""
        ...

    async def wait(self, timeout_secs: float) -> None:
        """Return when there may be something to claim, at the latest after the timeout."""
        ...

    async def claim(self, most: int, upto: tuple[str, str] = ALL) -> Claim:
        """Take at most so many commands out of the queue. `upto`: the last entries to look at, of the
        interactive and of the bulk stream."""
        ...

    async def orphans(self) -> list[QueuedCommand]:
        """All that are claimed and not over; from now on they are ours."""
        ...

    async def mark_sending(self, ids: Sequence[str]) -> list[Verdict]:
        """The last look before sending; those with the verdict SEND are `sending` from now on."""
        ...

    async def finish(self, finals: Sequence[FinalReply]) -> list[str]:
        """Give final replies: "done", "already", "other" or "not_ours" for each."""
        ...

    async def tell(self, id: str, state: str, step: str, more: str = "") -> None:
        """News for whoever waits; lost if it cannot be told."""
        ...

    async def close(self) -> None: ...


class CommandJournal(Protocol):
    """What was sent and how it ended, on the disk of this machine. Methods raise
    `publisher.errors.CommandJournalError` when the disk refuses; then nothing was noted."""

    @property
    def owner(self) -> str:
        """The journal's own name, the same as long as its file lives."""
        ...

    async def memory(self) -> Memory: ...

    async def remember(self, memory: Memory) -> None: ...

    async def note_sent(
        self, lines: Sequence[SentLine], audit: Sequence[bytes] = ()
    ) -> list[JournalledCommand | None]:
        """Note commands, durably, before they are sent, and write their lines of the audit. None for each
        that is new and noted; for another what is known of it: it must not be sent."""
        ...

    async def note_finals(self, finals: Sequence[FinalReply], audit: Sequence[bytes] = ()) -> None:
        """Note how commands ended, and write their lines of the audit; one that is final already stays as it
        is."""
        ...

    async def known(self, ids: Iterable[str]) -> dict[str, JournalledCommand]:
        """What is known of these ids."""
        ...

    async def unfinished(self) -> list[JournalledCommand]:
        """All that were sent and have no final reply, oldest first."""
        ...

    async def finals_since(self, us: int, most: int) -> list[JournalledCommand]:
        """The newest that ended after a moment (microseconds since the Unix epoch)."""
        ...

    async def close(self) -> None: ...


class Taker(Protocol):
    """Takes the answer to one request."""

    def item(self, parsed: ParsedPacket) -> None:
        """One event of a list."""
        ...

    def answered(self, reply: Reply) -> None:
        """The end: the response, or that none will come."""
        ...


class ActionLine(Protocol):
    """The way to a PBX for commands: its live connection, one at a time."""

    @property
    def up(self) -> bool:
        """Whether actions can be sent now."""
        ...

    @property
    def ami_version(self) -> str:
        """The manager interface's version, such as "9.0.0"."""
        ...

    @property
    def channels_known(self) -> bool:
        """Whether the list of live channels was read since the connection stands."""
        ...

    def living(self, uniqueid: str) -> tuple[str, str] | None:
        """A live channel's name and state (as Asterisk numbers it); None if none of that Uniqueid lives."""
        ...

    def send(
        self,
        action: str,
        headers: Iterable[tuple[str, str]],
        action_id: str,
        taker: Taker,
        timeout_secs: float,
    ) -> None:
        """Hand an action over; `flush` writes it. The taker gets exactly one answer, at the latest when the
        connection ends. Raises `publisher.ami.errors.AmiError`; then no byte is sent."""
        ...

    def flush(self) -> None:
        """Write what was handed over."""
        ...
