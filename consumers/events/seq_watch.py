"""Proves that nothing is missing, for who subscribes to everything."""

from __future__ import annotations

from schemas.envelope import Event


class SeqWatch:
    """Looks at each event's number. For a subscription with the key `#`, no filter and one client: whoever
    takes a part of the events misses numbers on purpose.

    Losses that ami-bus knows of are told by the control event `gap` and are not missing here.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}

    def missing_before(self, event: Event) -> range:
        """The numbers that should have come before this event and did not; empty where none is missing.

        The first event of a PBX is where its count begins; a new epoch begins with 1. What comes again tells
        nothing new.
        """
        epoch, last = self._last.get(event.pbx, (event.epoch, event.seq - 1))
        if event.epoch > epoch:
            last = 0
        elif event.epoch < epoch or event.seq <= last:
            return range(0)
        through = event.seq
        if event.control is not None and event.control.get("from_seq") == event.seq:
            through = max(through, event.control.get("to_seq") or 0)
        self._last[event.pbx] = (event.epoch, through)
        return range(last + 1, event.seq)
