"""The parking lot of the simulated PBX: spaces 701 to 720, and what a channel in one of them tells."""

from __future__ import annotations

import uuid
from typing import Final

from publisher.simulator.answers import Fields, error, listing, snapshot
from publisher.simulator.ask import Ask, HangUp, Park
from publisher.simulator.events import Events
from publisher.simulator.masquerade import masquerade
from publisher.simulator.requests import Request
from publisher.simulator.script import Part, Rest, Say
from publisher.simulator.state import Channel, ParkedCall, PbxState

LOT: Final = "default"
SPACES: Final = range(701, 721)
PARKING_SECS: Final = 8


def free_space(state: PbxState) -> int | None:
    """The first free space, None where the lot is full."""
    return next((space for space in SPACES if space not in state.parked), None)


def parked_fields(call: ParkedCall) -> Fields:
    """A parked call as Asterisk 12 and later tell of it."""
    left = max(0, int(call.timeout_secs) - call.waited_secs)
    fields = [*snapshot(call.channel, "Parkee"), ("ParkerDialString", call.parker.rpartition("-")[0])]
    fields += [("Parkinglot", LOT), ("ParkingSpace", call.space)]
    return [*fields, ("ParkingTimeout", left), ("ParkingDuration", call.waited_secs)]


def parked(state: PbxState, events: Events, a: Channel, ask: Park) -> Part:
    """The channel waits in a space; gives what was asked of it there, or its end after the timeout."""
    modern = events.modern
    space = free_space(state)
    if space is None:
        return HangUp(16, told=True)
    if not modern:
        yield from masquerade(state, events, a, "Parked", 0)
    call = ParkedCall(space, a, ask.parker, ask.timeout_secs)
    state.parked[space] = call
    bridge = str(uuid.uuid4())
    if modern:
        yield Say("ParkedCall", "call,all", parked_fields(call))
        yield Say("BridgeEnter", "call,all", [*_lot_fields(bridge, len(state.parked)), *snapshot(a)])
        yield events.channel("MusicOnHoldStart", a, [("Class", "default")])
    else:
        exten: Fields = [("Exten", call.space)]
        timeout: Fields = [("From", call.parker), ("Timeout", int(call.timeout_secs))]
        yield Say("ParkedCall", "call,all", [*exten, *_old_fields(a, timeout), ("Uniqueid", a.uniqueid)])
        yield _old_music(a, "Start", [("Class", "default")])
    yield Rest(ask.timeout_secs, (a,))
    asked: Ask | None = a.take_ask()
    state.parked.pop(space, None)
    event = "ParkedCallTimeOut" if asked is None else "ParkedCallGiveUp"
    if modern:
        yield events.channel("MusicOnHoldStop", a, [])
        yield Say(event, "call,all", parked_fields(call))
        yield Say("BridgeLeave", "call,all", [*_lot_fields(bridge, len(state.parked)), *snapshot(a)])
    else:
        yield _old_music(a, "Stop", [])
        fields = [("Exten", call.space), *_old_fields(a, []), ("UniqueID", a.uniqueid)]
        yield Say(event, "call,all", fields)
    return asked or HangUp(16, told=True)


def _lot_fields(bridge: str, channels: int) -> Fields:
    fields: Fields = [("BridgeUniqueid", bridge), ("BridgeType", "parking")]
    fields += [("BridgeTechnology", "holding_bridge"), ("BridgeCreator", "Parking"), ("BridgeName", LOT)]
    return [*fields, ("BridgeNumChannels", channels), ("BridgeVideoSourceMode", "none")]


def _old_fields(a: Channel, between: Fields) -> Fields:
    head: Fields = [("Channel", a.name), ("Parkinglot", LOT), *between]
    head += [("CallerIDNum", a.caller_num), ("CallerIDName", a.caller_name)]
    return [*head, ("ConnectedLineNum", a.connected_num), ("ConnectedLineName", a.connected_name)]


def _old_music(a: Channel, state: str, rest: Fields) -> Say:
    fields: Fields = [("State", state), ("Channel", a.name), ("UniqueID", a.uniqueid), *rest]
    return Say("MusicOnHold", "call,all", fields)


def parked_calls(state: PbxState, request: Request) -> list[Fields]:
    wanted = request.get("ParkingLot")
    if state.style.modern and wanted and wanted != LOT:
        return error(request, "Requested parking lot could not be found.")
    events: list[Fields] = []
    for call in state.parked.values():
        if state.style.modern:
            events.append([("Event", "ParkedCall"), *parked_fields(call)])
        else:
            fields: Fields = [("Event", "ParkedCall"), ("Parkinglot", LOT), ("Exten", call.space)]
            fields += [("Channel", call.channel.name), ("From", call.parker)]
            left = int(call.timeout_secs) - call.waited_secs
            fields += [("Timeout", left), ("Duration", call.waited_secs)]
            events.append([*fields, *_old_fields(call.channel, [])[2:]])
    text, total = "Parked calls will follow", ("Total", len(events))
    packets = listing(state, request, text, events, "ParkedCallsComplete", id_first=False, also=[total])
    if not state.style.modern:
        mine: Fields = [("ActionID", request.action_id)] if request.action_id else []
        packets[-1] = [("Event", "ParkedCallsComplete"), total, *mine]
    return packets


def parkinglots(state: PbxState, request: Request) -> list[Fields]:
    text, complete = "Parking lots will follow", "ParkinglotsComplete"
    first, last = ("StartSpace", "StopSpace") if state.style.modern else ("StartExten", "StopExten")
    lot: Fields = [("Event", "Parkinglot"), ("Name", LOT), (first, SPACES[0]), (last, SPACES[-1])]
    lot.append(("Timeout", PARKING_SECS))
    packets = listing(state, request, text, [lot], complete, old_complete=[])
    if not state.style.modern:
        # Before 12 the lots carry no ActionID.
        packets[1] = lot
    return packets
