"""One event while it is being matched: its text and headers, made when first asked for, and what was
found.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from consumers.filtering.event_filter import PACKET_TEXT, folded
from consumers.filtering.shared_pattern import SharedPattern
from consumers.filtering.verdicts import Answer
from schemas.envelope import Event, packet_text

_folded = lru_cache(maxsize=4096)(folded)
_LONGEST_KEPT: Final = 128


class Packet:
    """`found` holds what is known of the patterns: found, not found, or why that is not known."""

    __slots__ = ("_clauses", "_headers", "event", "found", "name", "text")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.name = fold(event.event)
        self.text = packet_text(event)
        self.found: dict[SharedPattern, Answer] = {}
        self._headers: dict[str, tuple[str, ...]] | None = None
        self._clauses: dict[frozenset[str], bool] = {}

    def values(self, subject: str) -> Sequence[str]:
        """Where a condition with this subject is searched: the packet's text, or each value of a header."""
        if subject == PACKET_TEXT:
            return (self.text,)
        headers = self._headers
        if headers is None:
            headers = self._headers = self._read_headers()
        return headers.get(subject, ())

    def _read_headers(self) -> dict[str, tuple[str, ...]]:
        headers: dict[str, tuple[str, ...]] = {}
        for name, value in self.event.fields.items():
            key = fold(name)
            values = (value,) if isinstance(value, str) else tuple(value)
            # Two spellings of one name in the same packet are one repeated header.
            headers[key] = headers[key] + values if key in headers else values
        return headers

    def forget_doubts(self) -> None:
        """Keep of what was found only that which is certain."""
        self.found = {pattern: found for pattern, found in self.found.items() if isinstance(found, bool)}

    def may_hold(self, clauses: Sequence[frozenset[str]]) -> bool:
        """Whether a text of each clause stands in the packet's text."""
        for clause in clauses:
            held = self._clauses.get(clause)
            if held is None:
                text = self.text
                held = self._clauses[clause] = any(literal in text for literal in clause)
            if not held:
                return False
        return True


def fold(name: str) -> str:
    """`folded`, quicker for the names that come again and again."""
    return _folded(name) if len(name) <= _LONGEST_KEPT else folded(name)
