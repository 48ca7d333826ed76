"""Where what the first attempt could not decide is decided, in a thread of its own.

Whoever waits for its answers waits alone. Bound: `MOST_WAITING` pairs of event and filter; what comes
beyond is undecided at once, as `busy`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from consumers.filtering.background import background_thread
from consumers.filtering.packet import Packet
from consumers.filtering.registration import Registration
from consumers.filtering.verdicts import BUSY, Answer

MOST_WAITING: Final = 10_000

Pair = tuple[int, Registration, Packet]
"""The event's place in its batch, the filter, the event."""


class SlowLane:
    """Judges pairs one after the other. Its thread starts with the first of them."""

    def __init__(self, judge: Callable[[Registration, Packet], Answer], most: int = MOST_WAITING) -> None:
        self._judge = judge
        self._most = most
        self._waiting = 0
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many pairs have no answer yet."""
        return self._waiting

    def submit(self, pairs: Sequence[Pair]) -> tuple[Sequence[Pair], Future[list[Answer]] | None]:
        """Which of the pairs it takes, from the first on, and their answers to come."""
        with self._lock:
            taken = pairs[: max(0, self._most - self._waiting)]
            if not taken or self._closed:
                return (), None
            self._waiting += len(taken)
            if self._pool is None:
                self._pool = background_thread("filter-slow")
            return taken, self._pool.submit(self._work, taken)

    def _work(self, pairs: Sequence[Pair]) -> list[Answer]:
        answers: list[Answer] = []
        for packet in {id(packet): packet for _, _, packet in pairs}.values():
            packet.forget_doubts()
        for _, registration, packet in pairs:
            answers.append(BUSY if self._closed else self._judge(registration, packet))
            with self._lock:
                self._waiting -= 1
        return answers

    def close(self) -> None:
        """What waits is answered as `busy`, after at most one pattern's time."""
        with self._lock:
            self._closed = True
            if self._pool is not None:
                self._pool.shutdown(wait=False)
