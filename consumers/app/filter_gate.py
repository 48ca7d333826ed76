"""One binding's filter, as the dispatcher asks it."""

from __future__ import annotations

from collections.abc import Sequence

from consumers.dispatching.intake import Answer
from consumers.filtering import QUARANTINED, CompiledFilter, LoneFilter, Said
from consumers.plugin import AnyEvent
from schemas.call_event import CallEvent
from schemas.envelope import Event


class FilterGate:
    """Implements `consumers.dispatching.intake.Gate`. A call event has no packet: its extensions alone are
    looked at."""

    def __init__(self, wanted: CompiledFilter) -> None:
        self._extensions = wanted.extensions
        self._filter = LoneFilter(wanted)

    async def answers(self, events: Sequence[AnyEvent]) -> Sequence[Answer]:
        packets = [event for event in events if isinstance(event, Event)]
        answered = iter(await self._filter.answers(packets) if packets else ())
        return [
            self._answer_of_call(event) if isinstance(event, CallEvent) else _answer(next(answered))
            for event in events
        ]

    def _answer_of_call(self, event: CallEvent) -> Answer:
        if self._extensions and self._extensions.isdisjoint(event.extensions):
            return Answer.NO
        return Answer.YES

    @property
    def quarantine_secs(self) -> float:
        return self._filter.quarantine_secs

    async def close(self) -> None:
        self._filter.close()


def _answer(said: Said) -> Answer:
    if isinstance(said, bool):
        return Answer.YES if said else Answer.NO
    # "busy" counts as a timeout; one slow lane holds more than a prefetch, so it does not come about.
    return Answer.QUARANTINED if said == QUARANTINED else Answer.TIMEOUT
