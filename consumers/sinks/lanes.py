"""Which events must keep their order: those of one call on one PBX."""

from __future__ import annotations

from consumers.plugin import SinkEvent


def lane_of(event: SinkEvent) -> str:
    """The same text for events of the same call; one a PBX for what concerns no call."""
    return f"{event.message.headers.pbx}/{event.message.headers.call}"
