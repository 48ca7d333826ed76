"""A binding as it was defined: which events, through which filter, to which sink, within which bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from consumers.dispatching.settings import DispatchSettings
from consumers.filtering import CompiledFilter, EventFilter, narrowed_keys
from consumers.plugin import SinkOptions
from consumers.ports import MAX_WAITING, Binding
from consumers.sinks.registry import FoundSink

EVENTS = "events"
CALLS = "calls"


@dataclass(slots=True, frozen=True)
class BindingDefinition:
    """Everything about one binding, checked. Two that are equal need no change.

    `on` is what it takes: "events", or the "calls" that are made of them. `folder` is where relative paths of
    the sink's options begin. `compiled` is the filter ready for use, None where it takes everything.
    """

    name: str
    sink: FoundSink
    options: SinkOptions
    keys: tuple[str, ...] = ("#",)
    filter: EventFilter = field(default_factory=EventFilter)
    compiled: CompiledFilter | None = field(default=None, compare=False)
    settings: DispatchSettings = field(default_factory=DispatchSettings)
    on: str = EVENTS
    start: str = "new"
    max_waiting: int = MAX_WAITING
    partitions: int = 0
    folder: Path = field(default_factory=Path)

    @property
    def bound_keys(self) -> Sequence[str]:
        """The keys, as far as the filter needs them: what it surely leaves is not even delivered."""
        return narrowed_keys(self.keys, self.filter) if self.on == EVENTS else self.keys

    @property
    def binding(self) -> Binding:
        """Its place on the bus."""
        return Binding(
            self.name,
            tuple(self.bound_keys),
            start=self.start,
            max_waiting=self.max_waiting,
            partitions=self.partitions,
        )
