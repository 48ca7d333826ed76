"""Commands as they come from the queue, as they stand in the command journal, and as they end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.reply import State

# Verdicts on a command at the last look before it is sent.
SEND: Final = "send"
EXPIRED: Final = "expired"
CANCELLED: Final = "cancelled"
NOT_OURS: Final = "not_ours"
GONE: Final = "gone"

# Of each stream, interactive and bulk: whatever stands there.
ALL: Final = ("+", "+")


@dataclass(slots=True, frozen=True, kw_only=True)
class QueuedCommand:
    """One command as the queue holds it; nothing of it is checked. Times are milliseconds by Redis's clock.

    `body` is empty where it was too large. `owner` is the journal of whoever claimed or sent it; `entry` its
    place in the stream.
    """

    id: str
    state: str
    body: bytes = b""
    at_ms: int = 0
    ttl_ms: int = 0
    signature: str = ""
    queued_ms: int = 0
    expires_ms: int = 0
    owner: str = ""
    cancelled: bool = False
    entry: str = ""
    bulk: bool = False
    client: str = ""
    action: str = ""


@dataclass(slots=True, frozen=True)
class Claim:
    """What a claim brought: commands that are ours now, and ids that somebody wants cancelled. `looked_at`
    counts the entries that were taken out of the streams, those that named no waiting command too."""

    now_ms: int
    cancelled: tuple[str, ...] = ()
    commands: tuple[QueuedCommand, ...] = ()
    looked_at: int = 0


@dataclass(slots=True, frozen=True)
class Verdict:
    """The last look: SEND, EXPIRED, CANCELLED, NOT_OURS (another has it) or GONE (the queue has forgotten
    it), and how long it may still be begun."""

    word: str
    left_ms: int = 0


@dataclass(slots=True, frozen=True)
class FinalReply:
    """A final reply on its way into the queue. `reply` is encoded; `body`, `client` and `action` are the
    command's own, for a queue that has forgotten it; `kept` what the journal keeps of a large reply, if not
    all of it."""

    id: str
    state: State
    reply: bytes
    body: bytes = b""
    kept: bytes = b""
    client: str = ""
    action: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Tenure:
    """A turn at sending. `trusted`: the queue's data is surely what we left; else what is older than the
    watermarks (the last entries of the two streams then) must not be sent."""

    epoch: int
    identity: str
    now_ms: int
    trusted: bool = True
    watermarks: tuple[str, str] = ("0-0", "0-0")
    why_not: str = ""


@dataclass(slots=True, frozen=True)
class Memory:
    """What a commander remembers of its last tenure; persisted, so that a new process knows it too.

    `writes` counts its own writes and `seen_ms` is when it last had an answer, by Redis's clock; `exact`:
    nothing can have happened since, which only the process itself knows.
    """

    epoch: int = 0
    identity: str = ""
    writes: int = 0
    seen_ms: int = 0
    exact: bool = False


@dataclass(slots=True, frozen=True, kw_only=True)
class SentLine:
    """The line that stands in the command journal before the first byte goes to the PBX.

    `event_pos` is the event journal's position then: what the PBX says of it comes after that.
    """

    id: str
    body: bytes
    sent_us: int
    event_pos: int
    ring_ms: int = 0


@dataclass(slots=True, frozen=True, kw_only=True)
class JournalledCommand:
    """A command as the command journal knows it. `state` and `reply` are empty while it has no final reply;
    `sent_us` is 0 if it was never sent."""

    id: str
    body: bytes
    sent_us: int = 0
    event_pos: int = 0
    ring_ms: int = 0
    state: str = ""
    reply: bytes = b""

    @property
    def is_final(self) -> bool:
        return bool(self.state)
