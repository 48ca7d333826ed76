"""Patterns by texts that each of them needs: all texts are looked for in one pass (Aho-Corasick).

A pattern has clauses, and of each clause a text must be there. It is found by its rarest clause, that whose
texts the fewest other patterns need: of a thousand patterns `Dial.+?NNN|Hangup.+?NNN`, by the number.
Patterns that share another clause, `Dial` or `Hangup`, stand together behind it: most packets hold neither,
and are not searched for the numbers at all.

The only door to pyahocorasick.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import ahocorasick  # type: ignore[import-not-found]

from consumers.filtering.shared_pattern import SharedPattern

# A clause that so many patterns share is worth a look of its own, but there must not be many such looks.
FEWEST_BEHIND: Final = 16
MOST_GUARDS: Final = 64

Texts = frozenset[str]
_NO_GUARD: Final[Texts] = frozenset()


class LiteralScanner:
    """A scanner of `Tier`: finds the patterns of which a text of each of two clauses stands there."""

    def __init__(self, behind: dict[Texts, dict[int, Texts]]) -> None:
        """`behind` a guard: for the numbers of its patterns, the texts by which they are found."""
        self._guarded = [(guard, _finder(needed)) for guard, needed in behind.items()]

    def scan(self, text: str, data: bytes | None) -> Iterable[int] | None:
        found: set[int] = set()
        for guard, find in self._guarded:
            if not guard or any(one in text for one in guard):
                for _, numbers in find(text):
                    found.update(numbers)
        return found


def _finder(needed: dict[int, Texts]) -> Any:
    """Gives, for a text, an end and the patterns' numbers of each text that stands in it."""
    by_text: dict[str, list[int]] = defaultdict(list)
    for number, texts in needed.items():
        for text in texts:
            by_text[text].append(number)
    automaton = ahocorasick.Automaton()
    for text, numbers in by_text.items():
        automaton.add_word(text, tuple(numbers))
    automaton.make_automaton()
    return automaton.iter


def compile_literals(patterns: Sequence[SharedPattern]) -> tuple[LiteralScanner, Sequence[SharedPattern]]:
    """The scanner, and all patterns, in the order of their numbers."""
    needed_by = Counter(text for pattern in patterns for text in _texts(pattern))
    shared_by = Counter(clause for pattern in patterns for clause in pattern.form.clauses)
    guards = {clause for clause, times in shared_by.most_common(MOST_GUARDS) if times >= FEWEST_BEHIND}

    def rarity(clause: Texts) -> tuple[int, int]:
        return max(needed_by[text] for text in clause), -min(map(len, clause))

    behind: dict[Texts, dict[int, Texts]] = defaultdict(dict)
    for number, pattern in enumerate(patterns):
        rarest = min(pattern.form.clauses, key=rarity)
        others = [clause for clause in pattern.form.clauses if clause in guards and clause != rarest]
        guard = max(others, key=lambda clause: min(map(len, clause)), default=_NO_GUARD)
        behind[guard][number] = rarest
    return LiteralScanner(behind), patterns


def _texts(pattern: SharedPattern) -> set[str]:
    return {text for clause in pattern.form.clauses for text in clause}
