"""Which texts a pattern needs: clauses, of each of which one text stands wherever the pattern is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from consumers.filtering.syntax import Begin, Choice, End, Loose, Node, One, Repeat, Row, Somewhere

MOST_TEXTS: Final = 16
MOST_CLAUSES: Final = 8
_LONGEST: Final = 64

Texts = frozenset[str]
_EMPTY: Final[Texts] = frozenset({""})


@dataclass(slots=True, frozen=True)
class _Needs:
    """`whole`: all texts that the part may match, None where they are too many; else what it needs."""

    whole: Texts | None
    clauses: tuple[Texts, ...] = ()

    def all_clauses(self) -> tuple[Texts, ...]:
        return self.clauses if self.whole is None else _clause(self.whole)


_NOTHING_KNOWN: Final = _Needs(None)
_NO_TEXT: Final = _Needs(_EMPTY)


def clauses_of(node: Node) -> tuple[Texts, ...]:
    """The clauses, in the order of the pattern; none where nothing is sure."""
    return tuple(dict.fromkeys(_needs(node).all_clauses()))[:MOST_CLAUSES]


def _clause(texts: Texts) -> tuple[Texts, ...]:
    return () if "" in texts else (texts,)


def _needs(node: Node) -> _Needs:
    match node:
        case One(characters):
            return _Needs(characters.few(MOST_TEXTS))
        case Row(items):
            return _row([_needs(item) for item in items])
        case Choice(options):
            return _choice([_needs(option) for option in options])
        case Loose(item):
            return _needs(item)
        case Repeat(item, least, most):
            inner = _needs(item)
            if least == most and least <= _LONGEST and inner.whole is not None:
                return _row([inner] * least)
            return _Needs(None, inner.all_clauses()) if least else _NOTHING_KNOWN
        case Begin() | End() | Somewhere():
            return _NO_TEXT
    return _NOTHING_KNOWN


def _row(parts: Sequence[_Needs]) -> _Needs:
    """Neighbours that are known whole are joined as long as their texts are few."""
    clauses: list[Texts] = []
    run = _EMPTY
    whole = True
    for part in parts:
        joined = None if part.whole is None else _joined(run, part.whole)
        if joined is not None:
            run = joined
            continue
        whole = False
        clauses.extend(_clause(run))
        if part.whole is None:
            clauses.extend(part.clauses)
            run = _EMPTY
        else:
            run = part.whole
    if whole:
        return _Needs(run)
    return _Needs(None, (*clauses, *_clause(run))[:MOST_CLAUSES])


def _joined(left: Texts, right: Texts) -> Texts | None:
    if len(left) * len(right) > MOST_TEXTS:
        return None
    joined = frozenset(first + second for first, second in product(left, right))
    return joined if max(map(len, joined)) <= _LONGEST else None


def _choice(parts: Sequence[_Needs]) -> _Needs:
    if all(part.whole is not None for part in parts):
        texts = frozenset[str]().union(*(part.whole or () for part in parts))
        if len(texts) <= MOST_TEXTS:
            return _Needs(texts)
    each = [part.all_clauses() for part in parts]
    if not all(each):
        return _NOTHING_KNOWN
    # The first clause of each option makes one together, the second of each, and so on.
    found = []
    for number in range(min(MOST_CLAUSES, max(map(len, each)))):
        texts = frozenset[str]().union(*(clauses[min(number, len(clauses) - 1)] for clauses in each))
        if len(texts) <= MOST_TEXTS:
            found.append(texts)
    return _Needs(None, tuple(found))
