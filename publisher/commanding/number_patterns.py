"""Patterns of extensions and numbers, as the operators of Asterisk write them.

    200                a number or name as it stands
    200-249            a range of numbers of the same length
    _8495XXXXXXX       a dialplan pattern after an underscore: X is 0-9, Z 1-9, N 2-9, [15-7] one of these,
                       a dot one or more of any, an exclamation mark any number of any

A dialplan pattern matches as Asterisk's own does (main/pbx.c), but the whole of what is dialled; `-` is no
filler.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_LITERAL: Final = re.compile(r"\+?[A-Za-z0-9_*#.]+(?:-[A-Za-z0-9_*#.]+)*")
_RANGE: Final = re.compile(r"([0-9]{1,40})-([0-9]{1,40})")
_CLASSES: Final = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]"}
_SET: Final = re.compile(r"\[([0-9*#]|[0-9]-[0-9])+\]")
_SPAN: Final = re.compile(r"([0-9])-([0-9])")
_ANY: Final = r"[0-9A-Za-z_*#+.-]"


@dataclass(slots=True, frozen=True)
class NumberPattern:
    """One pattern; `text` as it was written."""

    text: str
    _expression: re.Pattern[str]
    _range: tuple[int, int, int] | None = None

    @classmethod
    def parse(cls, text: str) -> NumberPattern:
        """Raises `ValueError` with what is allowed."""
        if text.startswith("_"):
            return cls(text, re.compile(_dialplan(text[1:])))
        found = _RANGE.fullmatch(text)
        if found is not None:
            least, most = int(found[1]), int(found[2])
            if len(found[1]) != len(found[2]) or least > most:
                raise ValueError(
                    "is no range; allowed: two numbers of the same length, the smaller one first"
                )
            return cls(text, re.compile("[0-9]+"), (len(found[1]), least, most))
        if not _LITERAL.fullmatch(text):
            raise ValueError(
                "is no pattern; allowed: 200, 200-249, or a dialplan pattern such as _8495XXXXXXX"
            )
        return cls(text, re.compile(re.escape(text)))

    def matches(self, number: str) -> bool:
        """Whether the whole of a number or name fits."""
        if not self._expression.fullmatch(number):
            return False
        if self._range is None:
            return True
        length, least, most = self._range
        return len(number) == length and least <= int(number) <= most


@dataclass(slots=True, frozen=True)
class NumberPatterns:
    """Several patterns; any of them is enough."""

    patterns: tuple[NumberPattern, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> NumberPatterns:
        """Raises `ValueError` as `NumberPattern.parse` does."""
        return cls(tuple(NumberPattern.parse(text) for text in texts))

    def match(self, number: str) -> bool:
        return any(pattern.matches(number) for pattern in self.patterns)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def __str__(self) -> str:
        return ", ".join(pattern.text for pattern in self.patterns)


def _dialplan(text: str) -> str:
    """The regular expression of a dialplan pattern. Raises `ValueError`."""
    expression, place = "", 0
    while place < len(text):
        character = text[place]
        last = place == len(text) - 1
        found = _SET.match(text, place)
        if found is not None and all(first <= last for first, last in _SPAN.findall(found[0])):
            expression += found[0]
            place = found.end()
            continue
        if character.upper() in _CLASSES:
            expression += _CLASSES[character.upper()]
        elif character in ".!" and last:
            expression += _ANY + ("+" if character == "." else "*")
        elif character.isascii() and (character.isdigit() or character in "*#+"):
            expression += re.escape(character)
        else:
            raise ValueError(
                "is no dialplan pattern; allowed after the underscore: digits, * # +, X Z N, sets such as "
                "[15-7], and a dot or exclamation mark at the end"
            )
        place += 1
    if not expression:
        raise ValueError("is no dialplan pattern; nothing stands after the underscore")
    return expression
