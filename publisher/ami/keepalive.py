"""Notices a half-open connection: Asterisk sends no keepalive of its own.

Any received byte is a sign of life. After `interval_secs` of silence a ping goes out, and if then no byte
comes for `timeout_secs` the connection is dead. A tick that itself comes late means that this process stood
still and may not have read what has long arrived: then there is one short grace before the verdict.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

LATE_TICK_SECS: Final = 1.0


class Verdict(Enum):
    ALIVE = auto()
    PING = auto()
    DEAD = auto()


class Keepalive:
    """`deadline` is when `tick` is next needed; the clock is the caller's, in monotonic seconds."""

    def __init__(self, interval_secs: float, timeout_secs: float, now: float) -> None:
        self._interval_secs = interval_secs
        self._timeout_secs = timeout_secs
        self.heard(now)

    def heard(self, now: float) -> None:
        """Bytes have come."""
        self.deadline = now + self._interval_secs
        self._waiting = False
        self._excused = False

    def tick(self, now: float) -> Verdict:
        """PING: send one now. DEAD: no byte came for the whole time."""
        if now < self.deadline:
            return Verdict.ALIVE
        if not self._waiting:
            self._waiting = True
            self.deadline = now + self._timeout_secs
            return Verdict.PING
        if now - self.deadline > LATE_TICK_SECS and not self._excused:
            self._excused = True
            self.deadline = now + min(LATE_TICK_SECS, self._timeout_secs)
            return Verdict.ALIVE
        return Verdict.DEAD
