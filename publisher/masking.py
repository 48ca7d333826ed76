"""Phone numbers in texts that an operator reads: their last four digits are enough to recognise one."""

from __future__ import annotations

import re
from typing import Final

# Not the numbers of an address, a time or a Uniqueid: those have a dot or colon and digits beside them, and a
# port after a host's name has five digits at most.
_NUMBER: Final = re.compile(r"(?:(?<![\w.:])\+?\d{5,}|(?<=[A-Za-z]:)\+?\d{6,})(?!\w|[.:]\d)")


def mask_numbers(text: str) -> str:
    """`74951234567` → `***4567`."""
    return _NUMBER.sub(lambda found: "***" + found.group()[-4:], text)
