"""What Asterisk 12 to 22 says of calls, each event with whole snapshots of its channels."""

from __future__ import annotations

from typing import Final

from consumers.calls.channel_events import Handler, leg_of
from consumers.calls.holding import hears_music, held, music_stops, resumed
from consumers.calls.outcome import CANCELLED, DIAL_RESULTS
from consumers.calls.passing_on import (
    connected,
    handed_on,
    joined,
    out_of_lot,
    picked_up,
    put_into_lot,
    unparked,
)
from consumers.calls.turn import Turn
from schemas.call_event import Party

# Bridges in which several calls wait or meet: being in one makes nobody one call.
_SHARED_TYPES: Final = frozenset({"base", "parking", "holding", "agent_hold"})
_SUCCESS: Final = "Success"


def dial_begin(turn: Turn) -> None:
    dest = leg_of(turn, "Dest")
    if dest is None:
        return
    source = leg_of(turn) if turn.text("Channel") else None
    dialled = turn.text("DialString")
    if source is not None:
        exten = turn.text("Exten")
        if not source.exten and exten not in ("", "s"):
            source.exten = exten
        turn.dials(source, dest)
    turn.rang(source, dest, dialled)


def dial_end(turn: Turn) -> None:
    dest = leg_of(turn, "Dest")
    if dest is None:
        return
    status = turn.text("DialStatus")
    if status == "ANSWER":
        dest.dialled = True
        turn.answered(dest)
    else:
        turn.rung_out(dest, DIAL_RESULTS.get(status, CANCELLED))


def bridge_enter(turn: Turn) -> None:
    leg = leg_of(turn)
    bridge = turn.text("BridgeUniqueid")
    if leg is None or not bridge:
        return
    if turn.text("BridgeType") in _SHARED_TYPES or turn.text("BridgeTechnology") == "holding_bridge":
        leg.bridge = ""
        return
    for other in turn.board.enter(leg, bridge)[:2]:
        connected(turn, other, leg)
    if leg.dialled:
        turn.answered(leg)


def bridge_leave(turn: Turn) -> None:
    leg = turn.board.find(turn.text("Uniqueid"))
    if leg is not None and leg.bridge == turn.text("BridgeUniqueid"):
        turn.board.leave(leg)


def hold(turn: Turn) -> None:
    leg = leg_of(turn)
    if leg is not None:
        held(turn, leg)


def unhold(turn: Turn) -> None:
    leg = leg_of(turn)
    if leg is not None:
        resumed(turn, leg)


def music_start(turn: Turn) -> None:
    leg = leg_of(turn)
    if leg is not None:
        hears_music(turn, leg)


def music_stop(turn: Turn) -> None:
    leg = leg_of(turn, begins=False)
    if leg is not None:
        music_stops(turn, leg)


def blind_transfer(turn: Turn) -> None:
    leg = leg_of(turn, "Transferer")
    if leg is None or turn.text("Result") != _SUCCESS:
        return
    transferee = leg_of(turn, "Transferee") or leg.call.counterpart(leg)
    handed_on(turn, leg, transferee, turn.text("Extension"))


def attended_transfer(turn: Turn) -> None:
    first, second = leg_of(turn, "OrigTransferer"), leg_of(turn, "SecondTransferer")
    if first is None or turn.text("Result") != _SUCCESS:
        return
    transferee, target = leg_of(turn, "Transferee"), leg_of(turn, "TransferTarget")
    joined(turn, first, second, transferee, target)


def queue_join(turn: Turn) -> None:
    leg = leg_of(turn)
    if leg is None:
        return
    exten = turn.text("Exten")
    if not leg.exten and exten not in ("", "s"):
        leg.exten = exten
    turn.joined_queue(leg, turn.text("Queue"))


def queue_leave(turn: Turn) -> None:
    leg = leg_of(turn)
    if leg is not None:
        leg.call.waiting = False


def queue_abandon(turn: Turn) -> None:
    leg = leg_of(turn)
    if leg is not None:
        leg.call.abandoned = True


def agent_connect(turn: Turn) -> None:
    source, dest = leg_of(turn), leg_of(turn, "Dest")
    if source is not None and dest is not None:
        turn.dials(source, dest)
        dest.dialled = True
        turn.answered(dest)


def parked(turn: Turn) -> None:
    leg = leg_of(turn, "Parkee")
    if leg is not None:
        number = turn.text("ParkerDialString").rpartition("/")[2].partition("@")[0]
        put_into_lot(turn, leg, turn.text("ParkingSpace"), Party(number) if number else None)


def taken_from_lot(turn: Turn) -> None:
    parkee, retriever = leg_of(turn, "Parkee"), leg_of(turn, "Retriever")
    if parkee is not None and retriever is not None:
        unparked(turn, parkee, retriever)


def left_lot(turn: Turn) -> None:
    leg = leg_of(turn, "Parkee", begins=False)
    if leg is not None:
        out_of_lot(turn, leg)


def pickup(turn: Turn) -> None:
    picker, rung = leg_of(turn), leg_of(turn, "Target")
    if picker is not None and rung is not None:
        picked_up(turn, picker, rung)


def local_bridge(turn: Turn) -> None:
    one, two = leg_of(turn, "LocalOne"), leg_of(turn, "LocalTwo")
    if one is not None and two is not None:
        turn.merged(one.call, two.call)


NEWER_EVENTS: Final[dict[str, Handler]] = {
    "AgentConnect": agent_connect,
    "AttendedTransfer": attended_transfer,
    "BlindTransfer": blind_transfer,
    "BridgeEnter": bridge_enter,
    "BridgeLeave": bridge_leave,
    "DialBegin": dial_begin,
    "DialEnd": dial_end,
    "Hold": hold,
    "LocalBridge": local_bridge,
    "MusicOnHoldStart": music_start,
    "MusicOnHoldStop": music_stop,
    "ParkedCall": parked,
    "ParkedCallGiveUp": left_lot,
    "ParkedCallTimeOut": left_lot,
    "Pickup": pickup,
    "QueueCallerAbandon": queue_abandon,
    "QueueCallerJoin": queue_join,
    "QueueCallerLeave": queue_leave,
    "UnParkedCall": taken_from_lot,
    "Unhold": unhold,
}
