"""Which events were acked lately: what the bus did not hear of before it was lost, it gives again.

Not by the mark `redelivered` alone: a broker that was killed may have forgotten that it ever gave an event.
But what is published anew and was acked on the same subscription (a replay of the journal) is wanted.
"""

from __future__ import annotations

from typing import Final

from consumers.events.held import Feed, Held

KEPT: Final = 20_000


class AckedIds:
    """The newest `kept` ids; the oldest give way."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._feeds: dict[str, Feed] = {}

    def note(self, held: Held) -> None:
        feeds = self._feeds
        feeds.pop(held.id, None)
        feeds[held.id] = held.feed
        if len(feeds) > self._kept:
            del feeds[next(iter(feeds))]

    def covers(self, held: Held) -> bool:
        """Whether this is an event that was acked before, and only the ack got lost."""
        feed = self._feeds.get(held.id)
        return feed is not None and (held.redelivered or feed is not held.feed)
