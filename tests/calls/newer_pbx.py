"""Scenes as Asterisk 22 with chan_pjsip writes them."""

from __future__ import annotations

from tests.calls.scripted import ScriptedPbx, cause_text, state_fields


class NewerPbx(ScriptedPbx):
    technology = "PJSIP"

    def __init__(self) -> None:
        super().__init__()
        self._states: dict[str, str] = {}
        self._bridges: dict[str, str] = {}
        self._extens: dict[str, str] = {}

    def snapshot(self, channel: str, prefix: str = "", name: str = "") -> dict[str, str]:
        uniqueid = self.uniqueid(channel)
        fields = {
            "Channel": name or self.name(channel),
            **state_fields(self._states.get(channel, "Down")),
            "CallerIDNum": self.number(channel) or "<unknown>",
            "CallerIDName": "<unknown>",
            "Exten": self._extens.get(channel, "s"),
            "Uniqueid": uniqueid,
            "Linkedid": self._linkedids.get(channel, uniqueid),
        }
        return {f"{prefix}{header}": value for header, value in fields.items()}

    def begins(self, channel: str, exten: str, linked: str = "") -> None:
        self._extens[channel] = exten or "s"
        if linked:
            self._linkedids[channel] = self._linkedids.get(linked, self.uniqueid(linked))
        self.write("Newchannel", **self.snapshot(channel))

    def state(self, channel: str, state: str) -> None:
        self._states[channel] = state
        self.write("Newstate", **self.snapshot(channel))

    def rings(self, caller: str, callee: str, dial_string: str = "") -> None:
        if callee not in self._uniqueids:
            self.begins(callee, "", caller)
        fields = {**self.snapshot(caller), **self.snapshot(callee, "Dest")}
        self.write("DialBegin", **fields, DialString=dial_string or self.number(callee))
        if "/" not in callee:
            self.state(callee, "Ringing")

    def dial_ends(self, caller: str, callee: str, status: str) -> None:
        self.write("DialEnd", **self.snapshot(caller), **self.snapshot(callee, "Dest"), DialStatus=status)

    def _bridge(self, event: str, channel: str, bridge: str) -> None:
        self.write(
            event,
            BridgeUniqueid=bridge,
            BridgeType="basic",
            BridgeTechnology="simple_bridge",
            **self.snapshot(channel),
        )

    def enters(self, channel: str, bridge: str) -> None:
        self._bridges[channel] = bridge
        self._bridge("BridgeEnter", channel, bridge)

    def leaves(self, channel: str) -> None:
        if channel in self._bridges:
            self._bridge("BridgeLeave", channel, self._bridges.pop(channel))

    def speak(self, one: str, other: str) -> None:
        bridge = f"494fd664-{len(self.packets):04d}"
        self.enters(other, bridge)
        self.enters(one, bridge)

    def part(self, one: str, other: str) -> None:
        self.leaves(one)
        self.leaves(other)

    def hangs_up(self, channel: str, cause: str, name: str = "") -> None:
        self.leaves(channel)
        fields = {"Cause": cause, "Cause_txt": cause_text(cause)}
        self.write("Hangup", **self.snapshot(channel, name=name), **fields)

    def holds(self, channel: str, on: bool) -> None:
        self.write("Hold" if on else "Unhold", **self.snapshot(channel))

    def music(self, channel: str, on: bool) -> None:
        self.write("MusicOnHoldStart" if on else "MusicOnHoldStop", **self.snapshot(channel))

    def joins_queue(self, channel: str, queue: str) -> None:
        self.write("QueueCallerJoin", **self.snapshot(channel), Queue=queue, Position="1", Count="1")

    def leaves_queue(self, channel: str, queue: str, abandons: bool = False) -> None:
        if abandons:
            self.write("QueueCallerAbandon", **self.snapshot(channel), Queue=queue, HoldTime="9")
        self.write("QueueCallerLeave", **self.snapshot(channel), Queue=queue, Position="1", Count="0")

    def agent_rings(self, caller: str, agent: str, queue: str) -> None:
        self.begins(agent, "", caller)
        fields = {**self.snapshot(caller), **self.snapshot(agent, "Dest")}
        self.write("AgentCalled", **fields, Queue=queue, Interface=f"PJSIP/{agent}")
        self.rings(caller, agent)

    def local_pair(self, exten: str, linked: str = "") -> tuple[str, str]:
        halves = [f"Local/{exten}@internal-00000001;{half}" for half in (1, 2)]
        self.begins(halves[0], exten, linked)
        self.begins(halves[1], exten, linked or halves[0])
        fields = {**self.snapshot(halves[0], "LocalOne"), **self.snapshot(halves[1], "LocalTwo")}
        self.write("LocalBridge", **fields, Context="internal", Exten=exten, LocalOptimization="Yes")
        return halves[0], halves[1]

    def transfers_blindly(self, transferer: str, transferee: str, exten: str) -> None:
        self.write(
            "BlindTransfer",
            Result="Success",
            **self.snapshot(transferer, "Transferer"),
            **self.snapshot(transferee, "Transferee"),
            Context="internal",
            Extension=exten,
        )
        self.leaves(transferee)
        self.hangs_up(transferer, "16")

    def joins(self, transferer: str, second: str, transferee: str, target: str) -> None:
        """The transferee takes the second channel's place in its bridge."""
        self.write(
            "AttendedTransfer",
            Result="Success",
            **self.snapshot(transferer, "OrigTransferer"),
            **self.snapshot(second, "SecondTransferer"),
            **self.snapshot(transferee, "Transferee"),
            **self.snapshot(target, "TransferTarget"),
            DestType="Bridge",
        )
        self.swaps(transferer, second, transferee)

    def swaps(self, transferer: str, second: str, transferee: str) -> None:
        bridge = self._bridges[second]
        self.leaves(transferer)
        self.leaves(transferee)
        self.enters(transferee, bridge)
        self.leaves(second)
        self.hang_up(transferer, second)

    def parked(self, parkee: str, parker: str, space: str) -> None:
        self.write(
            "ParkedCall",
            **self.snapshot(parkee, "Parkee"),
            ParkerDialString=f"PJSIP/{self.number(parker)}",
            Parkinglot="default",
            ParkingSpace=space,
        )

    def unparked(self, parkee: str, retriever: str, space: str) -> None:
        fields = {**self.snapshot(parkee, "Parkee"), **self.snapshot(retriever, "Retriever")}
        self.write("UnParkedCall", **fields, ParkingSpace=space)
        self.speak(parkee, retriever)

    def picks_up(self, picker: str, rung: str) -> None:
        self.state(picker, "Up")
        self.write("Pickup", **self.snapshot(picker), **self.snapshot(rung, "Target"))
        self.exchange(picker, rung)

    def originates(self, channel: str) -> None:
        self.begins(channel, "")
        self.write("DialBegin", **self.snapshot(channel, "Dest"), DialString=self.number(channel))
        self.state(channel, "Ringing")
