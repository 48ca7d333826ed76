"""Counts by ActionID: the proof that nothing was done twice."""

from __future__ import annotations

from collections import Counter
from typing import Final

MAX_IDS: Final = 1_000_000


class Tally(Counter[str]):
    """How often each ActionID was seen; those without one are counted under the empty text.

    At most `max_ids` different ones are kept. After that an ActionID that is known is still counted, and each
    sight of a new one only in `uncounted`: no id is forgotten, and a tally with `uncounted` above 0 says that
    it proves nothing of the ids it has not.
    """

    def __init__(self, max_ids: int = MAX_IDS) -> None:
        super().__init__()
        self._max_ids = max_ids
        self.uncounted = 0

    def note(self, action_id: str) -> None:
        """One more of this ActionID."""
        if action_id not in self and len(self) >= self._max_ids:
            self.uncounted += 1
            return
        self[action_id] += 1

    def repeated(self) -> list[str]:
        """The ActionIDs that were seen more than once."""
        return [action_id for action_id, count in self.items() if action_id and count > 1]
