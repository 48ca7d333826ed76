"""Rates: a bucket of tokens, filled steadily, emptied one a command."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

# A token that is there but for the rounding of the clock is there: who has waited for it does not ask twice.
_ROUNDING: Final = 1e-3


@dataclass(slots=True)
class TokenBucket:
    """At most `burst` at once and `per_sec` in the long run; `per_sec` 0 means no limit.

    `now` is the caller's monotonic clock in seconds.
    """

    per_sec: float
    burst: int
    _tokens: float = field(init=False)
    _at: float = field(default=-math.inf, init=False)

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)

    def take(self, now: float) -> bool:
        """Take a token, if one is there."""
        return self.take_up_to(1, now) == 1

    def take_up_to(self, most: int, now: float) -> int:
        """Take as many as are there, at most `most`; how many."""
        if self.per_sec <= 0:
            return most
        self._fill(now)
        taken = min(most, int(self._tokens + _ROUNDING))
        self._tokens -= taken
        return taken

    def give_back(self, tokens: int) -> None:
        """What was taken and not used."""
        self._tokens = min(float(self.burst), self._tokens + tokens)

    def wait_secs(self, now: float) -> float:
        """How long until the next token is there."""
        if self.per_sec <= 0:
            return 0.0
        self._fill(now)
        return max(0.0, (1.0 - self._tokens) / self.per_sec)

    def _fill(self, now: float) -> None:
        if now > self._at:
            if self._at > -math.inf:
                self._tokens = min(float(self.burst), self._tokens + (now - self._at) * self.per_sec)
            self._at = now
