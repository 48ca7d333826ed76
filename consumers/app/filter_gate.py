"""One binding's filter, as the dispatcher asks it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from consumers.dispatching.intake import Answer
from consumers.filtering import QUARANTINED, CompiledFilter, FilterEngine, PatternQuarantined, Verdict
from consumers.plugin import AnyEvent
from schemas.call_event import CallEvent
from schemas.envelope import Event


class FilterGate:
    """Implements `consumers.dispatching.intake.Gate`. A call event has no packet: its extensions alone are
    looked at."""

    def __init__(self, name: str, wanted: CompiledFilter) -> None:
        self._name = name
        self._until = 0.0
        self._extensions = wanted.extensions
        self._engine: FilterEngine[str] = FilterEngine(self._quarantined)
        self._engine.add(name, wanted)

    async def answers(self, events: Sequence[AnyEvent]) -> Sequence[Answer]:
        packets = [event for event in events if isinstance(event, Event)]
        answered = iter(await self._asked(packets) if packets else ())
        return [
            self._answer_of_call(event) if isinstance(event, CallEvent) else next(answered)
            for event in events
        ]

    def _answer_of_call(self, event: CallEvent) -> Answer:
        if self._extensions and self._extensions.isdisjoint(event.extensions):
            return Answer.NO
        return Answer.YES

    async def _asked(self, events: Sequence[Event]) -> Sequence[Answer]:
        decision = await self._engine.decide(events)
        verdicts = decision.verdicts
        if any(verdict.pending for verdict in verdicts):
            verdicts = await decision.settled()
        return [self._answer(verdict) for verdict in verdicts]

    @property
    def quarantine_secs(self) -> float:
        return max(0.0, self._until - time.monotonic())

    async def close(self) -> None:
        self._engine.close()

    def _answer(self, verdict: Verdict[str]) -> Answer:
        if verdict.matched:
            return Answer.YES
        reason = verdict.undecided.get(self._name)
        if reason is None:
            return Answer.NO
        if reason == QUARANTINED:
            return Answer.QUARANTINED
        # "busy" too: one binding's slow lane holds more than its prefetch, so it does not come about.
        return Answer.TIMEOUT

    def _quarantined(self, report: PatternQuarantined) -> None:
        self._until = time.monotonic() + report.retry_secs
