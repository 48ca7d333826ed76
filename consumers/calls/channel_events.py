"""What all versions of Asterisk say of a channel: it begins, changes its state and name, ends; snapshots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from consumers.calls.channel_name import channel_name
from consumers.calls.leg import RINGING, Leg
from consumers.calls.passing_on import connected, picked_up, stepped_in
from consumers.calls.turn import Turn

Handler = Callable[[Turn], None]

_RING: Final = "4"
_RINGING: Final = "5"
_UP: Final = "6"
# Extensions with which Asterisk begins a channel that it calls out on.
_NOBODY_DIALLED: Final = frozenset({"", "s", "h", "i", "t", "failed"})
_CONFERENCES: Final = frozenset({"ConfBridge", "MeetMe", "Park", "ParkedCall", "Page"})


def leg_of(turn: Turn, prefix: str = "", begins: bool = True, new: bool = False) -> Leg | None:
    """The leg that the headers with this prefix describe, brought up to date.

    One that was not known is begun where `begins`: then it began before we listened, unless it is `new`.
    """
    uniqueid = turn.text(f"{prefix}Uniqueid") or turn.text(f"{prefix}UniqueID")
    return named_leg(turn, uniqueid, turn.text(f"{prefix}Channel"), prefix, begins, new)


def named_leg(
    turn: Turn, uniqueid: str, name: str, prefix: str | None, begins: bool = True, new: bool = False
) -> Leg | None:
    """The leg of this channel; what the headers with this prefix say is taken in (None: nothing)."""
    board = turn.board
    linkedid = "" if prefix is None else turn.text(f"{prefix}Linkedid")
    leg = board.find(uniqueid, name)
    if leg is None:
        if not begins or not name:
            return None
        call_key = turn.event.call if turn.event.call != turn.event.pbx else ""
        leg = board.begin(uniqueid, name, linkedid, call_key, turn.now_us, new)
        if leg is None:
            return None
    elif linkedid and linkedid != leg.linkedid:
        board.link(leg.call, linkedid)
    leg.linkedid = linkedid or leg.linkedid
    if prefix is not None and f"{prefix}CallerIDNum" in turn.event.fields:
        leg.caller_id = turn.text(f"{prefix}CallerIDNum") or leg.caller_id
        leg.caller_name = turn.text(f"{prefix}CallerIDName") or leg.caller_name
    board.touch(leg.call, turn.now_us)
    return leg


def newchannel(turn: Turn) -> None:
    leg = leg_of(turn, new=True)
    if leg is None:
        return
    exten = turn.text("Exten")
    leg.exten = "" if exten in _NOBODY_DIALLED else exten
    if leg.device and (leg.exten or turn.text("ChannelState") == _RING):
        _comes_in(turn, leg)


def _comes_in(turn: Turn, leg: Leg) -> None:
    """The device called: it was not called."""
    leg.incoming = True
    if not leg.dialled and leg.call.caller is None:
        turn.takes_the_callers_place(leg)


def newstate(turn: Turn) -> None:
    state = turn.text("ChannelState")
    leg = leg_of(turn, begins=state in (_RING, _RINGING, _UP))
    if leg is None:
        return
    if state == _UP:
        turn.answered(leg)
    elif state == _RING and leg.device:
        _comes_in(turn, leg)
    elif state == _RINGING and leg.device and not (leg.dialled or leg.incoming) and len(leg.call.legs) == 1:
        # Who dials it may be said a little later. Where nobody does, a command rings it (<= 11).
        turn.board.unsaid.setdefault(leg, turn.now_us)


def new_caller_id(turn: Turn) -> None:
    leg_of(turn, begins=False)


def rename(turn: Turn) -> None:
    uniqueid = turn.text("Uniqueid")
    exchanged = turn.board.rename(uniqueid, turn.text("Newname"))
    if exchanged is None:
        return
    leg, displaced = exchanged
    if not (leg.device and displaced.device) or leg.call is displaced.call:
        return
    if displaced.result == RINGING:
        picked_up(turn, leg, displaced)
    else:
        stepped_in(turn, leg, displaced)


def hangup(turn: Turn) -> None:
    uniqueid, name = turn.text("Uniqueid"), turn.text("Channel")
    leg = turn.board.find(uniqueid)
    if leg is None:
        turn.board.note_ended(uniqueid)
        return
    read = channel_name(name)
    if read.zombie and read.base != leg.name:
        # Its renames were missed: the leg goes on somewhere else.
        turn.board.unhook(uniqueid)
        return
    if turn.event.synthetic:
        leg.call.synthetic = True
    turn.board.touch(leg.call, turn.now_us)
    cause = turn.text("Cause")
    turn.gone(leg, int(cause) if cause.isdecimal() and len(cause) < 6 else -1, turn.text("Cause-txt"))


def listed_channel(turn: Turn) -> None:
    """A channel in the list that a resync reads: what we did not know of it, we know now."""
    if not turn.event.snapshot:
        return
    uniqueid = turn.text("Uniqueid") or turn.text("UniqueID")
    application = turn.text("Application")
    leg = named_leg(turn, uniqueid, turn.text("Channel"), "", begins=True)
    if leg is None or not leg.device:
        return
    leg.caller_id = leg.caller_id or turn.text("CallerIDnum")
    leg.caller_name = leg.caller_name or turn.text("CallerIDname")
    called = application.startswith("App")
    state = turn.text("ChannelState")
    if leg.call.unseen:
        leg.dialled = leg.dialled or called
        if not called and leg.call.caller is None:
            leg.incoming = True
            leg.exten = turn.text("Exten") or turn.text("Extension")
            turn.takes_the_callers_place(leg)
    if called and state == _RINGING:
        turn.rang(None if leg.call.caller is None else leg.call.caller_leg, leg)
    if state != _UP:
        return
    bridge = turn.text("BridgeId")
    peer = turn.board.find(turn.text("BridgedUniqueID") or turn.text("BridgedUniqueid"))
    if bridge and application not in _CONFERENCES:
        for other in turn.board.enter(leg, bridge):
            connected(turn, other, leg)
    elif peer is not None:
        connected(turn, peer, leg)
    if leg.dialled:
        turn.answered(leg)
    leg.up = True


def gap(turn: Turn) -> None:
    """Events may be missing: what is told from now on of the calls that are open says so."""
    turn.board.gaps += 1


def connected_to_pbx(turn: Turn) -> None:
    """Another start of the PBX: no call outlives one."""
    control = turn.event.control or {}
    boot = control.get("boot", "")
    board = turn.board
    if not isinstance(boot, str) or not boot:
        return
    if board.boot and boot != board.boot:
        board.gaps += 1
        for call in list(board.calls.values()):
            turn.lost(call)
    board.boot = boot


CHANNEL_EVENTS: Final[dict[str, Handler]] = {
    "CoreShowChannel": listed_channel,
    "Hangup": hangup,
    "NewCallerid": new_caller_id,
    "Newchannel": newchannel,
    "Newstate": newstate,
    "Rename": rename,
}
CONTROL_EVENTS: Final[dict[str, Handler]] = {"gap": gap, "up": connected_to_pbx}
