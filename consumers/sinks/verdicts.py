"""What becomes of each event of one take, while it is under way.

Invariants: one outcome an event; none of a call is taken after one of the same call that was not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from consumers.errors import SinkUnavailable
from consumers.plugin import Outcome, Retry, SinkEvent
from consumers.sinks.lanes import lane_of


class Verdicts:
    """Those of one take, by the event's place in it."""

    def __init__(self, events: Sequence[SinkEvent]) -> None:
        self._events = events
        self._outcomes: list[Outcome | None] = [None] * len(events)
        self._held_back: dict[str, str] = {}

    def put(self, places: Iterable[int], outcome: Outcome) -> None:
        for place in places:
            self._outcomes[place] = outcome
            if isinstance(outcome, Retry):
                event = self._events[place]
                self._held_back.setdefault(lane_of(event), event.id)

    def may_go(self, place: int) -> bool:
        """Whether it may be tried; one that must wait for another of its call is put off."""
        before = self._held_back.get(lane_of(self._events[place]))
        if before is None:
            return True
        self.put([place], Retry(f"it waits for {before}, an earlier event of the same call"))
        return False

    def those_that_may_go(self, places: Iterable[int]) -> list[int]:
        return [place for place in places if self.may_go(place)]

    def unavailable(self, error: SinkUnavailable) -> list[Outcome]:
        """Nothing more can be taken. Raises that; where something is decided already, puts the rest off."""
        if all(outcome is None for outcome in self._outcomes):
            raise error
        self.put([at for at, outcome in enumerate(self._outcomes) if outcome is None], Retry(str(error)))
        return self.all()

    def all(self) -> list[Outcome]:
        """Every event's, in order; all are decided."""
        return [outcome for outcome in self._outcomes if outcome is not None]
