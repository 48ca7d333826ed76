"""What an action is: its name, who may use it, which ages know it, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from publisher.simulator.answers import Fields
from publisher.simulator.requests import Request
from publisher.simulator.state import PbxState

if TYPE_CHECKING:
    from publisher.simulator.switchboard import Switchboard
    from publisher.simulator.turn import Turn

# Asks for the state: gives packets, waits for nothing, changes nothing.
Answer: TypeAlias = Callable[[PbxState, Request], list[Fields]]
# Changes the state: answers through its turn, then tells what came of it.
Deed: TypeAlias = "Callable[[Switchboard, Turn], None]"


@dataclass(slots=True, frozen=True)
class Action:
    """An action: any one of `classes` among a user's write classes allows it; none are needed if empty.

    `styles` are `old` (before 12), and `SIP` or `PJSIP` for later ones with that channel driver. `changes`:
    it does something, and is counted as executed.
    """

    name: str
    synopsis: str
    answer: Answer | None = None
    deed: Deed | None = None
    classes: frozenset[str] = frozenset()
    styles: frozenset[str] = frozenset({"old", "SIP", "PJSIP"})
    changes: bool = False
