"""The proof: the moment up to which surely nothing that a PBX said on this link is missing.

A gap begins there. When the last event came says less than it seems: a PBX that cannot get rid of its events
holds back, for seconds, what it then throws away with the connection; and what the kernel still held for a
process that stood still bears the time of its reading. So the PBX is asked, once a second, for an answer; a
connection keeps its order, so that when the answer is here all that was said before the question is here too.
"""

from __future__ import annotations

from typing import Final

from publisher.ami.session import AmiSession
from publisher.ports import Clock

_EVERY_SECS: Final = 1.0


class Proof:
    """One link's. `since_us` is the moment, in microseconds since the Unix epoch; one question is under way
    at a time, so a PBX that does not answer is not asked again."""

    def __init__(self, session: AmiSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._asked_us = 0
        self._due = float("-inf")
        self._known = session.probed_at
        self.since_us = 0

    def begin(self) -> None:
        """The connection stands: what was said before was never ours to hear."""
        self.since_us = self._clock.now_us()

    def ask(self) -> None:
        """Ask, if it is time to."""
        now = self._clock.monotonic()
        if now >= self._due and self._session.probe(now):
            self._due = now + _EVERY_SECS
            self._asked_us = self._clock.now_us()

    def heard(self) -> bool:
        """Bytes have come: whether they brought the answer, and `since_us` a later moment."""
        if self._session.probed_at == self._known:
            return False
        self._known = self._session.probed_at
        self.since_us = self._asked_us
        return True
