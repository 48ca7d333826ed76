"""The filter of one subscription, asked outside the event loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from consumers.events.reports import FilterQuarantined, StreamReporter
from consumers.filtering import QUARANTINED, CompiledFilter, FilterEngine, PatternQuarantined, Verdict
from schemas.envelope import Event

YES: Final = "yes"
NO: Final = "no"


class Gate:
    """Answers are `YES`, `NO`, or why there is none: a `consumers.filtering.Reason`. Made without work."""

    def __init__(self, name: str, wanted: CompiledFilter, report: StreamReporter) -> None:
        self._name = name
        self._wanted = wanted
        self._report = report
        self._until = 0.0
        self._engine: FilterEngine[str] | None = None

    async def answers(self, events: Sequence[Event]) -> list[str]:
        """One for each event, in order."""
        if self._engine is None:
            self._engine = FilterEngine(self._quarantined)
            self._engine.add(self._name, self._wanted)
        decision = await self._engine.decide(events)
        verdicts = decision.verdicts
        if any(verdict.pending for verdict in verdicts):
            verdicts = await decision.settled()
        return [self._answer(verdict) for verdict in verdicts]

    @property
    def quarantine_secs(self) -> float:
        """How long a pattern is not tried from now on; 0 where all are."""
        return max(0.0, self._until - time.monotonic())

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def _answer(self, verdict: Verdict[str]) -> str:
        return YES if verdict.matched else verdict.undecided.get(self._name, NO)

    def _quarantined(self, found: PatternQuarantined) -> None:
        self._until = time.monotonic() + found.retry_secs
        self._report(FilterQuarantined(self._name, found.part, round(found.retry_secs, 1)))


def is_quarantine(answer: str) -> bool:
    """Whether the event was not even looked at."""
    return answer == QUARANTINED
