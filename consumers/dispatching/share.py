"""A process's fair share of a binding's partitions.

The broker gives each partition to one consumer, the one that has waited longest, and keeps it there. So the
first process holds all of them. Whoever sees that it holds more than the partitions divided by the
processes lets the surplus go, and stands at the end of each line again; who is next takes over. Step by step
all hold the same, give or take one.

Only what has delivered something is known to be ours; an idle partition needs nobody.
"""

from __future__ import annotations

from collections.abc import Mapping


def surplus(held: Mapping[str, int], partitions: int, consumers: int) -> list[str]:
    """Which partitions to let go. `held`: ours, with the events that each has under way; the least busy go
    first. `consumers`: how many processes take from the binding, this one included."""
    share = -(-partitions // max(1, consumers))
    excess = len(held) - share
    return sorted(held, key=lambda name: (held[name], name))[: max(0, excess)]
