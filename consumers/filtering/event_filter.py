"""What a filter asks of an event, and the same compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from consumers.errors import FilterInvalid
from consumers.filtering.literals import Literal
from consumers.filtering.patterns import LONGEST_PATTERN, Pattern, compile_pattern

MOST_NAMES: Final = 1000
PACKET_TEXT: Final = ""
"""The subject of a pattern that is searched for in the whole packet; any other is a header's name."""


@dataclass(slots=True, frozen=True)
class EventFilter:
    """Which events are wanted. All given parts must hold; a filter without parts takes every event.

    * `contains`: this text stands in the packet's text, case and all.
    * `regex`: this pattern is found in the packet's text (module `regex`, DOTALL).
    * `where`: each pattern is found in the value of the header that it stands for, whatever the case of the
      header's name; of a repeated header, in any of its values. An event without the header is not taken.
    * `events`: the event has one of these names, whatever their case.
    * `extensions`: the event concerns one of these extensions, exactly as they are written.

    The packet's text is `schemas.envelope.packet_text`: `Name: value` and CRLF each, as Asterisk sent it. A
    control event has none, and no headers.
    """

    contains: str = ""
    regex: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    events: Iterable[str] = ()
    extensions: Iterable[str] = ()

    def compiled(self) -> CompiledFilter:
        """The filter, ready to be used. Raises `FilterInvalid`. May take milliseconds for a large pattern."""
        if len(self.contains) > LONGEST_PATTERN:
            raise FilterInvalid(
                "contains",
                f"a text of {len(self.contains):,} characters, at most {LONGEST_PATTERN:,} are allowed",
            )
        conditions = []
        if self.contains:
            conditions.append(Condition(PACKET_TEXT, Literal(self.contains)))
        if self.regex:
            conditions.append(Condition(PACKET_TEXT, compile_pattern(self.regex)))
        for name, source in _checked_where(self.where).items():
            conditions.append(Condition(folded(name), compile_pattern(source, f"where.{name}")))
        return CompiledFilter(
            conditions=tuple(conditions),
            events=frozenset(map(folded, _names("events", self.events))),
            extensions=frozenset(_names("extensions", self.extensions)),
        )


def folded(name: str) -> str:
    """A name of an event or a header as it is compared; the same mapping as routing keys use."""
    return name.lower()


def _checked_where(where: Mapping[str, str]) -> Mapping[str, str]:
    if len(where) > MOST_NAMES:
        raise FilterInvalid("where", f"{len(where):,} headers, at most {MOST_NAMES:,} are allowed")
    for name in where:
        if not name:
            raise FilterInvalid("where", "a header without a name")
    return where


def _names(part: str, names: Iterable[str]) -> list[str]:
    """Not empty ones, and not one text by mistake. Raises `FilterInvalid`."""
    if isinstance(names, str):
        raise FilterInvalid(part, "one text where a list of texts is wanted")
    found = list(names)
    if len(found) > MOST_NAMES:
        raise FilterInvalid(part, f"{len(found):,} names, at most {MOST_NAMES:,} are allowed")
    if not all(found):
        raise FilterInvalid(part, "an empty name, which no event has")
    return found


@dataclass(slots=True, frozen=True)
class Condition:
    """A pattern or text and where it is searched for: `PACKET_TEXT`, or a header's folded name."""

    subject: str
    pattern: Pattern | Literal

    @property
    def part(self) -> str:
        """The part of the filter that it comes from, as errors and reports name it."""
        if self.subject:
            return f"where.{self.subject}"
        return "contains" if isinstance(self.pattern, Literal) else "regex"


@dataclass(slots=True, frozen=True)
class CompiledFilter:
    """A filter that was found valid. Names of events are folded; `contains` has become a condition."""

    conditions: tuple[Condition, ...]
    events: frozenset[str]
    extensions: frozenset[str]
