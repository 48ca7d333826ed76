"""What a client of events has to say while it runs. Data only; a report's text is one sentence.

Nothing is logged here: what `EventClient.connect` was given as `on_report` gets them, on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class StreamReport:
    """Anything worth telling of a subscription. `stream` is its name, or that of one without a name."""

    stream: str


StreamReporter = Callable[[StreamReport], None]


@dataclass(slots=True, frozen=True)
class BusDown(StreamReport):
    """No events now: the bus is away, or does not allow it. What is not settled comes again."""

    reason: str
    retry_secs: float

    def __str__(self) -> str:
        return f"{self.stream}: no events: {self.reason}; the next try is in {self.retry_secs:g} s"


@dataclass(slots=True, frozen=True)
class BusBack(StreamReport):
    """The events go on. `missed`: those of meanwhile are not among them, because nothing kept them."""

    missed: bool

    def __str__(self) -> str:
        lost = "; what was published meanwhile is missing" if self.missed else ""
        return f"{self.stream}: the events go on{lost}"


@dataclass(slots=True, frozen=True)
class EventParked(StreamReport):
    """An event was put aside: rejected, unreadable, or too much for the filter. See `amibus parked`."""

    id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.stream}: the event {self.id} was parked: {self.reason}"


@dataclass(slots=True, frozen=True)
class ParkingFailed(StreamReport):
    """An event cannot be put aside now. It is tried again, and its place is taken as long."""

    id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.stream}: the event {self.id} cannot be parked now: {self.reason}"


@dataclass(slots=True, frozen=True)
class FilterQuarantined(StreamReport):
    """A pattern of the filter keeps taking too long, and is not tried for a while."""

    part: str
    retry_secs: float

    def __str__(self) -> str:
        return f"{self.stream}: {self.part} keeps taking too long; it is not tried for {self.retry_secs:g} s"
