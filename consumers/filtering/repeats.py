"""How much a pattern is when its counted repeats are written out, which is what `regex` does to compile it.

Invariant: never less than that. A pattern that is not understood counts as all its counts multiplied,
nested or not, those in character sets, fuzzy parts and comments too.
"""

from __future__ import annotations

import re
from typing import Final

from consumers.filtering.expressions import writes_out
from consumers.filtering.parsing import Unread, parse

_COUNTS: Final = re.compile(r"\{\s*(\d*)\s*,?\s*(\d*)\s*\}")
_LARGEST: Final = 10**9
HARMLESS: Final = 10_000


def written_out(source: str) -> int:
    """About how many characters the pattern is, written out; 10^9 stands for more."""
    product = 1
    for least, most in _COUNTS.findall(source):
        product *= max([1, *(int(number[:10]) for number in (least, most) if number)])
        if product >= _LARGEST:
            product = _LARGEST
            break
    if product <= HARMLESS:
        return product
    try:
        return min(_LARGEST, writes_out(parse(source)))
    except (Unread, RecursionError):
        return product
