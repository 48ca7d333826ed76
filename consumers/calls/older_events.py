"""What Asterisk 1.8 to 11 says of calls, piecemeal: by two Uniqueids, or by a channel's name alone."""

from __future__ import annotations

from typing import Final

from consumers.calls.channel_events import Handler, leg_of, named_leg
from consumers.calls.channel_name import channel_name
from consumers.calls.holding import hears_music, held, music_stops, resumed
from consumers.calls.leg import Leg
from consumers.calls.outcome import CANCELLED, DIAL_RESULTS
from consumers.calls.passing_on import connected, handed_on, joined, out_of_lot, put_into_lot, unparked
from consumers.calls.turn import Turn
from schemas.call_event import Party


def _leg(turn: Turn, uniqueid: str, channel: str, begins: bool = True) -> Leg | None:
    """The leg under these two headers; no other header of the event is about it alone."""
    return named_leg(turn, turn.text(uniqueid), turn.text(channel), None, begins)


def _named(turn: Turn, channel: str) -> Leg | None:
    """The leg of a channel that is only named."""
    return turn.board.names.get(channel_name(turn.text(channel)).base)


def dial(turn: Turn) -> None:
    source = _leg(turn, "UniqueID", "Channel")
    if source is None:
        return
    if turn.text("SubEvent") == "End":
        status = turn.text("DialStatus")
        if status != "ANSWER":
            source.call.settle_provisional(DIAL_RESULTS.get(status, CANCELLED))
        return
    dest = _leg(turn, "DestUniqueID", "Destination")
    if dest is not None:
        turn.dials(source, dest)
        turn.rang(source, dest, turn.text("Dialstring"))


def bridge(turn: Turn) -> None:
    linked = turn.text("Bridgestate") == "Link" or turn.event.event == "Link"
    one = _leg(turn, "Uniqueid1", "Channel1", begins=linked)
    two = _leg(turn, "Uniqueid2", "Channel2", begins=linked)
    if not linked:
        for leg in (one, two):
            if leg is not None:
                turn.board.leave(leg)
        return
    if one is None or two is None:
        return
    name = f"{one.uniqueid} {two.uniqueid}"
    turn.board.enter(one, name)
    turn.board.enter(two, name)
    connected(turn, one, two)
    for leg in (one, two):
        if leg.dialled:
            turn.answered(leg)


def queue_join(turn: Turn) -> None:
    leg = leg_of(turn)
    if leg is not None:
        turn.joined_queue(leg, turn.text("Queue"))


def queue_leave(turn: Turn) -> None:
    leg = leg_of(turn)
    if leg is not None:
        leg.call.waiting = False


def agent_called(turn: Turn) -> None:
    source, dest = _named(turn, "ChannelCalling"), _named(turn, "DestinationChannel")
    if source is None or dest is None:
        return
    turn.dials(source, dest)
    turn.rang(source, dest, turn.text("AgentCalled"))


def agent_connect(turn: Turn) -> None:
    source, dest = turn.board.find(turn.text("Uniqueid")), turn.board.find(turn.text("BridgedChannel"))
    if source is not None and dest is not None:
        turn.dials(source, dest)
        dest.dialled = True
        turn.answered(dest)


def hold(turn: Turn) -> None:
    leg = leg_of(turn)
    if leg is None:
        return
    if turn.text("Status") == "On":
        held(turn, leg)
    else:
        resumed(turn, leg)


def music(turn: Turn) -> None:
    leg = _leg(turn, "UniqueID", "Channel", begins=False)
    if leg is None:
        return
    if turn.text("State") == "Start":
        hears_music(turn, leg)
    else:
        music_stops(turn, leg)


def transfer(turn: Turn) -> None:
    """chan_sip's: `Channel` transfers, `TargetChannel` is the other side, or, Attended, its second call."""
    leg = leg_of(turn)
    if leg is None:
        return
    if turn.text("TransferType") == "Attended":
        second = _leg(turn, "TargetUniqueid", "TargetChannel", begins=False)
        joined(turn, leg, second, leg.call.counterpart(leg), None)
    else:
        handed_on(turn, leg, leg.call.counterpart(leg), turn.text("TransferExten"))


def parked(turn: Turn) -> None:
    leg = leg_of(turn)
    if leg is not None:
        parker = _named(turn, "From")
        peer = channel_name(turn.text("From")).peer
        by = parker.party if parker is not None else Party(peer, "", turn.text("From")) if peer else None
        put_into_lot(turn, leg, turn.text("Exten"), by)


def taken_from_lot(turn: Turn) -> None:
    parkee, retriever = leg_of(turn), _named(turn, "From")
    if parkee is not None and retriever is not None:
        unparked(turn, parkee, retriever)


def left_lot(turn: Turn) -> None:
    leg = leg_of(turn, begins=False)
    if leg is not None:
        out_of_lot(turn, leg)


def local_bridge(turn: Turn) -> None:
    one, two = _leg(turn, "Uniqueid1", "Channel1"), _leg(turn, "Uniqueid2", "Channel2")
    if one is not None and two is not None:
        turn.merged(one.call, two.call)


# Names that both ages use are told apart by a header that only the older one writes.
TELLTALES: Final = {
    "AgentCalled": "ChannelCalling",
    "AgentConnect": "BridgedChannel",
    "Hold": "Status",
    "LocalBridge": "Uniqueid1",
    "ParkedCall": "Channel",
    "ParkedCallGiveUp": "Channel",
    "ParkedCallTimeOut": "Channel",
    "UnParkedCall": "From",
}

OLDER_EVENTS: Final[dict[str, Handler]] = {
    "AgentCalled": agent_called,
    "AgentConnect": agent_connect,
    "Bridge": bridge,
    "Dial": dial,
    "Hold": hold,
    "Join": queue_join,
    "Leave": queue_leave,
    "Link": bridge,
    "LocalBridge": local_bridge,
    "MusicOnHold": music,
    "ParkedCall": parked,
    "ParkedCallGiveUp": left_lot,
    "ParkedCallTimeOut": left_lot,
    "Transfer": transfer,
    "UnParkedCall": taken_from_lot,
    "Unlink": bridge,
}
