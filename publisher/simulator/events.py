"""The events of a call, each in the shape of the PBX's age."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from publisher.simulator.answers import Fields, snapshot
from publisher.simulator.bridges import bridge_fields
from publisher.simulator.script import Say
from publisher.simulator.state import UNKNOWN, Channel, PbxState, hint_state

CAUSES: Final = {
    0: "Unknown",
    1: "Unallocated (unassigned) number",
    16: "Normal Clearing",
    17: "User busy",
    19: "User alerting, no answer",
    21: "Call Rejected",
    34: "Circuit/channel congestion",
}
_DISPOSITIONS: Final = {"ANSWER": "ANSWERED", "NOANSWER": "NO ANSWER", "BUSY": "BUSY"}


class Events:
    """Writes events about channels of one PBX."""

    def __init__(self, state: PbxState) -> None:
        self._state = state
        self.modern = state.style.modern

    # One channel.

    def channel(self, event: str, channel: Channel, rest: Fields, classes: str = "call,all") -> Say:
        """An event about a channel with other fields; before 12 only its name and Uniqueid precede them."""
        if self.modern:
            return Say(event, classes, [*snapshot(channel), *rest])
        return Say(event, classes, [("Channel", channel.name), *_uniqueid(channel), *rest])

    def newchannel(self, channel: Channel) -> Say:
        if self.modern:
            return Say("Newchannel", "call,all", snapshot(channel))
        fields: Fields = [("Channel", channel.name), ("ChannelState", channel.state)]
        fields += [("ChannelStateDesc", channel.state_name), ("CallerIDNum", channel.caller_num)]
        fields += [("CallerIDName", channel.caller_name), ("AccountCode", ""), ("Exten", channel.exten)]
        return Say("Newchannel", "call,all", [*fields, ("Context", channel.context), *_uniqueid(channel)])

    def newstate(self, channel: Channel) -> Say:
        if self.modern:
            return Say("Newstate", "call,all", snapshot(channel))
        fields: Fields = [("Channel", channel.name), ("ChannelState", channel.state)]
        fields += [("ChannelStateDesc", channel.state_name), *_parties(channel)]
        return Say("Newstate", "call,all", [*fields, *_uniqueid(channel)])

    def newexten(self, channel: Channel) -> Say:
        what: Fields = [("Application", channel.application), ("AppData", channel.data)]
        if self.modern:
            fields = [*snapshot(channel), ("Extension", channel.exten), *what]
        else:
            fields = [("Channel", channel.name), ("Context", channel.context), ("Extension", channel.exten)]
            fields += [("Priority", channel.priority), *what, *_uniqueid(channel)]
        return Say("Newexten", "dialplan,all", fields)

    def varset(self, channel: Channel | None, name: str, value: str) -> Say:
        """A variable was set: of a channel, or a global one."""
        pair: Fields = [("Variable", name), ("Value", value)]
        if channel is None:
            head: Fields = [("Channel", "none")]
            tail: Fields = [("Uniqueid", "none")]
            return Say(
                "VarSet", "dialplan,all", [*head, *tail, *pair] if self.modern else [*head, *pair, *tail]
            )
        if self.modern:
            return Say("VarSet", "dialplan,all", [*snapshot(channel), *pair])
        return Say("VarSet", "dialplan,all", [("Channel", channel.name), *pair, *_uniqueid(channel)])

    def caller_id(self, channel: Channel) -> Say:
        """The caller ID of a channel was set."""
        known = channel.caller_num not in ("", UNKNOWN)
        word = "0 (Presentation Allowed, Not Screened)" if known else "67 (Number Unavailable)"
        presented: Fields = [("CID-CallingPres", word)]
        if self.modern:
            return Say("NewCallerid", "call,all", [*snapshot(channel), *presented])
        fields: Fields = [("Channel", channel.name), ("CallerIDNum", channel.caller_num)]
        fields += [("CallerIDName", channel.caller_name), *_uniqueid(channel), *presented]
        return Say("NewCallerid", "call,all", fields)

    def connected_line(self, channel: Channel) -> Say:
        return Say("NewConnectedLine", "call,all", snapshot(channel))

    def account_code(self, channel: Channel) -> Say:
        """Asterisk 11 tells it of every channel that it calls itself."""
        return self.channel("NewAccountCode", channel, [("AccountCode", ""), ("OldAccountCode", "")])

    def hangup(self, channel: Channel, cause: int, tech_cause: int = 0) -> Say:
        why: Fields = [("Cause", cause), ("Cause-txt", CAUSES.get(cause, "Unknown"))]
        if tech_cause:
            why.append(("TechCause", tech_cause))
        if self.modern:
            return Say("Hangup", "call,all", [*snapshot(channel), *why])
        fields: Fields = [("Channel", channel.name), *_uniqueid(channel), *_known_parties(channel)]
        return Say("Hangup", "call,all", [*fields, ("AccountCode", ""), *why])

    def hangup_request(self, channel: Channel, cause: int, tech_cause: int = 0) -> Say:
        """The party itself hung up. Asterisk 11 tells no cause."""
        why: Fields = [("Cause", cause)] if self.modern else []
        return self.channel(
            "HangupRequest", channel, [*why, *([("TechCause", tech_cause)] if tech_cause else [])]
        )

    def soft_hangup_request(self, channel: Channel, cause: int) -> Say:
        return self.channel("SoftHangupRequest", channel, [("Cause", cause)])

    def user_event(self, channel: Channel, data: str) -> Say:
        """The dialplan's UserEvent: `Name,Header: value,...`."""
        name, *headers = data.split(",")
        rest: Fields = [("UserEvent", name)]
        if not self.modern:
            rest += _uniqueid(channel)
        for header in headers:
            key, _, value = header.partition(":")
            rest.append((key.strip(), value.strip()))
        return Say("UserEvent", "user,all", [*snapshot(channel), *rest] if self.modern else rest)

    def device(self, channel: Channel) -> Iterator[Say]:
        """Its device has another state, and so has the hint."""
        tech, _, number = channel.device.partition("/")
        if tech != self._state.style.tech or number not in self._state.extensions:
            return
        state = self._state.device_state(channel.device)
        code, text = hint_state(state)
        if self.modern:
            yield Say("DeviceStateChange", "call,all", [("Device", channel.device), ("State", state)])
        fields: Fields = [("Exten", number), ("Context", "hints"), ("Hint", channel.device)]
        fields.append(("Status", code))
        if self.modern:
            fields.append(("StatusText", text))
        yield Say("ExtensionStatus", "call,all", fields)

    # Two channels.

    def dial(self, event: str, a: Channel | None, b: Channel, rest: Fields) -> Say:
        """DialBegin, DialState, DialEnd; nobody calls where the PBX itself does."""
        caller = snapshot(a) if a is not None else []
        return Say(event, "call,all", [*caller, *snapshot(b, "Dest"), *rest])

    def old_dial(self, a: Channel, b: Channel, number: str) -> Say:
        fields: Fields = [("SubEvent", "Begin"), ("Channel", a.name), ("Destination", b.name)]
        fields += [*_parties(a), ("UniqueID", a.uniqueid), ("DestUniqueID", b.uniqueid)]
        return Say("Dial", "call,all", [*fields, ("Dialstring", number)])

    def old_dial_end(self, a: Channel, status: str) -> Say:
        fields: Fields = [("SubEvent", "End"), ("Channel", a.name), ("UniqueID", a.uniqueid)]
        return Say("Dial", "call,all", [*fields, ("DialStatus", status)])

    def old_bridge(self, what: str, a: Channel, b: Channel) -> Say:
        fields: Fields = [("Bridgestate", what), ("Bridgetype", "core"), ("Channel1", a.name)]
        fields += [("Channel2", b.name), ("Uniqueid1", a.uniqueid), ("Uniqueid2", b.uniqueid)]
        return Say("Bridge", "call,all", [*fields, ("CallerID1", a.caller_num), ("CallerID2", b.caller_num)])

    def link(self, a: Channel, b: Channel, bridge: str) -> Iterator[Say]:
        """The two talk from now on."""
        a.peer, b.peer = b, a
        a.bridge_id = b.bridge_id = bridge
        if self.modern:
            yield Say("BridgeCreate", "call,all", bridge_fields(bridge, 0))
            yield Say("BridgeEnter", "call,all", [*bridge_fields(bridge, 1), *snapshot(b)])
            yield Say("BridgeEnter", "call,all", [*bridge_fields(bridge, 2), *snapshot(a)])
        else:
            yield self.old_bridge("Link", a, b)

    def unlink(self, a: Channel, b: Channel) -> Iterator[Say]:
        """They talk no more."""
        bridge = a.bridge_id
        a.bridge_id = b.bridge_id = ""
        a.peer = b.peer = None
        if self.modern:
            yield Say("BridgeLeave", "call,all", [*bridge_fields(bridge, 1), *snapshot(b)])
            yield Say("BridgeLeave", "call,all", [*bridge_fields(bridge, 0), *snapshot(a)])
            yield Say("BridgeDestroy", "call,all", bridge_fields(bridge, 0))
        else:
            yield self.old_bridge("Unlink", a, b)

    def local_bridge(self, one: Channel, two: Channel, optimized: bool) -> Say:
        """The halves of a Local channel belong together."""
        fields: Fields
        if self.modern:
            fields = [*snapshot(one, "LocalOne"), *snapshot(two, "LocalTwo")]
        else:
            fields = [("Channel1", one.name), ("Channel2", two.name)]
            fields += [("Uniqueid1", one.uniqueid), ("Uniqueid2", two.uniqueid)]
        fields += [("Context", two.context), ("Exten", two.exten)]
        return Say("LocalBridge", "call,all", [*fields, ("LocalOptimization", "Yes" if optimized else "No")])

    def cdr(self, a: Channel, b: Channel, ends: str, began: float, answered: float) -> Say:
        now = time.time()
        caller = f'"{a.caller_name}" <{a.caller_num}>' if a.caller_name else a.caller_num
        fields: Fields = [("AccountCode", ""), ("Source", a.caller_num), ("Destination", a.exten)]
        fields += [("DestinationContext", a.context), ("CallerID", caller), ("Channel", a.name)]
        fields += [("DestinationChannel", b.name), ("LastApplication", a.application), ("LastData", a.data)]
        fields += [("StartTime", _moment(began)), ("AnswerTime", _moment(answered) if answered else "")]
        fields += [("EndTime", _moment(now)), ("Duration", int(now - began))]
        fields += [("BillableSeconds", int(now - answered) if answered else 0)]
        fields += [("Disposition", _DISPOSITIONS.get(ends, "FAILED")), ("AMAFlags", "DOCUMENTATION")]
        return Say("Cdr", "cdr,all", [*fields, ("UniqueID", a.uniqueid), ("UserField", "")])


def _uniqueid(channel: Channel) -> Fields:
    return [("Uniqueid", channel.uniqueid)]


def _parties(channel: Channel) -> Fields:
    return [
        ("CallerIDNum", channel.caller_num),
        ("CallerIDName", channel.caller_name),
        ("ConnectedLineNum", channel.connected_num),
        ("ConnectedLineName", channel.connected_name),
    ]


def _known_parties(channel: Channel) -> Fields:
    return [(name, value or UNKNOWN) for name, value in _parties(channel)]


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
