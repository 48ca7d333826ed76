"""Calls between extensions, as Asterisk 11, 20 and 22 report them.

A call is a script: a generator that changes the state and yields either an event to send or the seconds
to wait. So the state is always the one that the events sent so far tell of.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from publisher.simulator.answers import Fields, snapshot
from publisher.simulator.state import Channel, PbxState

TRUNK: Final = "trunk"
_CARDS: Final = ("Карточка клиента", "Заказ № 15: срочно", "ООО Ромашка", "Договор a=b; c")


@dataclass(slots=True)
class Say:
    """An event to send: its name, its classes, its other fields."""

    event: str
    classes: str
    fields: Fields


Step = Say | float


@dataclass(slots=True, frozen=True)
class Pace:
    """Mean seconds of the parts of a call."""

    ring_secs: float = 2.0
    talk_secs: float = 8.0


class Caller:
    """Writes the scripts of calls for one PBX. `rng` makes them repeatable."""

    def __init__(self, state: PbxState, rng: random.Random, pace: Pace | None = None) -> None:
        self._state = state
        self._rng = rng
        self._pace = pace or Pace()

    def next_call(self) -> Iterator[Step]:
        """One call between two extensions, or with an outside number: answered, busy or not answered."""
        busy = {channel.device for channel in self._state.channels.values()}
        tech = self._state.style.tech
        free = [number for number in self._state.extensions if f"{tech}/{number}" not in busy]
        if len(free) < 2:
            return iter(())
        caller, callee = self._rng.sample(free, 2)
        outside = self._rng.random()
        if outside < 0.1:
            number = f"7495{self._rng.randrange(10**7):07}"
            return self._script(number, callee, from_trunk=True)
        return self._script(caller, callee)

    def _script(self, caller: str, callee: str, *, from_trunk: bool = False) -> Iterator[Step]:
        state = self._state
        ends = self._rng.choices(("ANSWER", "NOANSWER", "BUSY"), (80, 12, 8))[0]
        a = state.new_channel(TRUNK if from_trunk else caller, exten=callee, caller_num=caller)
        state.processed_calls += 1
        began = time.time()
        yield self._newchannel(a)
        for name, value in (("SIPURI", f"sip:{caller}@127.0.0.1"), ("SIPDOMAIN", "127.0.0.1")):
            yield self._varset(a, name, value)
        a.state = 4
        yield self._newstate(a)
        steps = (
            ("Set", f"CRM_ID={int(began)}-{self._rng.randrange(10**4)}"),
            ("Set", f"__CALLER_CARD={self._rng.choice(_CARDS)}"),
            ("Dial", f"{state.style.tech}/{callee},20,tTkK"),
        )
        for priority, (application, data) in enumerate(steps, 1):
            a.priority, a.application, a.data = priority, application, data
            yield self._newexten(a)
            if application == "Set":
                name, _, value = data.partition("=")
                yield self._varset(a, name, value)
        for name in ("DIALSTATUS", "DIALEDPEERNUMBER", "DIALEDPEERNAME", "ANSWEREDTIME", "DIALEDTIME"):
            yield self._varset(a, name, "")
        b = state.new_channel(callee, linkedid=a.linkedid, exten="s" if state.style.modern else "")
        yield self._newchannel(b)
        b.connected_num, b.connected_name = a.caller_num, a.caller_name
        b.application, b.data, b.exten = "AppDial", "(Outgoing Line)", callee if state.style.modern else ""
        yield self._varset(b, "DIALEDPEERNUMBER", callee)
        if state.style.modern:
            yield self._newexten(b)
            yield self._dial("DialBegin", a, b, [("DialString", callee)])
        else:
            yield self._old_dial(a, b)
        a.connected_num, a.connected_name = b.caller_num, b.caller_name
        b.state = 5
        yield self._newstate(b)
        yield from self._device(b)
        if state.style.modern:
            yield self._dial("DialState", a, b, [("DialStatus", "RINGING")])
        yield self._rng.uniform(0.5, 1.5) * self._pace.ring_secs
        answered = 0.0
        if ends == "ANSWER":
            answered = time.time()
            yield from self._talk(a, b)
        yield from self._end(a, b, ends, began, answered)

    def _talk(self, a: Channel, b: Channel) -> Iterator[Step]:
        modern = self._state.style.modern
        bridge = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        b.state = 6
        yield self._newstate(b)
        yield from self._device(b)
        yield self._varset(a, "DIALSTATUS", "ANSWER")
        yield self._varset(a, "DIALEDPEERNAME", b.name)
        if modern:
            yield self._dial("DialEnd", a, b, [("DialStatus", "ANSWER")])
        a.state = 6
        yield self._newstate(a)
        a.peer, b.peer = b, a
        a.bridge_id = b.bridge_id = bridge
        if modern:
            yield Say("BridgeCreate", "call,all", self._bridge(bridge, 0))
            yield Say("BridgeEnter", "call,all", [*self._bridge(bridge, 1), *snapshot(b)])
            yield Say("BridgeEnter", "call,all", [*self._bridge(bridge, 2), *snapshot(a)])
        else:
            yield self._old_bridge("Link", a, b)
        for this, other in ((a, b), (b, a)) * 2:
            yield self._varset(this, "BRIDGEPEER", other.name)
        yield self._rng.expovariate(1.0) * self._pace.talk_secs
        for this in (b, a):
            for name in ("RTPAUDIOQOS", "RTPAUDIOQOSJITTER", "RTPAUDIOQOSLOSS", "RTPAUDIOQOSRTT"):
                yield self._varset(this, name, f"ssrc={self._rng.getrandbits(31)};lp=0;rtt=0.000000")
        yield self._channel_event("HangupRequest", b, [("Cause", 16)] if modern else [])
        a.bridge_id = b.bridge_id = ""
        a.peer = b.peer = None
        if modern:
            yield Say("BridgeLeave", "call,all", [*self._bridge(bridge, 1), *snapshot(b)])
            yield Say("BridgeLeave", "call,all", [*self._bridge(bridge, 0), *snapshot(a)])
            yield Say("BridgeDestroy", "call,all", self._bridge(bridge, 0))
        else:
            yield self._old_bridge("Unlink", a, b)

    def _end(self, a: Channel, b: Channel, ends: str, began: float, answered: float) -> Iterator[Step]:
        modern = self._state.style.modern
        if not answered and modern:
            yield self._dial("DialEnd", a, b, [("DialStatus", ends)])
        yield self._cdr(a, b, ends, began, answered)
        self._state.end_channel(b)
        cause = (16, "Normal Clearing") if answered else (17, "User busy")
        cause = (19, "User alerting, no answer") if ends == "NOANSWER" else cause
        yield self._hangup(b, cause)
        yield from self._device(b)
        yield self._varset(a, "DIALSTATUS", ends)
        if not modern:
            fields: Fields = [("SubEvent", "End"), ("Channel", a.name), ("UniqueID", a.uniqueid)]
            yield Say("Dial", "call,all", [*fields, ("DialStatus", ends)])
        yield self._channel_event("SoftHangupRequest", a, [("Cause", cause[0])])
        self._state.end_channel(a)
        yield self._hangup(a, cause)
        yield from self._device(a)

    # The events, each in the shape of the PBX's age.

    def _channel_event(self, event: str, channel: Channel, rest: Fields, classes: str = "call,all") -> Say:
        if self._state.style.modern:
            return Say(event, classes, [*snapshot(channel), *rest])
        return Say(event, classes, [("Channel", channel.name), ("Uniqueid", channel.uniqueid), *rest])

    def _newchannel(self, channel: Channel) -> Say:
        if self._state.style.modern:
            return Say("Newchannel", "call,all", snapshot(channel))
        fields: Fields = [("Channel", channel.name), ("ChannelState", channel.state)]
        fields += [("ChannelStateDesc", channel.state_name), ("CallerIDNum", channel.caller_num)]
        fields += [("CallerIDName", channel.caller_name), ("AccountCode", ""), ("Exten", channel.exten)]
        return Say("Newchannel", "call,all", [*fields, ("Context", channel.context), *_uniqueid(channel)])

    def _newstate(self, channel: Channel) -> Say:
        if self._state.style.modern:
            return Say("Newstate", "call,all", snapshot(channel))
        fields: Fields = [("Channel", channel.name), ("ChannelState", channel.state)]
        fields += [("ChannelStateDesc", channel.state_name), *_parties(channel)]
        return Say("Newstate", "call,all", [*fields, *_uniqueid(channel)])

    def _newexten(self, channel: Channel) -> Say:
        what: Fields = [("Application", channel.application), ("AppData", channel.data)]
        if self._state.style.modern:
            fields = [*snapshot(channel), ("Extension", channel.exten), *what]
        else:
            fields = [("Channel", channel.name), ("Context", channel.context), ("Extension", channel.exten)]
            fields += [("Priority", channel.priority), *what, *_uniqueid(channel)]
        return Say("Newexten", "dialplan,all", fields)

    def _varset(self, channel: Channel, name: str, value: str) -> Say:
        pair: Fields = [("Variable", name), ("Value", value)]
        if self._state.style.modern:
            return Say("VarSet", "dialplan,all", [*snapshot(channel), *pair])
        return Say("VarSet", "dialplan,all", [("Channel", channel.name), *pair, *_uniqueid(channel)])

    def _dial(self, event: str, a: Channel, b: Channel, rest: Fields) -> Say:
        return Say(event, "call,all", [*snapshot(a), *snapshot(b, "Dest"), *rest])

    def _old_dial(self, a: Channel, b: Channel) -> Say:
        fields: Fields = [("SubEvent", "Begin"), ("Channel", a.name), ("Destination", b.name), *_parties(a)]
        fields += [("UniqueID", a.uniqueid), ("DestUniqueID", b.uniqueid), ("Dialstring", b.caller_num)]
        return Say("Dial", "call,all", fields)

    def _old_bridge(self, what: str, a: Channel, b: Channel) -> Say:
        fields: Fields = [("Bridgestate", what), ("Bridgetype", "core"), ("Channel1", a.name)]
        fields += [("Channel2", b.name), ("Uniqueid1", a.uniqueid), ("Uniqueid2", b.uniqueid)]
        return Say("Bridge", "call,all", [*fields, ("CallerID1", a.caller_num), ("CallerID2", b.caller_num)])

    def _bridge(self, bridge: str, channels: int) -> Fields:
        fields: Fields = [("BridgeUniqueid", bridge), ("BridgeType", "basic")]
        fields += [("BridgeTechnology", "simple_bridge"), ("BridgeCreator", "<unknown>")]
        fields += [("BridgeName", "<unknown>"), ("BridgeNumChannels", channels)]
        return [*fields, ("BridgeVideoSourceMode", "none")]

    def _hangup(self, channel: Channel, cause: tuple[int, str]) -> Say:
        why: Fields = [("Cause", cause[0]), ("Cause-txt", cause[1])]
        if self._state.style.modern:
            return Say("Hangup", "call,all", [*snapshot(channel), *why])
        fields: Fields = [("Channel", channel.name), *_uniqueid(channel), *_parties(channel)]
        return Say("Hangup", "call,all", [*fields, ("AccountCode", ""), *why])

    def _device(self, channel: Channel) -> Iterator[Say]:
        if channel.device not in (devices := self._state.devices()):
            return
        state = devices[channel.device]
        code, text = {"INUSE": (1, "InUse"), "RINGING": (8, "Ringing")}.get(state, (0, "Idle"))
        if self._state.style.modern:
            yield Say("DeviceStateChange", "call,all", [("Device", channel.device), ("State", state)])
        number = channel.device.partition("/")[2]
        fields: Fields = [("Exten", number), ("Context", "hints"), ("Hint", channel.device)]
        fields.append(("Status", code))
        if self._state.style.modern:
            fields.append(("StatusText", text))
        yield Say("ExtensionStatus", "call,all", fields)

    def _cdr(self, a: Channel, b: Channel, ends: str, began: float, answered: float) -> Say:
        now = time.time()
        caller = f'"{a.caller_name}" <{a.caller_num}>' if a.caller_name else a.caller_num
        fields: Fields = [("AccountCode", ""), ("Source", a.caller_num), ("Destination", a.exten)]
        fields += [("DestinationContext", a.context), ("CallerID", caller), ("Channel", a.name)]
        fields += [("DestinationChannel", b.name), ("LastApplication", a.application), ("LastData", a.data)]
        fields += [("StartTime", _moment(began)), ("AnswerTime", _moment(answered) if answered else "")]
        fields += [("EndTime", _moment(now)), ("Duration", int(now - began))]
        fields += [("BillableSeconds", int(now - answered) if answered else 0)]
        words = {"ANSWER": "ANSWERED", "NOANSWER": "NO ANSWER", "BUSY": "BUSY"}
        fields += [("Disposition", words[ends]), ("AMAFlags", "DOCUMENTATION")]
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


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
