"""An independent count of a recording's calls: it reads packets with a dozen lines of its own and looks at
whole recordings, never at an order of events or at what a call is doing now.

Which channels are one call. Two are where the recording says so anywhere: a Dial (DialBegin) names both; they
had one Linkedid when they began; they were in one two-party bridge (`BridgeType: basic`, up to 11 `Bridge`);
they are the halves of a Local channel; they bore the same name (up to 11 a masquerade hands a name on; the
stand-ins `AsyncGoto/…`, `Parked/…`, `Bridge/…` count as the channel whose name they carry).

How it came out. Asterisk writes a Cdr for each pair of parties, so a call has several: one for each callee of
a queue or hunt group, for each part of a transferred call, for each half of a Local channel. The rule:
* answered: some Cdr of the call is ANSWERED and has a DestinationChannel: two parties spoke;
* else, where some Cdr is BUSY or some channel was hung up with cause 17: busy;
* else, where somebody was dialled or a queue was joined: missed;
* else answered by the PBX itself (conference, echo, announcement), or missed where no Cdr is ANSWERED.
A call without any Cdr (up to 11 an originate that nobody answers) goes by whether a dialled channel was up.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

_STAND_INS = ("AsyncGoto/", "Bridge/", "Parked/")


@dataclass
class Counted:
    """One call. `complete`: each of its channels has ended."""

    channels: set[str] = field(default_factory=set)
    complete: bool = True
    cdrs: list[dict[str, str]] = field(default_factory=list)
    dialled: set[str] = field(default_factory=set)
    up: set[str] = field(default_factory=set)
    busy: bool = False
    queued: bool = False
    blind_transfers: int = 0
    attended_transfers: int = 0

    @property
    def outcome(self) -> str:
        answered = [cdr for cdr in self.cdrs if cdr["Disposition"] == "ANSWERED"]
        if any(cdr["DestinationChannel"] for cdr in answered) or (not self.cdrs and self.dialled & self.up):
            return "answered"
        if self.busy or any(cdr["Disposition"] == "BUSY" for cdr in self.cdrs):
            return "busy"
        if self.dialled or self.queued:
            return "missed"
        return "pbx" if answered else "missed"


def _packets(data: bytes) -> list[dict[str, str]]:
    packets = []
    for block in data.decode("utf-8", "replace").split("\r\n\r\n"):
        if block.startswith("Event: ") and "\r\nPrivilege:" in block:
            lines = [line.partition(":") for line in block.split("\r\n")]
            packets.append({name: value.strip() for name, _, value in reversed(lines)})
    return packets


class _Groups:
    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, one: str) -> str:
        while (parent := self._parent.setdefault(one, one)) != one:
            one = parent
        return one

    def join(self, *several: str | None) -> None:
        known = [one for one in several if one]
        for other in known[1:]:
            self._parent[self.find(other)] = self.find(known[0])


def _plain(name: str) -> str:
    for mark in ("<MASQ>", "<ZOMBIE>"):
        name = name.replace(mark, "")
    for prefix in _STAND_INS:
        name = name.removeprefix(prefix)
    return name


def count(data: bytes) -> list[Counted]:
    """The calls of a recording."""
    packets = _packets(data)
    groups = _Groups()
    for packet in packets:
        _tie(groups, packet)
    began = {packet["Uniqueid"] for packet in packets if packet["Event"] == "Newchannel"}
    ended = {packet["Uniqueid"] for packet in packets if packet["Event"] == "Hangup"}
    calls: dict[str, Counted] = defaultdict(Counted)
    for uniqueid in began:
        call = calls[groups.find(uniqueid)]
        call.channels.add(uniqueid)
        call.complete &= uniqueid in ended
    for packet in packets:
        _note(groups, calls, packet)
    return [call for call in calls.values() if call.channels]


def _tie(groups: _Groups, packet: dict[str, str]) -> None:
    name = packet["Event"]
    get = packet.get
    if name == "Newchannel":
        groups.join(get("Uniqueid"), get("Linkedid"))
        groups.join(get("Uniqueid"), "name " + _plain(packet["Channel"]))
    elif name == "Dial":
        groups.join(get("UniqueID"), get("DestUniqueID"))
    elif name == "DialBegin":
        groups.join(get("Uniqueid"), get("DestUniqueid"))
    elif name in ("Bridge", "LocalBridge"):
        groups.join(get("Uniqueid1"), get("Uniqueid2"))
        groups.join(get("LocalOneUniqueid"), get("LocalTwoUniqueid"))
    elif name == "BridgeEnter" and get("BridgeType") == "basic":
        groups.join(get("Uniqueid"), "bridge " + packet["BridgeUniqueid"])
    elif name == "AgentConnect" and "BridgedChannel" in packet:
        groups.join(get("Uniqueid"), get("BridgedChannel"))
    elif name == "AgentCalled" and "DestinationChannel" in packet:
        groups.join(get("Uniqueid"), "name " + packet["DestinationChannel"])


def _note(groups: _Groups, calls: dict[str, Counted], packet: dict[str, str]) -> None:
    name = packet["Event"]
    uniqueid = packet.get("Uniqueid") or packet.get("UniqueID") or packet.get("TransfererUniqueid") or ""
    dest = packet.get("DestUniqueid") or packet.get("DestUniqueID") or ""
    call = calls[groups.find(uniqueid or dest)]
    if name == "Cdr":
        call.cdrs.append(packet)
    elif name in ("Dial", "DialBegin") and dest and not packet.get("DestChannel", "").startswith("Local/"):
        call.dialled.add(dest)
    elif name == "AgentConnect":
        call.dialled.add(packet.get("BridgedChannel") or dest)
    elif name == "Newstate" and packet["ChannelStateDesc"] == "Ringing":
        call.dialled.add(uniqueid)
    elif name == "Newstate" and packet["ChannelStateDesc"] == "Up":
        call.up.add(uniqueid)
    elif name == "Hangup" and packet["Cause"] == "17":
        call.busy = True
    elif name in ("Join", "QueueCallerJoin"):
        call.queued = True
    elif name == "BlindTransfer" and packet["Result"] == "Success":
        call.blind_transfers += 1
    elif name == "Transfer":
        call.blind_transfers += packet["TransferType"] == "Blind"
        call.attended_transfers += packet["TransferType"] == "Attended"
    elif name == "AttendedTransfer":
        call.attended_transfers += 1
