"""How one binding is served: everything that its section of the configuration settles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class DispatchSettings:
    """The bounds of one binding. Times in seconds.

    `prefetch`: events held at most, a partition each. `concurrency`: takes at once. `tries`: strikes until an
    event is parked. Between two tries `retry_secs`, doubling to `retry_most_secs`. `take_secs`: how long a
    take may last. `drain_secs`: how long takes under way are waited for at the end. `once`: an id that the
    sink took lately is not given to it again, whatever brought it.
    """

    prefetch: int = 500
    concurrency: int = 8
    most_events: int = 1
    tries: int = 10
    retry_secs: float = 1.0
    retry_most_secs: float = 60.0
    take_secs: float = 30.0
    drain_secs: float = 10.0
    once: bool = False
