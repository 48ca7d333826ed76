"""Variables of a channel or of the whole PBX: Getvar, Setvar, and the functions that read a channel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from publisher.simulator.answers import Fields, error, success
from publisher.simulator.requests import Request
from publisher.simulator.state import Channel, PbxState

if TYPE_CHECKING:
    from publisher.simulator.switchboard import Switchboard
    from publisher.simulator.turn import Turn

# What clients set is kept, but not without bound: later ones are taken and forgotten.
MAX_VARIABLES: Final = 10_000
_FUNCTION: Final = re.compile(r"(CHANNEL|CALLERID|CONNECTEDLINE)\((\w+)\)")


def channel_value(channel: Channel, name: str) -> str:
    """A channel variable, or what CHANNEL(), CALLERID() or CONNECTEDLINE() gives; empty if unknown."""
    match = _FUNCTION.fullmatch(name)
    if match is None:
        return channel.variables.get(name, "")
    known = {
        "CHANNEL(name)": channel.name,
        "CHANNEL(state)": channel.state_name,
        "CHANNEL(uniqueid)": channel.uniqueid,
        "CHANNEL(linkedid)": channel.linkedid,
        "CHANNEL(context)": channel.context,
        "CHANNEL(exten)": channel.exten,
        "CHANNEL(language)": "en",
        "CALLERID(num)": channel.caller_num,
        "CALLERID(name)": channel.caller_name,
        "CONNECTEDLINE(num)": channel.connected_num,
        "CONNECTEDLINE(name)": channel.connected_name,
    }
    return known.get(name, "")


def getvar(board: Switchboard, turn: Turn) -> None:
    """It reads only, but what it may read depends on who asks."""
    request = turn.request
    name = request.get("Variable")
    if name and "system" not in turn.classes and ("SHELL" in name or "EVAL" in name):
        turn.refuse("GetVar Access Forbidden: Variable")
        return
    turn.answer(_value(board.state, request, name))


def _value(state: PbxState, request: Request, name: str) -> list[Fields]:
    if not name:
        return error(request, "No variable specified")
    wanted = request.get("Channel")
    channel = state.find(wanted) if wanted else None
    if wanted and channel is None:
        return error(request, "No such channel")
    value = channel_value(channel, name) if channel is not None else ""
    return success(request, [("Variable", name), ("Value", value or state.variables.get(name, ""))])


def setvar(board: Switchboard, turn: Turn) -> None:
    request, state = turn.request, board.state
    name, wanted, value = request.get("Variable"), request.get("Channel"), request.get("Value")
    if not name:
        turn.refuse("No variable specified")
        return
    channel = state.find(wanted) if wanted else None
    if wanted and channel is None:
        turn.refuse("No such channel")
        return
    if channel is not None:
        channel.set_variable(name, value)
    elif name in state.variables or len(state.variables) < MAX_VARIABLES:
        state.variables[name] = value
    turn.accept("Variable Set")
    said = board.dialplan.events.varset(channel, name, value)
    board.say(said.event, said.classes, said.fields)
