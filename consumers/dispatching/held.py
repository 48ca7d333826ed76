"""An event that a binding holds: delivered, wanted by its filter, and not settled yet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from consumers.plugin import SinkEvent
from consumers.ports import Subscription


@dataclass(slots=True, eq=False)
class Feed:
    """A subscription that events come from. Once it is not `alive`, what it gave and is not settled comes
    again by another one. `let_go` asks to end it; `delivered`: it has given something."""

    subscription: Subscription
    alive: bool = True
    delivered: bool = False
    let_go: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class Held:
    """`strikes` counts the failures that are the event's own; `seen_taken` how many events the sink had taken
    at its last failure; `not_before` is when it may be tried again (seconds of the event loop's clock).
    `doomed` is why it is to be parked, where it could not be parked yet."""

    feed: Feed
    tag: int
    event: SinkEvent
    lane: str
    redelivered: bool = False
    strikes: int = 0
    seen_taken: int = -1
    not_before: float = 0.0
    doomed: str = ""
    settled: bool = False

    def settle(self) -> None:
        if not self.settled:
            self.settled = True
            self.feed.subscription.settle(self.tag)
