"""What the simulated PBX answers to the actions that ask for its state: itself, its channels, its devices.

Each answer is a function of the state and the request that gives packets; it waits for nothing. The shapes
are those of the recorded dialogues of Asterisk 11, 20 and 22.
"""

from __future__ import annotations

import time
from typing import Final

from publisher.simulator.packets import response
from publisher.simulator.requests import Request
from publisher.simulator.state import Channel, PbxState, hint_state

Fields = list[tuple[str, object]]

_MODULES: Final = frozenset(
    {"app_dial", "app_mixmonitor", "app_queue", "app_userevent", "chan_local", "pbx_config"}
)
UNKNOWN_ACTION: Final = (
    "Invalid/unknown command: {name}. Use Action: ListCommands to show available commands."
)


def error(request: Request, message: str) -> list[Fields]:
    return [response("Error", request.action_id, [("Message", message)])]


def success(request: Request, fields: Fields) -> list[Fields]:
    return [response("Success", request.action_id, fields)]


def listing(
    state: PbxState,
    request: Request,
    message: str,
    events: list[Fields],
    complete: str,
    *,
    id_first: bool = True,
    old_start: bool = False,
    old_complete: Fields | None = None,
    also: Fields | None = None,
) -> list[Fields]:
    """A list: its response, its events, its end. Before 12 each action had a shape of its own."""
    mine: Fields = [("ActionID", request.action_id)] if request.action_id else []
    modern = state.style.modern
    start: Fields = [("EventList", "start")] if modern or old_start else []
    packets = success(request, [*start, ("Message", message)])
    for event in events:
        packets.append([event[0], *mine, *event[1:]] if id_first else [*event, *mine])
    counted: Fields = [("EventList", "Complete"), ("ListItems", len(events))]
    if modern:
        packets.append([("Event", complete), *mine, *counted, *(also or [])])
    elif old_complete is None:
        packets.append([("Event", complete), *counted, *mine])
    else:
        packets.append([("Event", complete), *mine, *old_complete])
    return packets


def core_status(state: PbxState, request: Request) -> list[Fields]:
    started = time.localtime(state.started)
    day, hour = time.strftime("%Y-%m-%d", started), time.strftime("%H:%M:%S", started)
    fields: Fields = [
        ("CoreStartupDate", day),
        ("CoreStartupTime", hour),
        ("CoreReloadDate", day),
        ("CoreReloadTime", hour),
        ("CoreCurrentCalls", len({channel.linkedid for channel in state.channels.values()})),
    ]
    if state.style.modern:
        fields.append(("CoreProcessedCalls", state.processed_calls))
    return success(request, fields)


def core_settings(state: PbxState, request: Request) -> list[Fields]:
    fields: Fields = [
        ("AMIversion", state.style.ami_version),
        ("AsteriskVersion", state.style.asterisk_version),
        ("SystemName", ""),
        ("CoreMaxCalls", 0),
        ("CoreMaxLoadAvg", "0.000000"),
        ("CoreRunUser", ""),
        ("CoreRunGroup", ""),
        ("CoreMaxFilehandles", 65000),
        ("CoreRealTimeEnabled", "No"),
        ("CoreCDRenabled", "Yes"),
        ("CoreHTTPenabled", "No"),
    ]
    if state.style.modern:
        fields.append(("SoundsSearchCustomDir", "No"))
    return success(request, fields)


def snapshot(channel: Channel, prefix: str = "") -> Fields:
    """A channel as Asterisk 12 and later show it in every event; `prefix` is `Dest` for the other party."""
    return [
        (f"{prefix}Channel", channel.name),
        (f"{prefix}ChannelState", channel.state),
        (f"{prefix}ChannelStateDesc", channel.state_name),
        (f"{prefix}CallerIDNum", channel.caller_num),
        (f"{prefix}CallerIDName", channel.caller_name),
        (f"{prefix}ConnectedLineNum", channel.connected_num),
        (f"{prefix}ConnectedLineName", channel.connected_name),
        (f"{prefix}Language", "en"),
        (f"{prefix}AccountCode", ""),
        (f"{prefix}Context", channel.context),
        (f"{prefix}Exten", channel.exten),
        (f"{prefix}Priority", channel.priority),
        (f"{prefix}Uniqueid", channel.uniqueid),
        (f"{prefix}Linkedid", channel.linkedid),
    ]


def core_show_channels(state: PbxState, request: Request) -> list[Fields]:
    show = _shown_modern if state.style.modern else _shown_old
    events = [show(channel) for channel in state.channels.values()]
    text = "Channels will follow"
    return listing(state, request, text, events, "CoreShowChannelsComplete", old_start=True)


def _duration(channel: Channel) -> str:
    seconds = max(0, int(time.time() - channel.since))
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _shown_modern(channel: Channel) -> Fields:
    return [
        ("Event", "CoreShowChannel"),
        *snapshot(channel),
        ("Application", channel.application),
        ("ApplicationData", channel.data),
        ("Duration", _duration(channel)),
        ("BridgeId", channel.bridge_id),
    ]


def _shown_old(channel: Channel) -> Fields:
    peer = channel.peer
    return [
        ("Event", "CoreShowChannel"),
        ("Channel", channel.name),
        ("UniqueID", channel.uniqueid),
        ("Context", channel.context),
        ("Extension", channel.exten),
        ("Priority", channel.priority),
        ("ChannelState", channel.state),
        ("ChannelStateDesc", channel.state_name),
        ("Application", channel.application),
        ("ApplicationData", channel.data),
        ("CallerIDnum", channel.caller_num),
        ("CallerIDname", channel.caller_name),
        ("ConnectedLineNum", channel.connected_num),
        ("ConnectedLineName", channel.connected_name),
        ("Duration", _duration(channel)),
        ("AccountCode", ""),
        ("BridgedChannel", peer.name if peer else ""),
        ("BridgedUniqueID", peer.uniqueid if peer else ""),
    ]


def extension_state(state: PbxState, request: Request) -> list[Fields]:
    """One hint; the hints of the simulator are in the context `hints`."""
    exten, context = request.get("Exten"), request.get("Context") or "default"
    if not exten:
        return error(request, "Extension not specified")
    hint, code, text = "", -1, "Unknown"
    if context == "hints" and exten in state.extensions:
        hint = f"{state.style.tech}/{exten}"
        code, text = hint_state(state.devices()[hint])
    fields: Fields = [("Message", "Extension Status"), ("Exten", exten), ("Context", context)]
    fields += [("Hint", hint), ("Status", code)]
    return success(request, [*fields, ("StatusText", text)] if state.style.modern else fields)


def extension_state_list(state: PbxState, request: Request) -> list[Fields]:
    devices = state.devices()
    events: list[Fields] = []
    for number in state.extensions:
        hint = f"{state.style.tech}/{number}"
        code, text = hint_state(devices[hint])
        event: Fields = [("Event", "ExtensionStatus"), ("Exten", number), ("Context", "hints")]
        events.append([*event, ("Hint", hint), ("Status", code), ("StatusText", text)])
    text = "Extension Statuses will follow"
    return listing(state, request, text, events, "ExtensionStateListComplete")


def device_state_list(state: PbxState, request: Request) -> list[Fields]:
    events: list[Fields] = [
        [("Event", "DeviceStateChange"), ("Device", device), ("State", value)]
        for device, value in state.devices().items()
    ]
    return listing(state, request, "Device State Changes will follow", events, "DeviceStateListComplete")


def presence_state_list(state: PbxState, request: Request) -> list[Fields]:
    return listing(state, request, "Presence State Changes will follow", [], "PresenceStateListComplete")


def presence_state(state: PbxState, request: Request) -> list[Fields]:
    if not request.get("Provider"):
        return error(request, "No provider specified")
    return success(request, [("Message", "Presence State"), ("State", "not_set")])


def mailbox_status(state: PbxState, request: Request) -> list[Fields]:
    mailbox = request.get("Mailbox")
    if not mailbox:
        return error(request, "Mailbox not specified")
    return success(request, [("Message", "Mailbox Status"), ("Mailbox", mailbox), ("Waiting", 0)])


def mailbox_count(state: PbxState, request: Request) -> list[Fields]:
    mailbox = request.get("Mailbox")
    if not mailbox:
        return error(request, "Mailbox not specified")
    counts: Fields = [("UrgMessages", 0), ("NewMessages", 0), ("OldMessages", 0)]
    return success(request, [("Message", "Mailbox Message Count"), ("Mailbox", mailbox), *counts])


def module_check(state: PbxState, request: Request) -> list[Fields]:
    if request.get("Module").removesuffix(".so") not in _MODULES:
        return error(request, "Module not loaded")
    return success(request, [("Version", "" if state.style.modern else state.style.asterisk_version)])
