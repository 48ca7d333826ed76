"""The actions that the simulated PBX knows, and the smaller answers: peers, variables, the CLI."""

from __future__ import annotations

from typing import Final

from publisher.simulator.answers import (
    Action,
    Fields,
    core_settings,
    core_show_channels,
    core_status,
    device_state_list,
    error,
    extension_state_list,
    listing,
    presence_state_list,
    queue_status,
    queue_summary,
    status,
    success,
)
from publisher.simulator.packets import RAW, response
from publisher.simulator.requests import Request
from publisher.simulator.state import PbxState

_NEW: Final = frozenset({"SIP", "PJSIP"})
_CHAN_SIP: Final = frozenset({"old", "SIP"})
_PJSIP: Final = frozenset({"PJSIP"})


def sip_peers(state: PbxState, request: Request) -> list[Fields]:
    events: list[Fields] = []
    for number in state.extensions:
        event: Fields = [("Event", "PeerEntry"), ("Channeltype", "SIP"), ("ObjectName", number)]
        event += [("ChanObjectType", "peer"), ("IPaddress", "127.0.0.1"), ("IPport", 5060)]
        events.append([*event, ("Dynamic", "no"), ("Status", "Unmonitored"), ("Description", "")])
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


def getvar(state: PbxState, request: Request) -> list[Fields]:
    name, channel = request.get("Variable"), request.get("Channel")
    if not name:
        return error(request, "No variable specified")
    if channel and channel not in state.channels:
        return error(request, "No such channel")
    value = state.variables.get(f"{channel}:{name}" if channel else name, "")
    return success(request, [("Variable", name), ("Value", value)])


def setvar(state: PbxState, request: Request) -> list[Fields]:
    name, channel = request.get("Variable"), request.get("Channel")
    if not name:
        return error(request, "No variable specified")
    if channel and channel not in state.channels:
        return error(request, "No such channel")
    if len(state.variables) < MAX_VARIABLES:
        state.variables[f"{channel}:{name}" if channel else name] = request.get("Value")
    return success(request, [("Message", "Variable Set")])


# What clients set is kept, but not without bound: later ones are taken and forgotten.
MAX_VARIABLES: Final = 10_000


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


def list_commands(state: PbxState, request: Request) -> list[Fields]:
    lines: Fields = [("ActionID", request.action_id)] if request.action_id else []
    for action in sorted(ACTIONS.values(), key=lambda action: action.name.lower()):
        if action.known_to(state):
            needed = ",".join([*sorted(action.classes), "all"]) if action.classes else "<none>"
            lines.append((action.name, f"{action.synopsis}  (Priv: {needed})"))
    return [[*response("Success", ""), *lines]]


def _in_session(state: PbxState, request: Request) -> list[Fields]:
    raise AssertionError(f"{request.action} is the session's own")


def _classes(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REPORTS: Final = _classes("system reporting")
_CALLS: Final = _classes("call reporting")

_ALL: Final = (
    # These concern the session itself; `publisher.simulator.session` answers them.
    Action("Login", _in_session, "Login Manager."),
    Action("Logoff", _in_session, "Logoff Manager."),
    Action("Challenge", _in_session, "Generate Challenge for MD5 Auth."),
    Action("Ping", _in_session, "Keepalive command."),
    Action("Events", _in_session, "Control Event Flow."),
    Action("Filter", _in_session, "Dynamically add filters for the current session.", _classes("system")),
    Action("UserEvent", _in_session, "Send an arbitrary event.", _classes("user")),
    Action("CoreStatus", core_status, "Show PBX core status variables.", _REPORTS),
    Action("CoreSettings", core_settings, "Show PBX core settings (version etc).", _REPORTS),
    Action("CoreShowChannels", core_show_channels, "List currently active channels.", _REPORTS),
    Action("Status", status, "List channel status.", _classes("system call reporting")),
    Action("QueueStatus", queue_status, "Show queue status."),
    Action("QueueSummary", queue_summary, "Show queue summary."),
    Action(
        "ExtensionStateList", extension_state_list, "List the current known extension states.", _CALLS, _NEW
    ),
    Action("DeviceStateList", device_state_list, "List the current known device states.", _CALLS, _NEW),
    Action("PresenceStateList", presence_state_list, "List the current known presence states.", _CALLS, _NEW),
    Action("ListCommands", list_commands, "List available manager commands."),
    Action("SIPpeers", sip_peers, "List SIP peers (text format).", _REPORTS, _CHAN_SIP),
    Action("PJSIPShowEndpoints", pjsip_show_endpoints, "Lists PJSIP endpoints.", _classes("system"), _PJSIP),
    Action(
        "Getvar", getvar, "Gets a channel variable or function value.", _classes("call dialplan reporting")
    ),
    Action("Setvar", setvar, "Sets a channel variable or function value.", _classes("call dialplan")),
    Action("Command", command, "Execute Asterisk CLI Command.", _classes("command")),
)
ACTIONS: Final = {action.name.lower(): action for action in _ALL}
