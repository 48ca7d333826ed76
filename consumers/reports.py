"""What the consumers have to say: named events, turned into log lines by whoever runs them.

Data only. `LEVEL` is how loud one is; `REPEATS` is False where none is kept back as a repeat. Texts hold no
secret and no full phone number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(slots=True, frozen=True)
class BindingReport:
    """Anything worth telling of a binding. `binding` is its name in the configuration."""

    LEVEL: ClassVar[str] = "info"
    REPEATS: ClassVar[bool] = True

    binding: str


BindingReporter = Callable[[BindingReport], None]


@dataclass(slots=True, frozen=True)
class BindingServed(BindingReport):
    """Its events go to its sink."""

    sink: str


@dataclass(slots=True, frozen=True)
class BindingEnded(BindingReport):
    """It was taken out of the configuration, or the process ends: `taken` events went to its sink."""

    taken: int
    parked: int


@dataclass(slots=True, frozen=True)
class BindingBusDown(BindingReport):
    """No deliveries: the bus is away, or does not allow it. What is not settled comes again."""

    LEVEL: ClassVar[str] = "warning"

    reason: str
    retry_secs: float


@dataclass(slots=True, frozen=True)
class SinkDown(BindingReport):
    """The sink takes nothing now; the events wait."""

    LEVEL: ClassVar[str] = "warning"

    reason: str
    retry_secs: float


@dataclass(slots=True, frozen=True)
class SinkTold(BindingReport):
    """What a sink had to say."""

    sentence: str


@dataclass(slots=True, frozen=True)
class EventParked(BindingReport):
    """An event was put aside: the sink will not take it. See `amibus parked`."""

    LEVEL: ClassVar[str] = "warning"

    id: str
    reason: str
    tries: int


@dataclass(slots=True, frozen=True)
class ParkingFailed(BindingReport):
    """An event cannot even be put aside now; its call waits."""

    LEVEL: ClassVar[str] = "error"

    reason: str


@dataclass(slots=True, frozen=True)
class FilterTimedOut(BindingReport):
    """The filter's pattern took too long on an event, which was parked."""

    LEVEL: ClassVar[str] = "warning"

    id: str


@dataclass(slots=True, frozen=True)
class FilterQuarantined(BindingReport):
    """The filter's pattern keeps taking too long: the binding waits, and so do its events."""

    LEVEL: ClassVar[str] = "error"

    retry_secs: float


@dataclass(slots=True, frozen=True)
class BindingRemoved(BindingReport):
    """It is gone from the configuration, and from the bus with what waited there."""


@dataclass(slots=True, frozen=True)
class ConfigurationChanged(BindingReport):
    """The configuration was read again: these bindings are served now. `restart_for`: tables that changed
    too, and count only after a restart."""

    REPEATS: ClassVar[bool] = False

    bindings: tuple[str, ...]
    restart_for: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class ConfigurationRefused(BindingReport):
    """The changed configuration is wrong; everything goes on as it was."""

    LEVEL: ClassVar[str] = "error"
    REPEATS: ClassVar[bool] = False

    reason: str


@dataclass(slots=True, frozen=True)
class BindingCrashed(BindingReport):
    """A fault inside ami-bus ended the binding; it begins anew. Please report it."""

    LEVEL: ClassVar[str] = "error"

    error: str
    retry_secs: float


@dataclass(slots=True, frozen=True)
class BindingRefused(BindingReport):
    """A changed configuration was not taken over for this binding: it goes on as it was."""

    LEVEL: ClassVar[str] = "error"

    reason: str


@dataclass(slots=True, frozen=True)
class FoldingReady(BindingReport):
    """This process takes its place in the line of those that make call events; one of them does."""


@dataclass(slots=True, frozen=True)
class FoldingBegun(BindingReport):
    """Call events are made here now; `open_calls` calls were known from before. Other processes stand by."""

    open_calls: int


@dataclass(slots=True, frozen=True)
class FoldingEnded(BindingReport):
    """Call events are not made here any more: `told` of them went to the bus."""

    told: int


@dataclass(slots=True, frozen=True)
class CallStateLost(BindingReport):
    """What was known of the calls that go on cannot be read; they are told anew, as `begun_unseen`."""

    LEVEL: ClassVar[str] = "error"

    reason: str


@dataclass(slots=True, frozen=True)
class CallStateNotSaved(BindingReport):
    """What is known of the calls that go on is too large to be saved: a restart would not know them."""

    LEVEL: ClassVar[str] = "error"

    reason: str


@dataclass(slots=True, frozen=True)
class CallEventsDropped(BindingReport):
    """Too many call events waited for the binding, and its oldest could not even be parked."""

    LEVEL: ClassVar[str] = "error"

    count: int
    reason: str
