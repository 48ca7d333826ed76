"""The lanes of a binding: one for each call, whose events go to the sink in order and never two at once.

What concerns no call goes in its PBX's own lane. A lane whose first event waits for another try waits with
it; all others go on. Lanes take turns: one with many events does not hold up those with few.

Bounds: what the subscription's prefetch lets in, and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from consumers.dispatching.held import Feed, Held


class Lanes:
    """Who may go next. Pure: the time comes in."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Held]] = {}
        self._busy: dict[str, list[Held]] = {}
        # Lanes with something to do and nobody under way, in the order in which they get their turn.
        self._ready: dict[str, None] = {}

    def add(self, held: Held) -> None:
        """At the end of its lane."""
        lane = self._lanes.get(held.lane)
        if lane is None:
            lane = self._lanes[held.lane] = deque()
            if held.lane not in self._busy:
                self._ready[held.lane] = None
        lane.append(held)

    def next_batch(self, now: float, most: int) -> list[Held]:
        """At most `most` events of lanes that may go now, each lane's in order; their lanes are busy until
        `back`. Empty when nobody may go."""
        batch: list[Held] = []
        for name in list(self._ready):
            lane = self._lanes[name]
            if lane[0].not_before > now:
                continue
            taken = []
            while lane and len(batch) < most and lane[0].not_before <= now:
                taken.append(lane.popleft())
                batch.append(taken[-1])
            self._busy[name] = taken
            del self._ready[name]
            if not lane:
                del self._lanes[name]
            if len(batch) >= most:
                break
        return batch

    def back(self, batch: Iterable[Held], again: Iterable[Held]) -> None:
        """A batch is over; `again` of it is to be tried again and stands first in its lane, as it stood."""
        names = dict.fromkeys(held.lane for held in batch)
        back: dict[str, list[Held]] = {}
        for held in again:
            back.setdefault(held.lane, []).append(held)
        for name in names:
            self._busy.pop(name, None)
            lane = self._lanes.get(name)
            if held_back := back.get(name):
                if lane is None:
                    lane = self._lanes[name] = deque()
                lane.extendleft(reversed(held_back))
            if lane:
                self._ready[name] = None

    def due(self) -> float | None:
        """When the first of the lanes that are not busy may go; None when there is none."""
        return min((self._lanes[name][0].not_before for name in self._ready), default=None)

    def drop_waiting(self, feed: Feed) -> None:
        """Forget what is not under way of a feed. It comes again from the bus."""
        for name, lane in list(self._lanes.items()):
            kept = deque(held for held in lane if held.feed is not feed)
            if kept:
                self._lanes[name] = kept
            else:
                del self._lanes[name]
                self._ready.pop(name, None)

    def busy_with(self, feed: Feed) -> int:
        """How many events of a feed are under way."""
        return sum(held.feed is feed for lane in self._busy.values() for held in lane)
