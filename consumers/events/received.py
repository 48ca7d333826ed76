"""An event in the hands of whoever iterates: what it says, and what is to become of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from consumers.events.held import Held


class Settling(Protocol):
    """What an event in hand asks of its subscription."""

    def acked(self, held: Held) -> None: ...

    def put_off(self, held: Held, after_secs: float | None) -> None: ...

    def rejected(self, held: Held, reason: str) -> None: ...


class Received:
    """One delivery. `attempt`: how often this subscription gave it out, without a loss in between, from 1.

    Of `ack`, `retry` and `reject` the first one counts; without any it stays unsettled, and comes again once
    the subscription ends. None of them waits or raises. To be used on the event loop only.
    """

    __slots__ = ("_held", "_owner", "_settled", "attempt")

    def __init__(self, held: Held, owner: Settling) -> None:
        self._held = held
        self._owner = owner
        self._settled = False
        self.attempt = held.attempt

    def ack(self) -> None:
        """It is done with. This stream does not give it again, even where the bus never heard of it."""
        if self._first_word():
            self._owner.acked(self._held)

    def retry(self, after_secs: float | None = None) -> None:
        """Give it out again, after so many seconds (at most 600); by default 1, doubling to 60 with the
        attempts. It waits here, not on the bus, and the later events of its phone call wait behind it."""
        if self._first_word():
            self._owner.put_off(self._held, after_secs)

    def reject(self, reason: str) -> None:
        """It will never do: put it into the parking lot, with the reason (see `amibus parked`)."""
        if self._first_word():
            self._owner.rejected(self._held, reason)

    @property
    def settled(self) -> bool:
        """Whether one of the three was said."""
        return self._settled

    @property
    def redelivered(self) -> bool:
        """Whether the bus has given it to somebody before, who did not settle it."""
        return self._held.redelivered

    @property
    def routing_key(self) -> str:
        """Its first key, `<pbx>.<event>.<extension>`."""
        return self._held.message.routing_key

    @property
    def keys(self) -> Sequence[str]:
        """All its keys: one for each extension that it concerns."""
        message = self._held.message
        return (message.routing_key, *message.headers.cc)

    def _first_word(self) -> bool:
        first = not self._settled
        self._settled = True
        return first
