"""How long to wait before the next try."""

from __future__ import annotations

_MOST_DOUBLINGS = 32


def doubled_secs(first_secs: float, most_secs: float, failures: int) -> float:
    """The wait after so many failures: `first_secs` after the first, then twice as long each time, at most
    `most_secs`."""
    return min(most_secs, first_secs * 2.0 ** min(max(failures - 1, 0), _MOST_DOUBLINGS))
