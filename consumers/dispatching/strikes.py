"""Whose fault is a failure: the event's, or the sink's?

An event is parked after so many strikes, and a sink that is away for a night must not park a night's
events. So a failure is a strike only where it speaks against the event:

* the sink has taken others since the event's last failure: a strike;
* events of other lanes fail too and none is taken: the sink is at fault, no strike;
* nothing else was tried, so nothing is known: a strike. (A poison event that comes alone must not stand in
  its lane for ever.)

A sink that knows itself to be away raises `SinkUnavailable`, which is never a strike.
"""

from __future__ import annotations

from consumers.dispatching.held import Held


class Strikes:
    """One binding's. Pure."""

    def __init__(self) -> None:
        self.taken = 0
        # Lanes that failed since something was taken last.
        self._failing: set[str] = set()

    def note_taken(self, count: int = 1) -> None:
        self.taken += count
        self._failing.clear()

    def note_failure(self, held: Held) -> None:
        """Count it against the event, if it speaks against it."""
        if len(self._failing) < 2:
            self._failing.add(held.lane)
        others_taken = held.seen_taken >= 0 and self.taken > held.seen_taken
        if others_taken or self._failing == {held.lane}:
            held.strikes += 1
        held.seen_taken = self.taken

    @property
    def sink_at_fault(self) -> bool:
        """Whether several lanes fail and nothing is taken."""
        return len(self._failing) > 1
