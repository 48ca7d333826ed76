"""What the services have to say: named events, turned into log lines and counters by one module elsewhere.

They are data only, never on the path of a single event: what happens often is counted, and the count is
reported. Texts hold no secret and no full phone number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Report:
    """Anything worth telling an operator. `pbx` is the PBX's name in the configuration."""

    pbx: str


Reporter = Callable[[Report], None]


@dataclass(slots=True, frozen=True)
class PbxUp(Report):
    """Logged in, and events flow."""

    version: str
    epoch: int


@dataclass(slots=True, frozen=True)
class PbxDown(Report):
    """The connection is gone or did not come about; the next try is in `retry_secs`."""

    cause: str
    reason: str
    retry_secs: float


@dataclass(slots=True, frozen=True)
class PbxLoginRefused(Report):
    """The PBX said no to the login: an operator must act."""

    message: str
    retry_secs: float


@dataclass(slots=True, frozen=True)
class GapAnnounced(Report):
    """Events may have been missed between two moments (microseconds since the Unix epoch)."""

    cause: str
    from_us: int
    to_us: int
    count: int | None


@dataclass(slots=True, frozen=True)
class ResyncDone(Report):
    """The live state was read: how many snapshot events, how many calls had ended unseen."""

    snapshots: int
    ended: int


@dataclass(slots=True, frozen=True)
class ResyncIncomplete(Report):
    """The PBX did not give one of the lists."""

    action: str
    message: str


@dataclass(slots=True, frozen=True)
class FilterNotSet(Report):
    """The PBX did not take a filter: those events are left out here instead."""

    message: str


@dataclass(slots=True, frozen=True)
class EventsNotOn(Report):
    """The PBX did not switch events on as asked: none, or other ones, may come."""

    message: str


@dataclass(slots=True, frozen=True)
class MalformedSeen(Report):
    """Bytes that are no packet; `dropped` says whether content is lost."""

    reason: str
    dropped: bool


@dataclass(slots=True, frozen=True)
class JournalAlarm(Report):
    """The journal has trouble; an empty text says that it is over."""

    alarm: str


@dataclass(slots=True, frozen=True)
class ServiceCrashed(Report):
    """A service stopped on an unforeseen error and is started again."""

    service: str
    error: str
    retry_secs: float


@dataclass(slots=True, frozen=True)
class BusUp(Report):
    """A session with the bus stands; `backlog` records wait to be sent."""

    backlog: int


@dataclass(slots=True, frozen=True)
class BusDown(Report):
    """No session, or it ended: what was unconfirmed is sent again. The next try is in `retry_secs`."""

    reason: str
    unconfirmed: int
    retry_secs: float


@dataclass(slots=True, frozen=True)
class BusRefusal(Report):
    """The bus says no (login, virtual host, topology, topic permission): an operator must act."""

    reason: str
    retry_secs: float


@dataclass(slots=True, frozen=True)
class BusBlocked(Report):
    """The bus takes nothing for now (low on memory or disk); an empty reason says that it is over."""

    reason: str


@dataclass(slots=True, frozen=True)
class MessagesRefused(Report):
    """The bus nacked messages, as a full queue does; they are sent again, in order, after `retry_secs`."""

    count: int
    retry_secs: float


@dataclass(slots=True, frozen=True)
class MessagesUnroutable(Report):
    """Messages that no queue took since the last such report, not even the one for unrouted ones."""

    count: int


@dataclass(slots=True, frozen=True)
class CommandsReady(Report):
    """The command queue is served from here; `waiting` commands were taken over from before."""

    epoch: int
    waiting: int


@dataclass(slots=True, frozen=True)
class CommandsDown(Report):
    """The command queue cannot be served: nothing is sent meanwhile. The next try is in `retry_secs`."""

    reason: str
    retry_secs: float


@dataclass(slots=True, frozen=True)
class CommandsRefusal(Report):
    """The queue's server says no (login, rights, memory): an operator must act."""

    reason: str
    retry_secs: float


@dataclass(slots=True, frozen=True)
class CommandsElsewhere(Report):
    """Another collector has the turn to send this PBX's commands; this one stands by."""

    reason: str


@dataclass(slots=True, frozen=True)
class CommandsFrozen(Report):
    """The queue's data cannot be trusted: older commands are answered `unknown` and never sent."""

    reason: str


@dataclass(slots=True, frozen=True)
class CommandJournalAlarm(Report):
    """The command journal or the audit takes nothing: nothing is sent; an empty text says that it is over."""

    alarm: str


@dataclass(slots=True, frozen=True)
class CommandAnsweredTwice(Report):
    """A command has another final reply in the queue than the one given here; that one stays."""

    id: str
    state: str
