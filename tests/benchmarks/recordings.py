"""What the benchmarks feed: the large recordings beside the checkout, else the project's own small ones.

A small recording is repeated until it has `LEAST_EVENTS` events. Figures from small ones are kinder: their
few calls leave every cache warm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from publisher.simulator import Trace

_ROOT: Final = Path(__file__).parents[2]
_LARGE: Final = _ROOT.parent / "shared" / "traces"
_SMALL: Final = _ROOT / "tests" / "corpus"
_PLACES: Final = {
    "11": (_LARGE / "11" / "mixed-90s.ami.gz", _SMALL / "events-11.ami"),
    "20": (_LARGE / "20" / "mixed-90s.ami.gz", _SMALL / "events-20.ami"),
    "22": (_LARGE / "22" / "mixed-30s.ami.gz", _SMALL / "events-22.ami"),
}
LEAST_EVENTS: Final = 10_000


@dataclass(slots=True, frozen=True)
class Recording:
    """One server's events. `version` is that of its Asterisk, `path` what a simulator replays."""

    version: str
    path: Path
    events: tuple[bytes, ...]
    """Whole packets, each with its empty line."""
    small: bool

    @property
    def stream(self) -> bytes:
        """All events, one after the other."""
        return b"".join(self.events)


def recordings() -> list[Recording]:
    return [recording(version) for version in _PLACES]


@cache
def recording(version: str) -> Recording:
    """The recording of one version of Asterisk."""
    large, small = _PLACES[version]
    path = large if large.exists() else small
    events = Trace.read(path).events
    times = -(-LEAST_EVENTS // len(events))
    return Recording(version, path, tuple(events * times), path is small)
