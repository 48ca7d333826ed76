"""Where a link stands, and how one ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    LOGIN = "login"
    IDENTIFY = "identify"
    ENABLE = "enable"
    LIVE = "live"
    ENDED = "ended"


@dataclass(slots=True, frozen=True)
class LinkEnd:
    """How a link ended. `cause` is a word for machines, `reason` a sentence for people."""

    cause: str
    reason: str
    was_live: bool
    refused: bool = False
