"""How long to wait before the next try: doubling, with jitter, between two bounds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Doubles from `first_secs` to `most_secs`; each wait is drawn from the upper half of its step.

    The jitter keeps fifty collectors from knocking at once when a site's power comes back.
    """

    first_secs: float = 0.5
    most_secs: float = 30.0
    draw: random.Random = field(default_factory=random.Random)
    _step: int = 0

    def next_secs(self) -> float:
        """The wait before the next try; each call takes one step up."""
        ceiling = min(self.most_secs, self.first_secs * 2.0 ** min(self._step, 32))
        self._step += 1
        return max(self.first_secs, ceiling * self.draw.uniform(0.5, 1.0))

    def reset(self) -> None:
        """Begin again at `first_secs`."""
        self._step = 0
