"""Sets of characters, known for certain or between two bounds.

`regex` decides by its own Unicode tables what `\\w` or a letter regardless of case is, and they differ from
those of other programs. So a set is known by two bounds: `sure`, characters that surely are in it, and
`possible`, outside of which none is. Where they are equal the set is known. Within ASCII it always is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

Ranges = tuple[tuple[int, int], ...]
"""First and last code points, in order, with gaps between them; no surrogates."""

LAST: Final = 0x10FFFF
_SURROGATES: Final = (0xD800, 0xDFFF)
_NOT_ASCII: Final[Ranges] = ((0x80, 0xD7FF), (0xE000, LAST))
_LONGEST_FOLDED: Final = 256

# Letters outside of ASCII that are ASCII letters regardless of case: the Kelvin sign, the long s, the dotted
# and the dotless i. So any character may be one of these letters, and these letters any character.
_CROSSING: Final = frozenset("iIkKsS")

# Of the scripts beyond ASCII only Cyrillic is known well enough. Some of its letters have a third form.
_CYRILLIC: Final = (0x400, 0x45F)
_THIRD_FORMS: Final = {
    "в": [0x1C80],
    "д": [0x1C81],
    "о": [0x1C82],
    "с": [0x1C83],
    "т": [0x1C84, 0x1C85],
    "ъ": [0x1C86],
}


@dataclass(slots=True, frozen=True)
class Characters:
    """Between `sure` and `possible`."""

    sure: Ranges
    possible: Ranges

    @property
    def known(self) -> bool:
        return self.sure == self.possible

    def few(self, most: int) -> frozenset[str] | None:
        """All characters that it may hold, if they are not more than `most`."""
        if sum(last - first + 1 for first, last in self.possible) > most:
            return None
        return frozenset(chr(code) for first, last in self.possible for code in range(first, last + 1))


def ranges(codes: Iterable[tuple[int, int]]) -> Ranges:
    """Ordered, joined, without surrogates."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(_without_surrogates(codes)):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def _without_surrogates(codes: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    low, high = _SURROGATES
    for first, last in codes:
        if first < low:
            yield first, min(last, low - 1)
        if last > high:
            yield max(first, high + 1), last


def others(codes: Ranges) -> Ranges:
    """All characters that are not among these."""
    found = []
    following = 0
    for first, last in codes:
        if first > following:
            found.append((following, first - 1))
        following = last + 1
    found.append((following, LAST))
    return ranges((first, last) for first, last in found if first <= last)


ANY: Final = Characters(ranges([(0, LAST)]), ranges([(0, LAST)]))
NOT_NEWLINE: Final = Characters(others(((10, 10),)), others(((10, 10),)))


def union(sets: Iterable[Characters]) -> Characters:
    sets = list(sets)
    return Characters(
        ranges(one for characters in sets for one in characters.sure),
        ranges(one for characters in sets for one in characters.possible),
    )


def negated(characters: Characters) -> Characters:
    return Characters(others(characters.possible), others(characters.sure))


def span(first: int, last: int, ignore_case: bool) -> Characters:
    """The characters of a range, or one; regardless of case, all that any of them may stand for."""
    listed = ranges([(first, last)])
    if not ignore_case:
        return Characters(listed, listed)
    if last - first >= _LONGEST_FOLDED:
        return Characters(listed, ANY.possible)
    return union(_folded(code) for code in range(first, last + 1))


@lru_cache(maxsize=1024)
def _folded(code: int) -> Characters:
    character = chr(code)
    own = ranges([(code, code)])
    if code < 0x80:
        both = ranges((ord(one), ord(one)) for one in (character.lower(), character.upper()))
        if character not in _CROSSING:
            return Characters(both, both)
        return Characters(both, ranges([*both, *_NOT_ASCII]))
    if _CYRILLIC[0] <= code <= _CYRILLIC[1]:
        lower = character.lower()
        forms = [ord(lower), ord(character.upper()), *_THIRD_FORMS.get(lower, ())]
        all_forms = ranges((form, form) for form in forms)
        return Characters(all_forms, all_forms)
    crossing = ((ord(one), ord(one)) for one in _CROSSING)
    return Characters(own, ranges([*own, *_NOT_ASCII, *crossing]))


def _class(ascii_members: str) -> Characters:
    """A class whose members beyond ASCII are anybody's guess."""
    sure = ranges((ord(one), ord(one)) for one in ascii_members)
    return Characters(sure, ranges([*sure, *_NOT_ASCII]))


_DIGITS: Final = "0123456789"
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
CLASSES: Final = {
    "d": _class(_DIGITS),
    "w": _class(_DIGITS + _LETTERS + _LETTERS.upper() + "_"),
    "s": _class("\t\n\x0b\x0c\r "),
}
CLASSES.update({name.upper(): negated(characters) for name, characters in tuple(CLASSES.items())})
