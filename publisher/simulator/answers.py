"""What the simulated PBX answers to the actions that ask for its state.

Each answer is a function of the state and the request that gives packets; it waits for nothing. The shapes
are those of the recorded dialogues of Asterisk 11, 20 and 22.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from publisher.simulator.packets import response
from publisher.simulator.requests import Request
from publisher.simulator.state import Channel, Member, PbxState

Fields = list[tuple[str, object]]
Answer = Callable[[PbxState, Request], list[Fields]]

UNKNOWN_ACTION: Final = (
    "Invalid/unknown command: {name}. Use Action: ListCommands to show available commands."
)


@dataclass(slots=True, frozen=True)
class Action:
    """An action: any one of `classes` among a user's write classes allows it; none are needed if empty."""

    name: str
    answer: Answer
    synopsis: str
    classes: frozenset[str] = frozenset()
    styles: frozenset[str] = frozenset({"old", "SIP", "PJSIP"})

    def known_to(self, state: PbxState) -> bool:
        style = state.style
        return (style.tech if style.modern else "old") in self.styles


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


def status(state: PbxState, request: Request) -> list[Fields]:
    wanted = request.get("Channel")
    if wanted and wanted not in state.channels:
        return error(request, "No such channel")
    channels = [state.channels[wanted]] if wanted else list(state.channels.values())
    show = _status_modern if state.style.modern else _status_old
    events = [show(channel) for channel in channels]
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


def _status_modern(channel: Channel) -> Fields:
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
        ("Seconds", max(0, int(time.time() - channel.since))),
    ]


def _status_old(channel: Channel) -> Fields:
    fields: Fields = [
        ("Event", "Status"),
        ("Privilege", "Call"),
        ("Channel", channel.name),
        ("CallerIDNum", channel.caller_num),
        ("CallerIDName", channel.caller_name),
        ("ConnectedLineNum", channel.connected_num),
        ("ConnectedLineName", channel.connected_name),
        ("Accountcode", ""),
        ("ChannelState", channel.state),
        ("ChannelStateDesc", channel.state_name),
        ("Context", channel.context),
        ("Extension", channel.exten),
        ("Priority", channel.priority),
        ("Seconds", max(0, int(time.time() - channel.since))),
    ]
    if channel.peer is not None:
        fields += [("BridgedChannel", channel.peer.name), ("BridgedUniqueid", channel.peer.uniqueid)]
    return [*fields, ("Uniqueid", channel.uniqueid)]


def queue_status(state: PbxState, request: Request) -> list[Fields]:
    wanted = request.get("Queue")
    events: list[Fields] = []
    devices = state.devices()
    for queue in state.queues:
        if wanted and queue.name != wanted:
            continue
        calls = len(queue.callers)
        params: Fields = [("Event", "QueueParams"), ("Queue", queue.name), ("Max", 0)]
        params += [("Strategy", queue.strategy), ("Calls", calls), ("Holdtime", 0), ("TalkTime", 0)]
        params += [("Completed", 0), ("Abandoned", 0), ("ServiceLevel", 0), ("ServicelevelPerf", "0.0")]
        params += [("ServicelevelPerf2", "0.0")] if state.style.modern else []
        events.append([*params, ("Weight", 0)])
        events += [_member(state, queue.name, member, devices) for member in queue.members]
        for place, channel in enumerate(queue.callers, 1):
            entry: Fields = [("Event", "QueueEntry"), ("Queue", queue.name), ("Position", place)]
            entry += [("Channel", channel.name), ("Uniqueid", channel.uniqueid)]
            entry += [("CallerIDNum", channel.caller_num), ("CallerIDName", channel.caller_name)]
            entry += [
                ("ConnectedLineNum", channel.connected_num),
                ("ConnectedLineName", channel.connected_name),
            ]
            events.append([*entry, ("Wait", max(0, int(time.time() - channel.since)))])
    text = "Queue status will follow"
    return listing(state, request, text, events, "QueueStatusComplete", id_first=False, old_complete=[])


def _member(state: PbxState, queue: str, member: Member, devices: dict[str, str]) -> Fields:
    device = devices.get(member.interface, "NOT_INUSE")
    fields: Fields = [("Event", "QueueMember"), ("Queue", queue), ("Name", member.name)]
    fields += [("Location", member.interface), ("StateInterface", member.interface)]
    fields += [("Membership", "static"), ("Penalty", 0), ("CallsTaken", member.calls_taken), ("LastCall", 0)]
    if state.style.modern:
        fields += [("LastPause", 0), ("LoginTime", int(state.started)), ("InCall", 0)]
    else:
        fields += [("IsInCall", 0)]
    fields += [("Status", {"NOT_INUSE": 1, "INUSE": 2, "RINGING": 6}.get(device, 0))]
    fields += [("Paused", int(member.paused))]
    return [*fields, ("PausedReason", ""), ("Wrapuptime", 0)] if state.style.modern else fields


def queue_summary(state: PbxState, request: Request) -> list[Fields]:
    wanted = request.get("Queue")
    events: list[Fields] = []
    devices = state.devices()
    for queue in state.queues:
        if wanted and queue.name != wanted:
            continue
        free = [m for m in queue.members if not m.paused and devices.get(m.interface) == "NOT_INUSE"]
        event: Fields = [("Event", "QueueSummary"), ("Queue", queue.name), ("LoggedIn", len(queue.members))]
        event += [("Available", len(free)), ("Callers", len(queue.callers)), ("HoldTime", 0)]
        events.append([*event, ("TalkTime", 0), ("LongestHoldTime", 0)])
    text = "Queue summary will follow"
    return listing(state, request, text, events, "QueueSummaryComplete", id_first=False, old_complete=[])


def extension_state_list(state: PbxState, request: Request) -> list[Fields]:
    devices = state.devices()
    events: list[Fields] = []
    for number in state.extensions:
        hint = f"{state.style.tech}/{number}"
        code, text = {"INUSE": (1, "InUse"), "RINGING": (8, "Ringing")}.get(devices[hint], (0, "Idle"))
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
