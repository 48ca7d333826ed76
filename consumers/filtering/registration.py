"""A filter as the engine holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.filtering.event_filter import CompiledFilter

if TYPE_CHECKING:
    from consumers.filtering.shared_pattern import SharedPattern


class Stay:
    """The time for which an id has a filter, whichever it is. Ended by its removal."""

    __slots__ = ("ended",)

    def __init__(self) -> None:
        self.ended = False


class Registration:
    """One filter under one id. A filter that is replaced gets another one. Compared by identity.

    `conditions` stand in the order in which they are cheap. `alone`: there is nothing to the filter but its
    one condition.
    """

    __slots__ = ("alone", "conditions", "events", "extensions", "filter", "id", "stay")

    def __init__(self, id_: Any, compiled: CompiledFilter, stay: Stay) -> None:
        self.id = id_
        self.stay = stay
        self.filter = compiled
        self.events = compiled.events
        self.extensions = compiled.extensions
        self.conditions: tuple[SharedPattern, ...] = ()
        self.alone = len(compiled.conditions) == 1 and not (compiled.events or compiled.extensions)
