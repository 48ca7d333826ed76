"""Times as the envelope writes them: RFC 3339, UTC, six digits of a second, `Z`.

One fixed width, so that text order is time order.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=64)
def _second_text(second: int) -> str:
    """Events of one second share this text; older seconds fall out of the cache."""
    return (_BEGIN + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S").zfill(19)


def timestamp_text(us: int) -> str:
    """Microseconds since the Unix epoch, UTC, as text: `2026-11-23T08:54:53.850601Z`.

    The years 1 to 9999 can be written; anything else raises `OverflowError`.
    """
    second, fraction = divmod(us, 1_000_000)
    return f"{_second_text(second)}.{fraction:06d}Z"


def parse_timestamp(text: str) -> datetime:
    """The time of such a text, as an aware datetime in UTC. Raises `ValueError` for any other form."""
    if _FORM.fullmatch(text) is None:
        raise ValueError("a time is written as 2026-11-23T08:54:53.850601Z: RFC 3339, UTC, six digits, Z")
    return datetime.fromisoformat(text)


def timestamp_us(text: str) -> int:
    """The inverse of `timestamp_text`. Raises `ValueError` for any other form."""
    return (parse_timestamp(text) - _BEGIN) // _MICROSECOND
