"""An event that a subscription holds: delivered, and not settled yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from consumers.ports import Subscription
from schemas.call_event import CallEvent
from schemas.envelope import Event
from schemas.message import Message

Body: TypeAlias = Event | CallEvent


@dataclass(slots=True, eq=False)
class Feed:
    """A subscription that events come from. Once it is not `alive`, what it gave and is not settled comes
    again by another one."""

    subscription: Subscription
    alive: bool = True


@dataclass(slots=True, eq=False)
class Held:
    """`number` counts deliveries from 1. `body` is None where it could not be read. `not_before` is when it
    may be given out again (seconds of the event loop's clock), `attempt` how often it was."""

    feed: Feed
    tag: int
    number: int
    message: Message
    body: Body | None
    redelivered: bool
    undecided: str = ""
    attempt: int = 0
    not_before: float = 0.0

    @property
    def id(self) -> str:
        return self.message.message_id if self.body is None else self.body.id

    @property
    def lane(self) -> str:
        """The phone call that it belongs to; or the whole PBX, where it concerns no call."""
        headers = self.message.headers
        return f"{headers.pbx}/{headers.call}"

    def settle(self) -> None:
        """Say that it is done with. What a lost subscription gave comes again whatever is said."""
        if self.feed.alive:
            self.feed.subscription.settle(self.tag)
