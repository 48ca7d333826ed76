"""Sizes as people write them: `500 MB`, `10 GiB`, or a plain number of bytes."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

_UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "k": 1 << 10,
    "m": 1 << 20,
    "g": 1 << 30,
    "t": 1 << 40,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*\Z")
MAX_BYTES: Final = (1 << 63) - 1


def parse_size(value: object) -> int:
    """Bytes meant by a number or by text such as `10 GiB`; at most 2^63-1.

    kB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB and the bare letters K, M, G, T of 1024.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_BYTES:
        return value
    match = _SIZE.match(value) if isinstance(value, str) else None
    factor = _UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise PydanticCustomError("size", 'is no size; allowed: bytes, or text such as "500 MB" or "10 GiB"')
    size = int(float(match[1]) * factor) if "." in match[1] else int(match[1]) * factor
    if size > MAX_BYTES:
        raise PydanticCustomError("size", "is too large a size; allowed: less than 8 EiB")
    return size


def format_size(size: int) -> str:
    """The shortest exact text for a size: `format_size(1 << 30) == "1 GiB"`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        factor = _UNITS[unit.lower()]
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def plain_number(number: float) -> str:
    """A bound for people: no exponent, no `.0`."""
    return str(int(number)) if float(number).is_integer() else repr(float(number))


def _no_bool(value: object) -> object:
    """Refuse `true` where a number is meant: Python would read it as 1."""
    if isinstance(value, bool):
        raise PydanticCustomError("number", "is true or false where a number is allowed")
    return value


ByteSize = Annotated[int, BeforeValidator(parse_size)]
Whole = Annotated[int, BeforeValidator(_no_bool)]
Seconds = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
