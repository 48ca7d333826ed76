"""The header Retry-After: seconds, or a date (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_SECS: Final = 3600.0
_SECONDS: Final = re.compile("[0-9]{1,9}")


def retry_after_secs(header: str, now: datetime) -> float | None:
    """How long to wait, from 0 to an hour; None where the header says nothing that can be understood."""
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_SECS)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        wait = (moment - now).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_SECS)
