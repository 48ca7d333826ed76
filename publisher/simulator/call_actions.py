"""What ends calls or sends them elsewhere: Hangup, Redirect, Atxfer, BlindTransfer, Park, AbsoluteTimeout."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from publisher.simulator.answers import Fields, listing, snapshot
from publisher.simulator.ask import Ask, HangUp, Move, Park
from publisher.simulator.bridges import bridge_fields
from publisher.simulator.parking_lot import PARKING_SECS, free_space
from publisher.simulator.requests import Request, whole_number
from publisher.simulator.script import Rest, Script
from publisher.simulator.state import Channel, PbxState
from publisher.simulator.turn import Turn

if TYPE_CHECKING:
    from publisher.simulator.switchboard import Switchboard

_ATXFER_CODE: Final = "*2"


def hangup(board: Switchboard, turn: Turn) -> None:
    """One channel by its name or Uniqueid, or every one whose name an expression between slashes finds."""
    request, state = turn.request, board.state
    name = request.get("Channel")
    if not name:
        return turn.refuse("No channel specified")
    given = whole_number(request.get("Cause"))
    # A cause that is none is passed over: better to hang up without one than not at all.
    cause = given if given is not None and 0 < given <= 127 else 16
    if not name.startswith("/"):
        channel = state.find(name)
        if channel is None:
            return turn.refuse("No such channel")
        turn.accept("Channel Hungup")
        board.ask((channel, HangUp(cause)))
        return None
    if len(name) < 2 or not name.endswith("/"):
        return turn.refuse("Regex format invalid, Channel param should be /regex/")
    try:
        expression = re.compile(name[1:-1].replace("\\/", "/"))
    except re.error:
        return turn.refuse(f"Regex compile failed on: {name}")
    found = [channel for channel in state.channels.values() if expression.search(channel.name)]
    turn.answer(_hung_up(state, request, found))
    board.ask(*((channel, HangUp(cause)) for channel in found))
    return None


def _hung_up(state: PbxState, request: Request, channels: list[Channel]) -> list[Fields]:
    events: list[Fields] = [[("Event", "ChannelHungup"), ("Channel", channel.name)] for channel in channels]
    text, end = "Channels hung up will follow", "ChannelsHungupListComplete"
    return listing(state, request, text, events, end, id_first=False, old_start=True)


def redirect(board: Switchboard, turn: Turn) -> None:
    """Send one channel elsewhere, or two."""
    request, state = turn.request, board.state
    place = _place(request, "")
    if isinstance(place, str):
        return turn.refuse(place)
    # Without an ExtraContext both go to the same place.
    other_place, other_name = place, request.get("ExtraChannel")
    if other_name and request.get("ExtraContext"):
        found = _place(request, "Extra")
        if isinstance(found, str):
            return turn.refuse(found)
        other_place = found
    name = request.get("Channel")
    channel = state.find(name)
    if channel is None:
        return turn.refuse(f"Channel does not exist: {name}")
    if isinstance(channel.ask, HangUp):
        return turn.refuse("Redirect failed, channel not up.")
    if not other_name:
        # A phone that still rings runs no dialplan that could be sent elsewhere.
        if channel.state != 6 and not channel.in_dialplan:
            return turn.refuse("Redirect failed")
        turn.accept("Redirect successful")
        board.ask((channel, place))
        return None
    other = state.find(other_name)
    if other is None:
        return turn.refuse(f"ExtraChannel does not exist: {other_name}")
    if isinstance(other.ask, HangUp):
        return turn.refuse("Redirect failed, extra channel not up.")
    turn.accept("Dual Redirect successful")
    board.ask((channel, place), (other, other_place))
    return None


def _place(request: Request, prefix: str) -> Move | str:
    """Where to go, or why it cannot be told."""
    if not prefix and not request.get("Channel"):
        return "Channel not specified"
    for name in ("Context", "Exten", "Priority"):
        if not request.get(prefix + name):
            return f"{prefix}{name} not specified"
    priority = whole_number(request.get(f"{prefix}Priority"))
    if priority is None or priority < 1:
        return f"{prefix}Priority is invalid"
    return Move(request.get(f"{prefix}Context"), request.get(f"{prefix}Exten"), priority)


def atxfer(board: Switchboard, turn: Turn) -> None:
    """The channel is made to dial the feature code and the number; nobody is called by it here."""
    request, state, events = turn.request, board.state, board.dialplan.events
    if not request.get("Channel"):
        return turn.refuse("No channel specified")
    exten = request.get("Exten")
    if not exten:
        return turn.refuse("No extension specified")
    channel = state.find(request.get("Channel"))
    if channel is None:
        return turn.refuse("Channel specified does not exist")
    turn.accept("Atxfer successfully queued")
    if context := request.get("Context"):
        channel.set_variable("TRANSFER_CONTEXT", context)
        said = events.varset(channel, "TRANSFER_CONTEXT", context)
        board.say(said.event, said.classes, said.fields)
    for digit in _ATXFER_CODE + exten:
        pressed: Fields = [("Digit", digit)]
        if events.modern:
            pressed += [("DurationMs", 0), ("Direction", "Received")]
            said = events.channel("DTMFEnd", channel, pressed, "dtmf,all")
        else:
            pressed += [("Direction", "Received"), ("Begin", "No"), ("End", "Yes")]
            said = events.channel("DTMF", channel, pressed, "dtmf,all")
        board.say(said.event, said.classes, said.fields)
    return None


def blind_transfer(board: Switchboard, turn: Turn) -> None:
    """Whom the channel talks with goes to the extension, and the channel ends. Asterisk 12 and later."""
    request, state = turn.request, board.state
    exten = request.get("Exten")
    if not request.get("Channel"):
        return turn.refuse("No channel specified")
    if not exten:
        return turn.refuse("No extension specified")
    channel = state.find(request.get("Channel"))
    if channel is None:
        return turn.refuse("Channel specified does not exist")
    context, peer = request.get("Context") or channel.context, channel.peer
    fields: Fields = [("Result", "Success" if peer else "Invalid"), *snapshot(channel, "Transferer")]
    if peer is not None:
        fields += [*snapshot(peer, "Transferee"), *bridge_fields(channel.bridge_id, 2)]
    fields += [("IsExternal", "Yes"), ("Context", context), ("Extension", exten)]
    if peer is None:
        turn.refuse("Transfer invalid")
    else:
        turn.accept("Transfer succeeded")
    board.say("BlindTransfer", "call,all", fields)
    if peer is not None:
        board.ask((peer, Move(context, exten, 1)), (channel, HangUp(16, told=True)))
    return None


def park(board: Switchboard, turn: Turn) -> None:
    """The channel waits in the parking lot. Before 12 `Channel2` is asked for, and it is hung up."""
    request, state, modern = turn.request, board.state, board.state.style.modern
    name, parker = request.get("Channel"), request.get("Channel2")
    if not name:
        return turn.refuse("Channel not specified")
    if not modern and not parker:
        return turn.refuse("Channel2 not specified")
    text = request.get("Timeout")
    milliseconds = whole_number(text) if text else PARKING_SECS * 1000
    if milliseconds is None or (modern and milliseconds < 0):
        return turn.refuse(f"Invalid {'Timeout' if modern else 'timeout'} value.")
    channel = state.find(name)
    if channel is None:
        return turn.refuse(f"Channel does not exist: {name}")
    if not modern and state.find(parker) is None:
        return turn.refuse(f"Channel does not exist: {parker}")
    if free_space(state) is None or channel.state != 6:
        # From 12 on the sentences of this action end with a line end of their own.
        return turn.refuse("Park action failed\n" if modern else "Park failure")
    turn.accept("Park successful\n" if modern else "Park successful")
    parker = (request.get("TimeoutChannel") or parker) if modern else parker
    # A timeout of 0 is none: the call waits until it is fetched.
    secs = milliseconds / 1000 if milliseconds > 0 else 86_400.0
    board.ask((channel, Park(parker or channel.name, secs)))
    return None


def absolute_timeout(board: Switchboard, turn: Turn) -> None:
    """The channel is hung up after so many seconds."""
    request, state = turn.request, board.state
    if not request.get("Channel"):
        return turn.refuse("No channel specified")
    match = re.match(r"\s*\+?(\d{1,9}(?:\.\d*)?)", request.get("Timeout"))
    secs = float(match[1]) if match else 0.0
    if not secs:
        return turn.refuse("No timeout specified")
    channel = state.find(request.get("Channel"))
    if channel is None:
        return turn.refuse("No such channel")
    if board.full:
        return turn.refuse("Too many calls to time")
    turn.accept("Timeout Set")
    board.play(_timed_out(board, channel, secs, HangUp(16)))
    return None


def _timed_out(board: Switchboard, channel: Channel, secs: float, ask: Ask) -> Script:
    yield Rest(secs)
    if board.state.channels.get(channel.name) is channel:
        board.ask((channel, ask))
