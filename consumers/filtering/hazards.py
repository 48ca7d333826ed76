"""Patterns that can take very long: what in them is dangerous, and a text that shows it.

Two things make a search explode: something repeated without end within something repeated without end, and
a choice within such a repeat of which several options match the same text. Both are dangerous only where
one text can be divided in several ways, so `(\\d+,)*`, whose repeats are kept apart by a comma, is left
alone. Several repeats in a row that take the same characters only make it slow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from consumers.filtering.characters import Ranges, others
from consumers.filtering.parsing import Unread, parse
from consumers.filtering.syntax import Choice, Loose, Node, One, Repeat, Row

MOST_HARMLESS: Final = 12
_IN_A_ROW: Final = 3
_TIMES: Final = 40
_PREFERRED: Final = "a0 xA_.\r\n"


@dataclass(slots=True, frozen=True)
class Hazard:
    """What is dangerous, as a sentence, and a text on which it shows where it does."""

    sentence: str
    probe: str


def hazards(source: str) -> list[Hazard]:
    """The dangers of a valid pattern; nothing is said of one that is not understood."""
    try:
        tree = parse(source)
    except (Unread, RecursionError):
        return []
    # What the pattern needs elsewhere has to be there, or it is not tried at all.
    rest = _sample(tree)
    found = [Hazard(hazard.sentence, hazard.probe + rest) for hazard in _of(tree, "")]
    return list({hazard.sentence: hazard for hazard in found}.values())


def _of(node: Node, before: str) -> Iterator[Hazard]:
    """`before` is a text that what stands in front of the node matches."""
    match node:
        case Row(items):
            yield from _in_a_row(items, before)
            for item in items:
                yield from _of(item, before)
                before += _sample(item)
        case Choice(options):
            for option in options:
                yield from _of(option, before)
        case Loose(item):
            yield from _of(item, before)
        case Repeat(item, _, most):
            if _is_endless(most):
                yield from _within(item, before)
            yield from _of(item, before)


def _is_endless(most: int | None) -> bool:
    return most is None or most > MOST_HARMLESS


def _within(item: Node, before: str) -> Iterator[Hazard]:
    """The dangers of repeating the item without end."""
    probe = before + _sample(item, least=1) * _TIMES + _stranger(item)
    if _repeats_again(item, []):
        yield Hazard("a repeat without end stands within another one", probe)
    for part in _parts(item):
        if isinstance(part, Choice):
            firsts = [_firsts(option) for option in part.options]
            for number, first in enumerate(firsts):
                if any(_overlap(first, other) for other in firsts[number + 1 :]):
                    yield Hazard("in a repeat without end, several options take the same text", probe)
                    break


def _repeats_again(item: Node, around: Sequence[Ranges]) -> bool:
    """Whether there is another repeat without end in it that no character keeps apart from its next time."""
    parts = _parts(item)
    separators = [*around, *(part.characters.possible for part in parts if isinstance(part, One))]
    for part in parts:
        if isinstance(part, Choice) and any(_repeats_again(option, separators) for option in part.options):
            return True
        if isinstance(part, Repeat) and _is_endless(part.most):
            taken = _characters(part.item)
            if all(_overlap(taken, separator) for separator in separators):
                return True
    return False


def _in_a_row(items: Sequence[Node], before: str) -> Iterator[Hazard]:
    """Repeats that follow one another, whatever stands between them, and can share out one text."""
    taken: list[Ranges] = []
    for item in items:
        if isinstance(item, Repeat) and _is_endless(item.most):
            mine = _characters(item.item)
            taken = [*[one for one in taken if _overlap(one, mine)], mine]
            if len(taken) >= _IN_A_ROW:
                probe = before + "".join(_sample(one, least=1) for one in items) * _TIMES
                yield Hazard(f"{len(taken)} repeats without end share out the same text", probe[:-1])
                return


def _parts(node: Node) -> list[Node]:
    """What follows one another in a node, groups opened."""
    if isinstance(node, Row):
        return [part for item in node.items for part in _parts(item)]
    if isinstance(node, Loose):
        return []
    return [node]


def _characters(node: Node) -> Ranges:
    """All characters that may stand in what the node matches."""
    match node:
        case One(characters):
            return characters.possible
        case Row(items) | Choice(items):
            return tuple(sorted(one for item in items for one in _characters(item)))
        case Repeat(item) | Loose(item):
            return _characters(item)
    return ()


def _firsts(node: Node) -> Ranges:
    """The characters that what the node matches may begin with."""
    match node:
        case Row(items):
            found: Ranges = ()
            for item in items:
                found = (*found, *_firsts(item))
                if not isinstance(item, Repeat) or item.least:
                    break
            return found
        case Choice(options):
            return tuple(one for option in options for one in _firsts(option))
    return _characters(node)


def _overlap(left: Ranges, right: Ranges) -> bool:
    return any(one[0] <= two[1] and two[0] <= one[1] for one in left for two in right)


def _sample(node: Node, least: int = 0) -> str:
    """A text that the node matches, as short as may be; of repeats at least `least` times."""
    match node:
        case One(characters):
            for character in _PREFERRED:
                if _overlap(characters.possible, ((ord(character), ord(character)),)):
                    return character
            return chr(characters.possible[0][0]) if characters.possible else ""
        case Row(items):
            return "".join(_sample(item, least) for item in items)
        case Choice(options):
            return _sample(options[0], least)
        case Repeat(item, wanted):
            return _sample(item, least) * min(max(wanted, least), MOST_HARMLESS)
        case Loose(item):
            return _sample(item, least)
    return ""


def _stranger(node: Node) -> str:
    """A character that the node cannot take, so that the search has to try everything."""
    free = others(tuple(sorted(_joined(_characters(node)))))
    for character in "!\x01b":
        if _overlap(free, ((ord(character), ord(character)),)):
            return character
    return ""


def _joined(ranges: Ranges) -> Iterator[tuple[int, int]]:
    following = 0
    for first, last in sorted(ranges):
        if last >= following:
            yield max(first, following), last
            following = last + 1
