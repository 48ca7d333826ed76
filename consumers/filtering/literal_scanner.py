"""Patterns by a text that each of them needs: all texts are looked for in one pass (Aho-Corasick).

A pattern has clauses, and of each clause a text must be there. One clause is enough to narrow it down, and
the best one is that whose texts the fewest other patterns need: of a thousand patterns `Dial.+?NNN`, the
number. The only door to pyahocorasick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import ahocorasick  # type: ignore[import-not-found]

from consumers.filtering.shared_pattern import SharedPattern


class LiteralScanner:
    """A scanner of `Tier`: finds the patterns of which a text stands there."""

    def __init__(self, needed: Sequence[frozenset[str]]) -> None:
        by_text: dict[str, list[int]] = {}
        for number, texts in enumerate(needed):
            for text in texts:
                by_text.setdefault(text, []).append(number)
        automaton = ahocorasick.Automaton()
        for text, numbers in by_text.items():
            automaton.add_word(text, tuple(numbers))
        automaton.make_automaton()
        self._find = automaton.iter

    def scan(self, text: str, data: bytes | None) -> Iterable[int] | None:
        return {number for _, numbers in self._find(text) for number in numbers}


def compile_literals(patterns: Sequence[SharedPattern]) -> tuple[LiteralScanner, Sequence[SharedPattern]]:
    """The scanner, and all patterns, in the order of their numbers."""
    needed_by = Counter(text for pattern in patterns for text in _texts(pattern))

    def rarity(clause: frozenset[str]) -> tuple[int, int]:
        return max(needed_by[text] for text in clause), -min(map(len, clause))

    return LiteralScanner([min(pattern.form.clauses, key=rarity) for pattern in patterns]), patterns


def _texts(pattern: SharedPattern) -> set[str]:
    return {text for clause in pattern.form.clauses for text in clause}
