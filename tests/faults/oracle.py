"""The oracle: every event that the PBX sends has a number, and what arrived is judged by the numbers.

What is on the bus is taken at its word and nothing else: the repeats are dropped by id, then the story is
read in order. A number that is missing must lie at the place of an announced gap, and in its times; a hole
in `seq` must be one that a gap names.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.end_to_end.taker import Arrived

# A gap in our own numbering has the times of receipt: what was received then was sent a little earlier.
RECEIVED_WITHIN_SECS = 1.0


@dataclass(slots=True, frozen=True)
class Gap:
    """An announced gap; times in seconds since the Unix epoch."""

    cause: str
    begins: float
    ends: float
    count: int | None
    span: int

    def holds(self, sent: float) -> bool:
        """Whether what was sent then may be missing."""
        return self.begins - (RECEIVED_WITHIN_SECS if self.span else 0) <= sent <= self.ends


@dataclass(slots=True)
class Story:
    """What the bus told, judged. Every list is empty when all is well, but `gaps` and `duplicates`."""

    gaps: list[Gap] = field(default_factory=list)
    duplicates: int = 0
    """Messages that came again."""
    changed: list[str] = field(default_factory=list)
    """Ids that came again with another body."""
    disordered: list[str] = field(default_factory=list)
    holes: list[str] = field(default_factory=list)
    """Holes in `seq` that no gap names."""
    lost: list[int] = field(default_factory=list)
    """Numbers that are missing where no gap stands."""
    outside: list[int] = field(default_factory=list)
    """Numbers that are missing where a gap stands, but were sent at another time than it says."""
    missed: list[int] = field(default_factory=list)
    """Numbers that are missing as announced."""
    numbers: list[int] = field(default_factory=list)

    @property
    def causes(self) -> list[str]:
        return [gap.cause for gap in self.gaps]

    def check(self) -> None:
        """Nothing lost unannounced, order kept, `seq` without an unannounced hole, repeats identical."""
        assert not self.changed
        assert not self.disordered
        assert not self.holes
        assert not self.lost
        assert not self.outside


def story_of(arrivals: Sequence[Arrived], sent: Mapping[int, float]) -> Story:
    """Judge what arrived. `sent`: when each number was sent, by this machine's clock."""
    story = Story()
    bodies: dict[str, bytes] = {}
    firsts: list[Arrived] = []
    for one in arrivals:
        known = bodies.setdefault(one.message_id, one.raw_body)
        if known is not one.raw_body:
            story.duplicates += 1
            if known != one.raw_body:
                story.changed.append(one.message_id)
        else:
            firsts.append(one)
    _judge_places(firsts, story)
    _judge_numbers(firsts, sent, story)
    return story


def _judge_places(firsts: Sequence[Arrived], story: Story) -> None:
    """`seq` counts from 1 in each epoch; a gap may stand for several numbers; epochs only grow."""
    epoch, following = 0, 1
    for one in firsts:
        if one.body["epoch"] != epoch:
            if one.body["epoch"] < epoch:
                story.disordered.append(f"epoch {one.body['epoch']} after {epoch}")
            epoch, following = one.body["epoch"], 1
        seq = one.body["seq"]
        if seq < following:
            story.disordered.append(f"seq {seq} where {following} was due")
        elif seq > following:
            story.holes.append(f"{following} to {seq - 1}")
        following = seq + 1
        if one.kind == "gap":
            control = one.body["control"]
            if "from_seq" in control:
                if control["from_seq"] != seq:
                    story.holes.append(f"a gap from {control['from_seq']} at {seq}")
                following = control["to_seq"] + 1


def _judge_numbers(firsts: Sequence[Arrived], sent: Mapping[int, float], story: Story) -> None:
    last = 0
    here: list[Gap] = []
    for one in firsts:
        if one.kind == "gap":
            here.append(_gap(one))
            continue
        number = one.body["fields"].get("Number")
        if number is None or one.kind != "event":
            continue
        number = int(number)
        story.numbers.append(number)
        if number <= last:
            story.disordered.append(f"number {number} after {last}")
            continue
        if last:
            _judge_missing(range(last + 1, number), sent, here, story)
        story.gaps += here
        last, here = number, []
    story.gaps += here


def _judge_missing(missing: range, sent: Mapping[int, float], here: list[Gap], story: Story) -> None:
    for number in missing:
        if not here:
            story.lost.append(number)
        elif any(gap.holds(sent[number]) for gap in here):
            story.missed.append(number)
        else:
            story.outside.append(number)


def _gap(one: Arrived) -> Gap:
    control = one.body["control"]
    span = control["to_seq"] - control["from_seq"] + 1 if "from_seq" in control else 0
    return Gap(control["cause"], _secs(control["from"]), _secs(control["to"]), control["count"], span)


def _secs(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Numbers:
    """Hands out the running numbers, and remembers when."""

    def __init__(self) -> None:
        self.sent: dict[int, float] = {}

    @property
    def last(self) -> int:
        return len(self.sent)

    def next(self) -> int:
        number = self.last + 1
        self.sent[number] = time.time()
        return number
