"""The actions that the simulated PBX knows, and the smaller answers: peers, endpoints, the CLI.

The classes are those of Asterisk's own registrations, as its ListCommands shows them.
"""

from __future__ import annotations

from typing import Final

from publisher.simulator.action import Action, Answer, Deed
from publisher.simulator.answers import (
    Fields,
    core_settings,
    core_show_channels,
    core_status,
    device_state_list,
    error,
    extension_state,
    extension_state_list,
    listing,
    mailbox_count,
    mailbox_status,
    module_check,
    presence_state,
    presence_state_list,
)
from publisher.simulator.bridges import bridge_list, confbridge_list, confbridge_list_rooms
from publisher.simulator.call_actions import (
    absolute_timeout,
    atxfer,
    blind_transfer,
    hangup,
    park,
    redirect,
)
from publisher.simulator.channel_actions import (
    message_send,
    mix_monitor,
    monitor,
    mute_audio,
    play_dtmf,
    send_text,
    stop_mix_monitor,
    stop_monitor,
    user_event,
)
from publisher.simulator.channel_status import status
from publisher.simulator.database import db_del, db_del_tree, db_get, db_get_tree, db_put
from publisher.simulator.originate import originate
from publisher.simulator.packets import RAW, response
from publisher.simulator.parking_lot import parked_calls, parkinglots
from publisher.simulator.queue_actions import queue_add, queue_pause, queue_penalty, queue_remove
from publisher.simulator.queue_lists import queue_status, queue_summary
from publisher.simulator.requests import Request
from publisher.simulator.state import PbxState
from publisher.simulator.variables import getvar, setvar

_EVERY: Final = frozenset({"old", "SIP", "PJSIP"})
_NEW: Final = frozenset({"SIP", "PJSIP"})
_CHAN_SIP: Final = frozenset({"old", "SIP"})
_PJSIP: Final = frozenset({"PJSIP"})
_PEER_FLAGS: Final = (
    *("Dynamic", "AutoForcerport", "Forcerport", "AutoComedia", "Comedia"),
    *("VideoSupport", "TextSupport", "ACL"),
)


def sip_peers(state: PbxState, request: Request) -> list[Fields]:
    events: list[Fields] = []
    for number in state.extensions:
        event: Fields = [("Event", "PeerEntry"), ("Channeltype", "SIP"), ("ObjectName", number)]
        event += [("ChanObjectType", "peer"), ("IPaddress", "127.0.0.1"), ("IPport", 5060)]
        event += [(name, "no") for name in _PEER_FLAGS]
        event += [("Status", "Unmonitored"), ("RealtimeDevice", "no"), ("Description", "")]
        events.append([*event, ("Accountcode", "")] if state.style.modern else event)
    text = "Peer status list will follow"
    return listing(state, request, text, events, "PeerlistComplete", old_start=True)


def pjsip_show_endpoints(state: PbxState, request: Request) -> list[Fields]:
    events: list[Fields] = []
    for number in state.extensions:
        device = f"{state.style.tech}/{number}"
        active = sum(channel.device == device for channel in state.channels.values())
        event: Fields = [("Event", "EndpointList"), ("ObjectType", "endpoint"), ("ObjectName", number)]
        event += [("Transport", "transport-udp"), ("Aor", number), ("Auths", ""), ("OutboundAuths", "")]
        event += [("Contacts", f"{number}/sip:{number}@127.0.0.1:5060,")]
        event += [("DeviceState", "In use" if active else "Not in use"), ("ActiveChannels", active)]
        events.append(event)
    text = "A listing of Endpoints follows, presented as EndpointList events"
    return listing(state, request, text, events, "EndpointListComplete")


def command(state: PbxState, request: Request) -> list[Fields]:
    line = request.get("Command")
    if not line:
        return error(request, "No command provided")
    version = state.style.asterisk_version
    known = True
    if line == "core show version":
        output = [f"Asterisk {version} built by simulator @ pbx on a x86_64 running Linux"]
    elif line == "core show uptime":
        output = [f"System uptime: {state.uptime} seconds", f"Last reload: {state.uptime} seconds"]
    else:
        known = False
        hint = " ".join(line.split()[:2])
        output = [
            f"No such command '{line}' (type 'core show help {hint}' for other possible commands)",
        ]
    if state.style.modern:
        lines: Fields = [("Message", "Command output follows"), *(("Output", text) for text in output)]
        kind = "Success" if known else "Error"
        return [response(kind, request.action_id, lines)]
    mine: Fields = [("ActionID", request.action_id)] if request.action_id else []
    text = "\n".join([*output, "--END COMMAND--"])
    return [[("Response", "Follows"), ("Privilege", "Command"), *mine, (RAW, text)]]


def _ordered(classes: frozenset[str]) -> list[str]:
    """In the order in which Asterisk names classes."""
    return sorted(classes, key=lambda name: (name not in ("system", "call"), name != "system", name))


def list_commands(state: PbxState, request: Request) -> list[Fields]:
    lines: Fields = [("ActionID", request.action_id)] if request.action_id else []
    for _, action in sorted(actions_of(state).items()):
        needed = ",".join([*_ordered(action.classes), "all"]) if action.classes else "<none>"
        lines.append((action.name, f"{action.synopsis}  (Priv: {needed})"))
    return [[*response("Success", ""), *lines]]


def _ask(
    name: str, answer: Answer, synopsis: str, classes: str = "", styles: frozenset[str] = _EVERY
) -> Action:
    """An action that asks and changes nothing."""
    return Action(name, synopsis, answer, None, frozenset(classes.split()), styles)


def _do(name: str, deed: Deed, synopsis: str, classes: str = "", styles: frozenset[str] = _EVERY) -> Action:
    """An action that changes something, and is counted as executed."""
    return Action(name, synopsis, None, deed, frozenset(classes.split()), styles, changes=True)


_REPORTS: Final = "system reporting"
_CALLS: Final = "call reporting"

_ALL: Final = (
    # These concern the session itself; `publisher.simulator.session` answers them.
    Action("Login", "Login Manager."),
    Action("Logoff", "Logoff Manager."),
    Action("Challenge", "Generate Challenge for MD5 Auth."),
    Action("Ping", "Keepalive command."),
    Action("Events", "Control Event Flow."),
    Action("Filter", "Dynamically add filters for the current session.", classes=frozenset({"system"})),
    _ask("CoreStatus", core_status, "Show PBX core status variables.", _REPORTS),
    _ask("CoreSettings", core_settings, "Show PBX core settings (version etc).", _REPORTS),
    _ask("CoreShowChannels", core_show_channels, "List currently active channels.", _REPORTS),
    _ask("Status", status, "List channel status.", "system call reporting"),
    _ask("QueueStatus", queue_status, "Show queue status."),
    _ask("QueueSummary", queue_summary, "Show queue summary."),
    _ask("ExtensionState", extension_state, "Check Extension Status.", _CALLS),
    _ask(
        "ExtensionStateList", extension_state_list, "List the current known extension states.", _CALLS, _NEW
    ),
    _ask("DeviceStateList", device_state_list, "List the current known device states.", _CALLS, _NEW),
    _ask("PresenceState", presence_state, "Check Presence State", _CALLS),
    _ask("PresenceStateList", presence_state_list, "List the current known presence states.", _CALLS, _NEW),
    _ask("MailboxStatus", mailbox_status, "Check mailbox.", _CALLS),
    _ask("MailboxCount", mailbox_count, "Check Mailbox Message Count.", _CALLS),
    _ask("ParkedCalls", parked_calls, "List parked calls.", "", frozenset({"old"})),
    _ask("Parkinglots", parkinglots, "Get a list of parking lots", "", frozenset({"old"})),
    _ask("ParkedCalls", parked_calls, "List parked calls.", "call", _NEW),
    _ask("Parkinglots", parkinglots, "Get a list of parking lots", "call", _NEW),
    _ask("BridgeList", bridge_list, "Get a list of bridges in the system.", "", _NEW),
    _ask("ConfbridgeListRooms", confbridge_list_rooms, "List active conferences.", "reporting"),
    _ask("ConfbridgeList", confbridge_list, "List participants in a conference.", "reporting"),
    _ask("ModuleCheck", module_check, "Check if module is loaded.", "system"),
    _ask("DBGet", db_get, "Get DB Entry.", _REPORTS),
    _ask("DBGetTree", db_get_tree, "Get DB entries, optionally at a particular family/key", _REPORTS, _NEW),
    _ask("ListCommands", list_commands, "List available manager commands."),
    _ask("SIPpeers", sip_peers, "List SIP peers (text format).", _REPORTS, _CHAN_SIP),
    _ask("PJSIPShowEndpoints", pjsip_show_endpoints, "Lists PJSIP endpoints.", "system", _PJSIP),
    _ask("Command", command, "Execute Asterisk CLI Command.", "command"),
    # What it may read depends on who asks.
    Action(
        "Getvar",
        "Gets a channel variable or function value.",
        deed=getvar,
        classes=frozenset({"call", "reporting"}),
    ),
    _do("Originate", originate, "Originate a call.", "originate"),
    _do("Hangup", hangup, "Hangup channel.", "system call"),
    _do("Redirect", redirect, "Redirect (transfer) a call.", "call"),
    _do("Atxfer", atxfer, "Attended transfer.", "call"),
    _do(
        "BlindTransfer",
        blind_transfer,
        "Blind transfer channel(s) to the given destination",
        "call",
        _NEW,
    ),
    _do("Park", park, "Park a channel.", "call"),
    _do("AbsoluteTimeout", absolute_timeout, "Set absolute timeout.", "system call"),
    _do("QueueAdd", queue_add, "Add interface to queue.", "agent"),
    _do("QueueRemove", queue_remove, "Remove interface from queue.", "agent"),
    _do("QueuePause", queue_pause, "Makes a queue member temporarily unavailable.", "agent"),
    _do("QueuePenalty", queue_penalty, "Set the penalty for a queue member.", "agent"),
    _do("PlayDTMF", play_dtmf, "Play DTMF signal on a specific channel.", "call"),
    _do("SendText", send_text, "Sends a text message to channel.", "call"),
    _do("MessageSend", message_send, "Send an out of call message to an endpoint.", "message"),
    _do("MixMonitor", mix_monitor, "Record a call and mix the audio during the recording.", "system"),
    _do("StopMixMonitor", stop_mix_monitor, "Stop recording a call through MixMonitor.", "system call"),
    _do("Monitor", monitor, "Monitor a channel.", "call", _CHAN_SIP),
    _do("StopMonitor", stop_monitor, "Stop monitoring a channel.", "call", _CHAN_SIP),
    _do("MuteAudio", mute_audio, "Mute an audio stream.", "system"),
    _do("Setvar", setvar, "Sets a channel variable or function value.", "call"),
    _do("DBPut", db_put, "Put DB entry.", "system"),
    _do("DBDel", db_del, "Delete DB entry.", "system"),
    _do("DBDelTree", db_del_tree, "Delete DB Tree.", "system"),
    _do("UserEvent", user_event, "Send an arbitrary event.", "user"),
)

# By style, then by name in lower case.
_KNOWN: Final = {
    style: {action.name.lower(): action for action in _ALL if style in action.styles} for style in _EVERY
}
NAMES: Final = frozenset(action.name.lower() for action in _ALL)


def actions_of(state: PbxState) -> dict[str, Action]:
    """The actions that a PBX of that age and channel driver knows, by name in lower case."""
    return _KNOWN[state.style.tech if state.style.modern else "old"]
