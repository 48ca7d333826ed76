"""The action Status: each channel with its variables, as the age of the PBX shows it."""

from __future__ import annotations

import time

from publisher.simulator.answers import Fields, error, listing, snapshot
from publisher.simulator.arguments import separate
from publisher.simulator.requests import Request, is_true
from publisher.simulator.state import Channel, PbxState
from publisher.simulator.variables import channel_value


def status(state: PbxState, request: Request) -> list[Fields]:
    name = request.get("Channel")
    wanted = state.find(name) if name else None
    if name and wanted is None:
        return error(request, "No such channel")
    channels = [wanted] if wanted is not None else list(state.channels.values())
    events: list[Fields] = []
    for channel in channels:
        shown = _modern(channel) if state.style.modern else _old(channel)
        events.append([*shown, *_variables(state, channel, request)])
    items: Fields = [("Items", len(events))]
    return listing(
        state,
        request,
        "Channel status will follow",
        events,
        "StatusComplete",
        id_first=False,
        old_complete=items,
        also=items,
    )


def _variables(state: PbxState, channel: Channel, request: Request) -> Fields:
    if state.style.modern and is_true(request.get("AllVariables")):
        return [("Variable", f"{name}={value}") for name, value in channel.variables.items()]
    names = separate(request.get("Variables"))
    return [("Variable", f"{name}={channel_value(channel, name)}") for name in names]


def _modern(channel: Channel) -> Fields:
    return [
        ("Event", "Status"),
        ("Privilege", "Call"),
        *snapshot(channel),
        ("Type", channel.name.partition("/")[0]),
        ("DNID", ""),
        ("EffectiveConnectedLineNum", channel.connected_num),
        ("EffectiveConnectedLineName", channel.connected_name),
        ("TimeToHangup", 0),
        ("BridgeID", channel.bridge_id),
        ("Application", channel.application),
        ("Data", channel.data),
        ("Nativeformats", "(alaw)"),
        ("Readformat", "alaw"),
        ("Readtrans", ""),
        ("Writeformat", "alaw"),
        ("Writetrans", ""),
        ("Callgroup", 0),
        ("Pickupgroup", 0),
        ("Seconds", max(0, int(time.time() - channel.since))),
    ]


def _old(channel: Channel) -> Fields:
    fields: Fields = [
        ("Event", "Status"),
        ("Privilege", "Call"),
        ("Channel", channel.name),
        ("CallerIDNum", channel.caller_num),
        ("CallerIDName", channel.caller_name),
        ("ConnectedLineNum", channel.connected_num),
        ("ConnectedLineName", channel.connected_name),
    ]
    if channel.in_dialplan:
        fields += [
            ("Accountcode", ""),
            ("ChannelState", channel.state),
            ("ChannelStateDesc", channel.state_name),
            ("Context", channel.context),
            ("Extension", channel.exten),
            ("Priority", channel.priority),
            ("Seconds", max(0, int(time.time() - channel.since))),
        ]
    else:
        fields += [("Account", ""), ("State", channel.state_name)]
    if channel.peer is not None:
        fields += [("BridgedChannel", channel.peer.name), ("BridgedUniqueid", channel.peer.uniqueid)]
    return [*fields, ("Uniqueid", channel.uniqueid)]
