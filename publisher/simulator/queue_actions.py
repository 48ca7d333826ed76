"""What changes the members of queues: QueueAdd, QueueRemove, QueuePause, QueuePenalty.

A member can be removed only if it was added while the PBX ran. Pausing and the penalty go to one queue, or
to every queue that has the member where none is named.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from publisher.simulator.answers import Fields
from publisher.simulator.queue_lists import member_status
from publisher.simulator.requests import is_true, whole_number
from publisher.simulator.state import Member, PbxState, Queue
from publisher.simulator.turn import Turn

if TYPE_CHECKING:
    from publisher.simulator.switchboard import Switchboard

MAX_MEMBERS: Final = 10_000


def queue_add(board: Switchboard, turn: Turn) -> None:
    request, state = turn.request, board.state
    interface = request.get("Interface")
    if not request.get("Queue"):
        return turn.refuse("'Queue' not specified.")
    if not interface:
        return turn.refuse("'Interface' not specified.")
    queue = _queue(state, request.get("Queue"))
    if queue is None:
        return turn.refuse("Unable to add interface to queue: No such queue")
    if _member(queue, interface) is not None:
        return turn.refuse("Unable to add interface: Already there")
    if len(queue.members) >= MAX_MEMBERS:
        return turn.refuse("Out of memory")
    member = Member(
        request.get("MemberName") or interface,
        interface,
        paused=is_true(request.get("Paused")),
        penalty=max(0, whole_number(request.get("Penalty")) or 0),
        dynamic=True,
        state_interface=request.get("StateInterface"),
        paused_reason=request.get("Reason") if state.style.modern else "",
        login_time=int(time.time()),
        wrapup_secs=max(0, whole_number(request.get("Wrapuptime")) or 0),
    )
    queue.members.append(member)
    turn.accept("Added interface to queue")
    if state.style.modern:
        board.say("QueueMemberAdded", "agent,all", _modern(state, queue, member))
    else:
        fields: Fields = [("Queue", queue.name), ("Location", interface), ("MemberName", member.name)]
        fields += [("StateInterface", member.state_interface), ("Membership", "dynamic")]
        fields += [("Penalty", member.penalty), ("CallsTaken", 0), ("LastCall", 0)]
        fields += [("Status", _status(state, member)), ("Paused", int(member.paused))]
        board.say("QueueMemberAdded", "agent,all", fields)
    return None


def queue_remove(board: Switchboard, turn: Turn) -> None:
    request, state = turn.request, board.state
    if not request.get("Queue") or not request.get("Interface"):
        return turn.refuse("Need 'Queue' and 'Interface' parameters.")
    queue = _queue(state, request.get("Queue"))
    if queue is None:
        return turn.refuse("Unable to remove interface from queue: No such queue")
    member = _member(queue, request.get("Interface"))
    if member is None:
        return turn.refuse("Unable to remove interface: Not there")
    if not member.dynamic:
        return turn.refuse("Member not dynamic")
    queue.members.remove(member)
    turn.accept("Removed interface from queue")
    if not state.style.modern:
        fields: Fields = [("Queue", queue.name), ("Location", member.interface), ("MemberName", member.name)]
        board.say("QueueMemberRemoved", "agent,all", fields)
        return None
    board.say("QueueMemberRemoved", "agent,all", _modern(state, queue, member))
    if member.paused:
        _tell_pause_device(board, queue, member, "NOT_INUSE")
    return None


def queue_pause(board: Switchboard, turn: Turn) -> None:
    request, state = turn.request, board.state
    if not request.get("Interface") or not request.get("Paused"):
        return turn.refuse("Need 'Interface' and 'Paused' parameters.")
    found = list(_members(state, request.get("Queue"), request.get("Interface")))
    if not found:
        return turn.refuse("Interface not found")
    paused, reason = is_true(request.get("Paused")), request.get("Reason")
    turn.accept(f"Interface {'' if paused else 'un'}paused successfully")
    for queue, member in found:
        member.paused = paused
        if not state.style.modern:
            fields: Fields = [("Queue", queue.name), ("Location", member.interface)]
            fields += [("MemberName", member.name), ("Paused", int(paused))]
            board.say("QueueMemberPaused", "agent,all", fields + ([("Reason", reason)] if reason else []))
            continue
        member.last_pause = int(time.time()) if paused else member.last_pause
        _tell_pause_device(board, queue, member, "INUSE" if paused else "NOT_INUSE")
        # The reason of an unpause is told once and not kept.
        member.paused_reason = reason
        board.say("QueueMemberPause", "agent,all", _modern(state, queue, member))
        member.paused_reason = reason if paused else ""
    return None


def queue_penalty(board: Switchboard, turn: Turn) -> None:
    request, state = turn.request, board.state
    if not request.get("Interface") or not request.get("Penalty"):
        return turn.refuse("Need 'Interface' and 'Penalty' parameters.")
    penalty = whole_number(request.get("Penalty")) or 0
    found = list(_members(state, request.get("Queue"), request.get("Interface")))
    if penalty < 0 or not found:
        return turn.refuse("Invalid interface, queuename or penalty")
    turn.accept("Interface penalty set successfully")
    for queue, member in found:
        member.penalty = penalty
        fields: Fields = [("Queue", queue.name), ("Location", member.interface), ("Penalty", penalty)]
        shown = _modern(state, queue, member) if state.style.modern else fields
        board.say("QueueMemberPenalty", "agent,all", shown)
    return None


def _queue(state: PbxState, name: str) -> Queue | None:
    return next((queue for queue in state.queues if queue.name.lower() == name.lower()), None)


def _member(queue: Queue, interface: str) -> Member | None:
    lowered = interface.lower()
    return next((member for member in queue.members if member.interface.lower() == lowered), None)


def _members(state: PbxState, queue_name: str, interface: str) -> Iterator[tuple[Queue, Member]]:
    for queue in state.queues:
        if queue_name and queue.name.lower() != queue_name.lower():
            continue
        if (member := _member(queue, interface)) is not None:
            yield queue, member


def _status(state: PbxState, member: Member) -> int:
    return member_status(state.devices().get(member.device, "UNKNOWN"))


def _modern(state: PbxState, queue: Queue, member: Member) -> Fields:
    """A member as every event of Asterisk 12 and later about it shows it."""
    fields: Fields = [("Queue", queue.name), ("MemberName", member.name), ("Interface", member.interface)]
    fields += [("StateInterface", member.device), ("Membership", "dynamic" if member.dynamic else "static")]
    fields += [("Penalty", member.penalty), ("CallsTaken", member.calls_taken), ("LastCall", 0)]
    fields += [("LastPause", member.last_pause), ("LoginTime", member.login_time or int(state.started))]
    fields += [("InCall", 0), ("Status", _status(state, member)), ("Paused", int(member.paused))]
    fields += [("PausedReason", member.paused_reason), ("Ringinuse", 0)]
    return [*fields, ("Wrapuptime", member.wrapup_secs)]


def _tell_pause_device(board: Switchboard, queue: Queue, member: Member, state: str) -> None:
    device = f"Queue:{queue.name}_pause_{member.interface}"
    board.say("DeviceStateChange", "call,all", [("Device", device), ("State", state)])
