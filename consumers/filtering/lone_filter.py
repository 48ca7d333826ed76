"""One filter by itself, as a binding or a subscription asks it: an engine that holds nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from consumers.filtering.engine import FilterEngine
from consumers.filtering.event_filter import CompiledFilter
from consumers.filtering.verdicts import PatternQuarantined, Reason, Verdict
from schemas.envelope import Event

_ONLY: Final = "only"

Said = bool | Reason
"""Whether the filter takes an event, or why that could not be decided."""


class LoneFilter:
    """Its engine is made with the first question, so it can be made where no event loop runs yet."""

    def __init__(
        self, wanted: CompiledFilter, on_quarantine: Callable[[PatternQuarantined], None] = lambda found: None
    ) -> None:
        self._wanted = wanted
        self._on_quarantine = on_quarantine
        self._until = 0.0
        self._engine: FilterEngine[str] | None = None

    async def answers(self, events: Sequence[Event]) -> list[Said]:
        """One for each event, in order; slow patterns are waited for."""
        if self._engine is None:
            self._engine = FilterEngine(self._quarantined)
            self._engine.add(_ONLY, self._wanted)
        decision = await self._engine.decide(events)
        verdicts = decision.verdicts
        if any(verdict.pending for verdict in verdicts):
            verdicts = await decision.settled()
        return [_said(verdict) for verdict in verdicts]

    @property
    def quarantine_secs(self) -> float:
        """How long a pattern is not tried from now on; 0 where all are."""
        return max(0.0, self._until - time.monotonic())

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def _quarantined(self, found: PatternQuarantined) -> None:
        self._until = time.monotonic() + found.retry_secs
        self._on_quarantine(found)


def _said(verdict: Verdict[str]) -> Said:
    return True if verdict.matched else verdict.undecided.get(_ONLY, False)
