"""Some hundred patterns that are looked for together, as a tier holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from consumers.filtering.shared_pattern import SharedPattern


class Scanner(Protocol):
    """Many patterns, compiled together."""

    def scan(self, text: str, data: bytes | None) -> Iterable[int] | None:
        """The numbers of the patterns that stand in the text, or may, each once; None where it cannot say.

        `data` is the text in UTF-8, None where it holds a lone surrogate.
        """
        ...


class Segment:
    """Patterns in one scanner, by number. A pattern that left is a hole; `live` counts the others."""

    __slots__ = ("live", "patterns", "scanner", "size")

    def __init__(self, scanner: Scanner, patterns: Sequence[SharedPattern]) -> None:
        self.scanner = scanner
        self.patterns: list[SharedPattern | None] = list(patterns)
        self.live = len(patterns)
        self.size = len(patterns)

    def scan(self, text: str, data: bytes | None) -> list[SharedPattern] | None:
        """The patterns that are in the text, or may be; None where nobody can say."""
        numbers = self.scanner.scan(text, data)
        if numbers is None:
            return None
        patterns = self.patterns
        return [pattern for number in numbers if (pattern := patterns[number]) is not None]

    def members(self) -> list[SharedPattern]:
        return [pattern for pattern in self.patterns if pattern is not None]
