"""What a client can ask of a living channel: to end, to go elsewhere, to be parked.

An ask is left on the channel; the script that carries the channel looks at it whenever it wakes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class HangUp:
    """End. `cause` is a Q.850 cause code, 0 for unknown. `told`: a SoftHangupRequest precedes the end."""

    cause: int
    told: bool = False


@dataclass(slots=True, frozen=True)
class Move:
    """Leave what it does and go on in the dialplan from there."""

    context: str
    exten: str
    priority: int


@dataclass(slots=True, frozen=True)
class Park:
    """Wait in the parking lot; after `timeout_secs` the call ends. `parker` is who parked it."""

    parker: str
    timeout_secs: float


Ask = HangUp | Move | Park
