"""Events that wait to be given out: in the order of the bus, but for calls with an event that was put off.

An event that was put off holds up the later ones of its phone call: they are given out after it, in order.
Events of other calls pass by. Pure; times come from outside.

Bounds: the prefetch of the subscription. Putting off and what follows costs a look at all that wait.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from operator import attrgetter

from consumers.events.held import Feed, Held

_NUMBER = attrgetter("number")


class Backlog:
    """See the module."""

    def __init__(self) -> None:
        self._ready: deque[Held] = deque()
        # By call, each in the order of the bus. An event of a call that is here never stands in `_ready`.
        self._held_up: dict[str, list[Held]] = {}

    def __len__(self) -> int:
        return len(self._ready) + sum(map(len, self._held_up.values()))

    def put(self, held: Held) -> None:
        """It came from the bus."""
        waiting = self._held_up.get(held.lane) if self._held_up else None
        if waiting is None:
            self._ready.append(held)
        else:
            insort(waiting, held, key=_NUMBER)

    def put_off(self, held: Held, not_before: float) -> None:
        """It was given out, and is to be given out again, not before that time."""
        held.not_before = not_before
        lane = held.lane
        waiting = self._held_up.get(lane)
        if waiting is None:
            waiting = [later for later in self._ready if later.lane == lane]
            if waiting:
                self._ready = deque(later for later in self._ready if later.lane != lane)
            self._held_up[lane] = waiting
        insort(waiting, held, key=_NUMBER)

    def take(self, now: float) -> Held | None:
        """The next one that may be given out; None where there is none now."""
        if self._held_up:
            heads = [waiting[0] for waiting in self._held_up.values() if waiting[0].not_before <= now]
            if heads:
                first = min(heads, key=_NUMBER)
                waiting = self._held_up[first.lane]
                del waiting[0]
                if not waiting:
                    del self._held_up[first.lane]
                return first
        return self._ready.popleft() if self._ready else None

    @property
    def due(self) -> float | None:
        """When the next one that was put off may go; None where none was."""
        return min((waiting[0].not_before for waiting in self._held_up.values()), default=None)

    def drop(self, feed: Feed) -> None:
        """Forget what a lost subscription gave: it comes again."""
        self._ready = deque(held for held in self._ready if held.feed is not feed)
        left = {
            lane: [held for held in waiting if held.feed is not feed]
            for lane, waiting in self._held_up.items()
        }
        self._held_up = {lane: waiting for lane, waiting in left.items() if waiting}
