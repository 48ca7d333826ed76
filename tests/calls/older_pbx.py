"""Scenes as Asterisk 11 with chan_sip writes them."""

from __future__ import annotations

from tests.calls.scripted import ScriptedPbx, cause_text, state_fields


class OlderPbx(ScriptedPbx):
    technology = "SIP"

    def own(self, channel: str, name: str = "") -> dict[str, str]:
        return {"Channel": name or self.name(channel), "Uniqueid": self.uniqueid(channel)}

    def caller(self, channel: str) -> dict[str, str]:
        return {"CallerIDNum": self.number(channel), "CallerIDName": ""}

    def begins(self, channel: str, exten: str, linked: str = "") -> None:
        fields = {**self.own(channel), **state_fields("Down"), **self.caller(channel)}
        self.write("Newchannel", **fields, AccountCode="", Exten=exten, Context="internal")

    def state(self, channel: str, state: str) -> None:
        self.write("Newstate", **self.own(channel), **state_fields(state), **self.caller(channel))

    def rings(self, caller: str, callee: str, dial_string: str = "") -> None:
        if callee not in self._uniqueids:
            self.begins(callee, "")
        self.write(
            "Dial",
            SubEvent="Begin",
            Channel=self.name(caller),
            Destination=self.name(callee),
            **self.caller(caller),
            UniqueID=self.uniqueid(caller),
            DestUniqueID=self.uniqueid(callee),
            Dialstring=dial_string or self.number(callee),
        )
        if "/" not in callee:
            self.state(callee, "Ringing")

    def dial_ends(self, caller: str, callee: str, status: str) -> None:
        if status == "ANSWER":
            return  # said when the two part
        fields = {"Channel": self.name(caller), "UniqueID": self.uniqueid(caller), "DialStatus": status}
        self.write("Dial", SubEvent="End", **fields)

    def _bridge(self, state: str, one: str, other: str) -> None:
        self.write(
            "Bridge",
            Bridgestate=state,
            Bridgetype="core",
            Channel1=self.name(one),
            Channel2=self.name(other),
            Uniqueid1=self.uniqueid(one),
            Uniqueid2=self.uniqueid(other),
            CallerID1=self.number(one),
            CallerID2=self.number(other),
        )

    def speak(self, one: str, other: str) -> None:
        self._bridge("Link", one, other)

    def part(self, one: str, other: str) -> None:
        self._bridge("Unlink", one, other)

    def hangs_up(self, channel: str, cause: str, name: str = "") -> None:
        fields = {**self.own(channel, name), **self.caller(channel)}
        self.write("Hangup", **fields, AccountCode="", Cause=cause, Cause_txt=cause_text(cause))

    def holds(self, channel: str, on: bool) -> None:
        self.write("Hold", Status="On" if on else "Off", **self.own(channel))

    def music(self, channel: str, on: bool) -> None:
        fields = {"Channel": self.name(channel), "UniqueID": self.uniqueid(channel)}
        self.write("MusicOnHold", State="Start" if on else "Stop", **fields, Class="default")

    def joins_queue(self, channel: str, queue: str) -> None:
        self.write("Join", **self.own(channel), **self.caller(channel), Queue=queue, Position="1", Count="1")

    def leaves_queue(self, channel: str, queue: str, abandons: bool = False) -> None:
        if abandons:
            self.write("QueueCallerAbandon", Queue=queue, Uniqueid=self.uniqueid(channel), HoldTime="9")
        self.write("Leave", **self.own(channel), Queue=queue, Count="0", Position="1")

    def agent_rings(self, caller: str, agent: str, queue: str) -> None:
        self.begins(agent, "")
        self.write(
            "AgentCalled",
            Queue=queue,
            AgentCalled=f"SIP/{agent}",
            AgentName=agent,
            ChannelCalling=self.name(caller),
            DestinationChannel=self.name(agent),
            **self.caller(caller),
            Uniqueid=self.uniqueid(caller),
        )
        self.state(agent, "Ringing")

    def local_pair(self, exten: str, linked: str = "") -> tuple[str, str]:
        one, two = (f"Local/{exten}@internal-00000001;{half}" for half in (1, 2))
        self.begins(one, exten)
        self.begins(two, exten)
        self.write(
            "LocalBridge",
            Channel1=one,
            Channel2=two,
            Uniqueid1=self.uniqueid(one),
            Uniqueid2=self.uniqueid(two),
            Exten=exten,
        )
        return one, two

    def transfers_blindly(self, transferer: str, transferee: str, exten: str) -> None:
        """The transferee goes on in a channel of its own; what it was in is a zombie."""
        stand_in = f"AsyncGoto/{self.name(transferee)}"
        before = self.uniqueid(transferee)
        self.begins(stand_in, "")
        after = self.uniqueid(stand_in)
        fields = {"Clone": self.name(transferee), "Original": stand_in}
        self.write("Masquerade", **fields, CloneState="Up", OriginalState="Up")
        self.exchange(transferee, stand_in)
        self.write(
            "Transfer",
            TransferMethod="SIP",
            TransferType="Blind",
            **self.own(transferer),
            TargetChannel=f"{stand_in}<ZOMBIE>",
            TargetUniqueid=before,
            TransferExten=exten,
        )
        self.write(
            "Bridge",
            Bridgestate="Unlink",
            Channel1=self.name(transferer),
            Channel2=f"{stand_in}<ZOMBIE>",
            Uniqueid1=self.uniqueid(transferer),
            Uniqueid2=before,
        )
        name = self.name(transferee)
        self.write("Hangup", Channel=f"{stand_in}<ZOMBIE>", Uniqueid=before, Cause="16")
        self.hangs_up(transferer, "16")
        self._uniqueids[name] = after
        self._moved(transferee, name)

    def _moved(self, channel: str, name: str) -> None:
        """From now on the channel of this device has another Uniqueid, and the name that it had."""
        self._names = {**getattr(self, "_names", {}), channel: name}
        self._uniqueids[channel] = self._uniqueids[name]

    def name(self, channel: str) -> str:
        names: dict[str, str] = getattr(self, "_names", {})
        return names.get(channel) or super().name(channel)

    def joins(self, transferer: str, second: str, transferee: str, target: str) -> None:
        """The transferee's device goes on in the second channel; the old one ends as a zombie."""
        self.write(
            "Transfer",
            TransferMethod="SIP",
            TransferType="Attended",
            **self.own(transferer),
            TargetChannel=self.name(second),
            TargetUniqueid=self.uniqueid(second),
        )
        self.masquerades(transferer, second, transferee, target)

    def masquerades(self, transferer: str, second: str, transferee: str, target: str) -> None:
        name, before, after = self.name(transferee), self.uniqueid(transferee), self.uniqueid(second)
        zombie = f"{self.name(second)}<ZOMBIE>"
        self.write("Masquerade", Clone=name, Original=self.name(second), CloneState="Up", OriginalState="Up")
        self.exchange(transferee, second)
        self.write("Hangup", Channel=zombie, Uniqueid=before, Cause="16")
        self.hangs_up(transferer, "16")
        self._uniqueids[name] = after
        self._moved(transferee, name)
        self.speak(transferee, target)

    def parked(self, parkee: str, parker: str, space: str) -> None:
        self.write(
            "ParkedCall", Exten=space, **self.own(parkee), Parkinglot="default", From=self.name(parker)
        )

    def unparked(self, parkee: str, retriever: str, space: str) -> None:
        fields = {**self.own(parkee), "From": self.name(retriever), **self.caller(parkee)}
        self.write("UnParkedCall", Exten=space, **fields)
        self.speak(retriever, parkee)

    def picks_up(self, picker: str, rung: str) -> None:
        self.state(picker, "Up")
        self.write("Pickup", Channel=self.name(picker), TargetChannel=self.name(rung))
        self.exchange(picker, rung)

    def originates(self, channel: str) -> None:
        self.begins(channel, "")
        self.state(channel, "Ringing")
