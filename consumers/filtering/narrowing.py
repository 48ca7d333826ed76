"""What a filter fixes for certain, as topic patterns: the broker then sends no event that cannot pass."""

from __future__ import annotations

from collections.abc import Sequence

from consumers.filtering.event_filter import EventFilter


def narrowed_keys(keys: Sequence[str], wanted: EventFilter) -> tuple[str, ...]:
    """Topic patterns that take, of the events that `keys` take, all that pass the filter, and no others."""
    return tuple(keys)
