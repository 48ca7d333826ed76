"""One filter tried on events one by one: what it takes, what that costs, and where in the packet it is
found.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from consumers.filtering.event_filter import PACKET_TEXT, Condition, EventFilter
from consumers.filtering.hazards import hazards
from consumers.filtering.literals import Literal
from consumers.filtering.packet import Packet, fold
from consumers.filtering.patterns import Pattern, match_spans
from schemas.envelope import Event

MOST_SECS: Final = 0.25
_LINE: Final = re.compile(r"([^:\r\n]+): ?([^\r]*)(?:\r\n|\Z)")

Span = tuple[int, int]
"""From and up to, in the packet's text."""


@dataclass(slots=True, frozen=True)
class Tried:
    """`taken` is None where a pattern took longer than `MOST_SECS`. `cost_secs` is the time on the wall."""

    taken: bool | None
    cost_secs: float


class Trial:
    """Tries one filter. Raises `FilterInvalid` when made."""

    def __init__(self, wanted: EventFilter) -> None:
        self._filter = wanted.compiled()

    def judge(self, event: Event) -> Tried:
        """Whether the filter takes the event. The cost has the making of the packet's text in it."""
        began = time.perf_counter()
        try:
            taken = self._takes(Packet(event))
        except TimeoutError:
            taken = None
        return Tried(taken, time.perf_counter() - began)

    def _takes(self, packet: Packet) -> bool | None:
        wanted = self._filter
        if wanted.events and packet.name not in wanted.events:
            return False
        if wanted.extensions and wanted.extensions.isdisjoint(packet.event.extensions):
            return False
        return all(
            self._found(condition, packet.values(condition.subject)) for condition in wanted.conditions
        )

    def _found(self, condition: Condition, values: Sequence[str]) -> bool:
        return any(condition.pattern.found_in(value, MOST_SECS) for value in values)

    def spans(self, event: Event) -> list[Span]:
        """Where the parts of the filter are found in the text of an event that it takes, in order."""
        text = Packet(event).text
        found: list[Span] = []
        for condition in self._filter.conditions:
            for start, value in _places(condition, text):
                found += [(start + first, start + last) for first, last in _spans(condition.pattern, value)]
        return sorted(span for span in found if span[0] < span[1])

    def dangers(self) -> list[str]:
        """Sentences on patterns that can take very long, with what a made-up text showed."""
        return [
            f"{condition.part}: {hazard.sentence}; {_probed(condition.pattern, hazard.probe)}"
            for condition in self._filter.conditions
            if isinstance(condition.pattern, Pattern)
            for hazard in hazards(condition.pattern.source)
        ]


def _places(condition: Condition, text: str) -> Iterator[tuple[int, str]]:
    """Where a condition is searched: a place in the packet's text, and what stands there."""
    if condition.subject == PACKET_TEXT:
        yield 0, text
        return
    for line in _LINE.finditer(text):
        if fold(line[1]) == condition.subject:
            yield line.start(2), line[2]


def _spans(pattern: Pattern | Literal, value: str) -> list[Span]:
    if isinstance(pattern, Literal):
        return [found.span() for found in re.finditer(re.escape(pattern.source), value)]
    try:
        return match_spans(pattern.source, value, MOST_SECS)
    except TimeoutError:
        return []


def _probed(pattern: Pattern, probe: str) -> str:
    """What a search for the pattern in the probe cost."""
    began = time.perf_counter()
    try:
        pattern.found_in(probe, MOST_SECS)
    except TimeoutError:
        return f"on a made-up text of {len(probe)} characters it took more than {MOST_SECS * 1e3:.0f} ms"
    took_us = (time.perf_counter() - began) * 1e6
    return f"on a made-up text of {len(probe)} characters it took {took_us:,.0f} µs"
