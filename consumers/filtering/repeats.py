"""How often the counted repeats of a pattern can multiply: a bound that needs no parser.

Invariant: never less than what `regex` would write out. All counts are multiplied, nested or not, and those
in character sets, fuzzy parts and comments too, which only makes the bound stricter.
"""

from __future__ import annotations

import re
from typing import Final

_COUNTS: Final = re.compile(r"\{\s*(\d*)\s*,?\s*(\d*)\s*\}")
_LARGEST: Final = 10**9


def most_repeated(source: str) -> int:
    """The most that one character of the pattern may be repeated by counts; 10^9 stands for more."""
    product = 1
    for least, most in _COUNTS.findall(source):
        product *= max([1, *(int(number[:10]) for number in (least, most) if number)])
        if product >= _LARGEST:
            return _LARGEST
    return product
