"""How long a client waits before it looks for itself, asks again or gives up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Patience:
    """All in seconds but `tries`.

    `tries`: how often what may be made again is made before the queue counts as unreachable; between two,
    `retry_secs`. `look_secs`: how often a command is looked at without news of it, because they may have got
    lost. `forgotten_secs`: how long a queue that has forgotten a command may take to be told its reply again.
    `after_secs`: how long after a command's time is over its reply may come; the longest ringing, and what
    finding out takes.
    """

    tries: int = 4
    retry_secs: float = 0.2
    look_secs: float = 2.0
    forgotten_secs: float = 10.0
    after_secs: float = 400.0
