"""What QueueStatus and QueueSummary list."""

from __future__ import annotations

import time
from typing import Final

from publisher.simulator.answers import Fields, listing
from publisher.simulator.requests import Request
from publisher.simulator.state import Member, PbxState, Queue

_STATUS: Final = {
    "NOT_INUSE": 1,
    "INUSE": 2,
    "BUSY": 3,
    "INVALID": 4,
    "UNAVAILABLE": 5,
    "RINGING": 6,
    "RINGINUSE": 7,
}


def member_status(device_state: str) -> int:
    """The state of a member's device as queues number it; 0 is unknown."""
    return _STATUS.get(device_state, 0)


def queue_status(state: PbxState, request: Request) -> list[Fields]:
    wanted, of_member = request.get("Queue"), request.get("Member")
    events: list[Fields] = []
    devices = state.devices()
    for queue in state.queues:
        if wanted and queue.name.lower() != wanted.lower():
            continue
        events.append(_params(state, queue))
        events += [
            _member(state, queue.name, member, devices)
            for member in queue.members
            if not of_member or of_member in (member.interface, member.name)
        ]
        events += _entries(state, queue)
    text = "Queue status will follow"
    return listing(state, request, text, events, "QueueStatusComplete", id_first=False, old_complete=[])


def _params(state: PbxState, queue: Queue) -> Fields:
    params: Fields = [("Event", "QueueParams"), ("Queue", queue.name), ("Max", 0)]
    params += [("Strategy", queue.strategy), ("Calls", len(queue.callers)), ("Holdtime", 0), ("TalkTime", 0)]
    params += [("Completed", 0), ("Abandoned", 0), ("ServiceLevel", 0), ("ServicelevelPerf", "0.0")]
    params += [("ServicelevelPerf2", "0.0")] if state.style.modern else []
    return [*params, ("Weight", 0)]


def _member(state: PbxState, queue: str, member: Member, devices: dict[str, str]) -> Fields:
    fields: Fields = [("Event", "QueueMember"), ("Queue", queue), ("Name", member.name)]
    fields += [("Location", member.interface), ("StateInterface", member.device)]
    fields += [("Membership", "dynamic" if member.dynamic else "static"), ("Penalty", member.penalty)]
    fields += [("CallsTaken", member.calls_taken), ("LastCall", 0)]
    if state.style.modern:
        login = member.login_time or int(state.started)
        fields += [("LastPause", member.last_pause), ("LoginTime", login), ("InCall", 0)]
    else:
        fields += [("IsInCall", 0)]
    fields += [("Status", member_status(devices.get(member.device, "NOT_INUSE")))]
    fields += [("Paused", int(member.paused))]
    if not state.style.modern:
        return fields
    return [*fields, ("PausedReason", member.paused_reason), ("Wrapuptime", member.wrapup_secs)]


def _entries(state: PbxState, queue: Queue) -> list[Fields]:
    entries: list[Fields] = []
    for place, channel in enumerate(queue.callers, 1):
        entry: Fields = [("Event", "QueueEntry"), ("Queue", queue.name), ("Position", place)]
        entry += [("Channel", channel.name), ("Uniqueid", channel.uniqueid)]
        entry += [("CallerIDNum", channel.caller_num), ("CallerIDName", channel.caller_name)]
        entry += [("ConnectedLineNum", channel.connected_num), ("ConnectedLineName", channel.connected_name)]
        entry += [("Wait", max(0, int(time.time() - channel.since)))]
        entries.append([*entry, ("Priority", 0)] if state.style.modern else entry)
    return entries


def queue_summary(state: PbxState, request: Request) -> list[Fields]:
    wanted = request.get("Queue")
    events: list[Fields] = []
    devices = state.devices()
    for queue in state.queues:
        if wanted and queue.name.lower() != wanted.lower():
            continue
        free = [m for m in queue.members if not m.paused and devices.get(m.device) == "NOT_INUSE"]
        event: Fields = [("Event", "QueueSummary"), ("Queue", queue.name), ("LoggedIn", len(queue.members))]
        event += [("Available", len(free)), ("Callers", len(queue.callers)), ("HoldTime", 0)]
        events.append([*event, ("TalkTime", 0), ("LongestHoldTime", 0)])
    text = "Queue summary will follow"
    return listing(state, request, text, events, "QueueSummaryComplete", id_first=False, old_complete=[])
