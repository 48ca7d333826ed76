"""What a sink is: the interface between the consumers and whatever takes their events.

A sink is a class with an `Options` model, registered under the entry point group `amibus.sinks`. Each binding
that names it gets an instance of its own:

    open ──▶ take, take, … ──▶ close

* `open` connects what can be connected. It may raise `SinkUnavailable`; it is called again, later and later.
* `take` is given one or more events, in order, and answers with one outcome for all or one for each:
  `Done`, `Retry` or `Reject`. Where not this event is the matter but nothing can be taken now (no connection,
  a full disk), it raises `SinkUnavailable`: the events wait, however long, and the sink is closed and opened
  again. Anything else that it raises counts as `Retry`. It is cancelled when it takes longer than the
  binding's `timeout`, which counts as `Retry` too: a sink must bear the same event twice.
* The order of a call's events is kept as long as a sink, in one `take`, takes none of a call after one of the
  same call that it did not take; for those it answers `Retry` as well, which is not held against them.
* Calls of `take` overlap up to the binding's `concurrency`; the events of one phone call are never in two of
  them at once.
* `close` is called after the last `take`, and before `open` is called again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict

from schemas.call_event import CallEvent
from schemas.envelope import Event, packet_text
from schemas.message import Message

SINKS_GROUP: Final = "amibus.sinks"

# What a binding takes: the events of PBXs, or the call events that are made of them.
AnyEvent: TypeAlias = Event | CallEvent


@dataclass(slots=True)
class SinkEvent:
    """One event for a sink: decoded, and as it stood on the bus. A `CallEvent` where its binding is on calls.

    `attempt` counts from 1. `message.message_id` is the event's id, the same however often it comes.
    """

    event: AnyEvent
    message: Message
    attempt: int = 1

    @property
    def id(self) -> str:
        return self.event.id

    @property
    def name(self) -> str:
        """The event's name as Asterisk wrote it, `control.<kind>`, or a call event's state."""
        return self.event.state.value if isinstance(self.event, CallEvent) else self.event.event

    @property
    def text(self) -> str:
        """The packet as Asterisk sent it, `Name: value` and CRLF each; empty for a control event or a call
        event."""
        return "" if isinstance(self.event, CallEvent) else packet_text(self.event)


@dataclass(slots=True, frozen=True)
class Done:
    """The sink has it; it will not come again but after a crash."""


@dataclass(slots=True, frozen=True)
class Retry:
    """Not now: try again, after `after_secs` where the other side has said when. Bounded; then parked."""

    reason: str
    after_secs: float | None = None


@dataclass(slots=True, frozen=True)
class Reject:
    """It will never be taken: park it with this reason."""

    reason: str


Outcome: TypeAlias = Done | Retry | Reject
DONE: Final = Done()


class SinkOptions(BaseModel):
    """The options of a sink in its `[[binding]]`; unknown ones are errors. Each field needs a description."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(slots=True, frozen=True)
class SinkContext:
    """What a sink is told of where it works.

    `folder` is that of the configuration: relative paths start there. `tell` puts one sentence into the log,
    at most a few a minute; no secrets and no whole phone numbers.
    """

    binding: str
    folder: Path = field(default_factory=Path)
    tell: Callable[[str], None] = lambda sentence: None


class Sink(Protocol):
    """A sink's instance."""

    async def open(self) -> None:
        """Get ready. Raises `consumers.errors.SinkUnavailable` with a sentence that says why not."""
        ...

    async def take(self, events: Sequence[SinkEvent]) -> Outcome | Sequence[Outcome]: ...

    async def close(self) -> None: ...


class SinkType(Protocol):
    """A sink's class, as the entry point names it.

    `Options` is the model of its options; `most_events` how many events one `take` can get (1: one by one).
    Raises `consumers.errors.SinkMisconfigured` when options contradict each other, before anything is opened.
    """

    Options: ClassVar[type[SinkOptions]]
    most_events: ClassVar[int]

    def __call__(self, options: Any, context: SinkContext) -> Sink: ...
