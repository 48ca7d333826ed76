"""Patterns that keep taking too long are left out for a while.

Strategy: `STRIKES` timeouts within `WINDOW_SECS` put a pattern away, for a minute at first. When that is
over it is tried again; one more timeout within as long a time puts it away for twice as long, up to an
hour. A pattern that behaves for that time begins anew. What is known of a pattern outlives the filters that
use it, so that taking a filter out and in again gains nothing.

Bounds: what is known of at most `MOST_KEPT` patterns, those that timed out last.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

STRIKES: Final = 3
WINDOW_SECS: Final = 60.0
FIRST_SECS: Final = 60.0
LONGEST_SECS: Final = 3600.0
MOST_KEPT: Final = 10_000


@dataclass(slots=True)
class _Record:
    """When a pattern timed out lately, how long it was put away last, and until when."""

    strikes: deque[float] = field(default_factory=lambda: deque(maxlen=STRIKES))
    held_secs: float = 0.0
    held_until: float = float("-inf")


class Quarantine:
    """Who is put away. Used by several threads. Times are those of the given monotonic clock, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._lock = threading.Lock()

    def holds(self, pattern: str) -> bool:
        """Whether the pattern of this name is put away now."""
        if not self._records:
            return False
        record = self._records.get(pattern)
        return record is not None and self._clock() < record.held_until

    def timed_out(self, pattern: str) -> float | None:
        """Note a timeout. For how many seconds that puts the pattern away; None where it does not."""
        now = self._clock()
        with self._lock:
            record = self._records.setdefault(pattern, _Record())
            self._records.move_to_end(pattern)
            if len(self._records) > MOST_KEPT:
                self._records.popitem(last=False)
            if now < record.held_until:
                return None
            if record.held_secs and now < record.held_until + record.held_secs:
                return self._hold(record, now, min(LONGEST_SECS, record.held_secs * 2))
            record.held_secs = 0.0
            record.strikes.append(now)
            if len(record.strikes) == STRIKES and now - record.strikes[0] < WINDOW_SECS:
                return self._hold(record, now, FIRST_SECS)
            return None

    def _hold(self, record: _Record, now: float, secs: float) -> float:
        record.strikes.clear()
        record.held_secs = secs
        record.held_until = now + secs
        return secs
