"""Holding: somebody keeps the other side waiting, with or without music.

Devices that say so (`Hold`, `Unhold`) are believed. Of others the music tells: who hears it while in a bridge
is being held by whom it speaks with. A call is held from the first holder to the last.
"""

from __future__ import annotations

from consumers.calls.call import CALLEE
from consumers.calls.leg import Leg
from consumers.calls.turn import Turn
from schemas.call_event import CallState, Party


def held(turn: Turn, leg: Leg, by: Party | None = None) -> None:
    """`leg` holds, or, where `by` is given, hears the music of him who does."""
    call = leg.call
    call.holders[leg] = None
    if not call.held:
        call.held = True
        turn.tell(call, CallState.HELD, by=by or leg.party)


def resumed(turn: Turn, leg: Leg, by: Party | None = None) -> None:
    """`leg` holds, or hears music, no longer."""
    call = leg.call
    if leg not in call.holders:
        return
    del call.holders[leg]
    if call.held and not call.holders:
        call.held = False
        turn.tell(call, CallState.RESUMED, by=by or leg.party)


def hears_music(turn: Turn, leg: Leg) -> None:
    """Music on hold plays to `leg`: in a queue and in a parking lot that is no holding."""
    call = leg.call
    if call.held or call.waiting or call.parked or call.answered_by != CALLEE:
        return
    other = call.counterpart(leg)
    if leg.device and leg.bridge and other is not None:
        held(turn, leg, by=other.party)


def music_stops(turn: Turn, leg: Leg) -> None:
    other = leg.call.counterpart(leg)
    resumed(turn, leg, by=other.party if other is not None else None)
