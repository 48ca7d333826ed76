"""A PBX that plays scenes: the same scene as Asterisk 22 writes it and as Asterisk 11 does.

The shapes and orders of packets are those of the recordings; of what they do not hold (attended transfer,
pickup, retrieval from a parking lot, an answer by one of two phones) those of Asterisk's sources. Channels
are called by what they stand for: `202` is the channel of that phone, `202b` a second one, `trunk` a line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from schemas.envelope import Event
from tests.calls.recorded import BEGIN_US, Recorder

_STATES = {"Down": "0", "Ring": "4", "Ringing": "5", "Up": "6"}
_TEXTS = {"16": "Normal Clearing", "17": "User busy", "19": "User alerting, no answer", "21": "Call Rejected"}


class ScriptedPbx(ABC):
    """Scenes as packets. `at` is the time within the scene, in seconds."""

    technology: str

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.at = 0.0
        self._uniqueids: dict[str, str] = {}
        self._linkedids: dict[str, str] = {}
        self._callers: dict[str, str] = {}

    def events(self) -> list[Event]:
        recorder = Recorder()
        return [recorder.event(raw) for raw in self.packets]

    # -- writing ------------------------------------------------------------

    def write(self, event: str, **fields: str) -> None:
        stamp = f"{BEGIN_US / 1_000_000 + self.at:.6f}"
        lines = [f"Event: {event}", "Privilege: call,all", f"Timestamp: {stamp}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        self.packets.append("".join(f"{line}\r\n" for line in lines).encode())

    def wait(self, secs: float) -> None:
        self.at += secs

    def uniqueid(self, channel: str) -> str:
        return self._uniqueids.setdefault(channel, f"1795424095.{len(self._uniqueids)}")

    def name(self, channel: str) -> str:
        """`SIP/202-00000001`; a name that is one already stays."""
        if "/" in channel:
            return channel
        peer = channel.rstrip("bc")
        return f"{self.technology}/{peer}-{int(self.uniqueid(channel).partition('.')[2]):08x}"

    def number(self, channel: str) -> str:
        if channel in self._callers:
            return self._callers[channel]
        return channel.rpartition("/")[2].partition("@")[0].rstrip("bc")

    # -- scenes -------------------------------------------------------------

    def calls(self, caller: str, exten: str, number: str = "") -> None:
        """`caller` dials `exten`."""
        if number:
            self._callers[caller] = number
        self.begins(caller, exten)
        self.state(caller, "Ring")

    def call(self, caller: str, callee: str, exten: str = "") -> None:
        """They speak."""
        self.calls(caller, exten or callee.rstrip("bc"))
        self.rings(caller, callee)
        self.wait(1)
        self.answers(caller, callee)
        self.wait(5)

    def answers(self, caller: str, callee: str) -> None:
        self.state(callee, "Up")
        self.dial_ends(caller, callee, "ANSWER")
        self.state(caller, "Up")
        self.speak(caller, callee)

    def hang_up(self, *channels: str, cause: str = "16") -> None:
        for channel in channels:
            self.hangs_up(channel, cause)

    def exchange(self, clone: str, original: str) -> None:
        """A masquerade: the device of `clone` goes on with the channel of `original`."""
        mine, theirs = self.uniqueid(clone), self.uniqueid(original)
        self.rename(self.name(clone), f"{self.name(clone)}<MASQ>", mine)
        self.rename(self.name(original), self.name(clone), theirs)
        self.rename(f"{self.name(clone)}<MASQ>", f"{self.name(original)}<ZOMBIE>", mine)

    def rename(self, old: str, new: str, uniqueid: str) -> None:
        self.write("Rename", Channel=old, Newname=new, Uniqueid=uniqueid)

    @abstractmethod
    def begins(self, channel: str, exten: str, linked: str = "") -> None: ...
    @abstractmethod
    def state(self, channel: str, state: str) -> None: ...
    @abstractmethod
    def rings(self, caller: str, callee: str, dial_string: str = "") -> None: ...
    @abstractmethod
    def dial_ends(self, caller: str, callee: str, status: str) -> None: ...
    @abstractmethod
    def speak(self, one: str, other: str) -> None: ...
    @abstractmethod
    def part(self, one: str, other: str) -> None: ...
    @abstractmethod
    def hangs_up(self, channel: str, cause: str, name: str = "") -> None: ...
    @abstractmethod
    def holds(self, channel: str, on: bool) -> None: ...
    @abstractmethod
    def music(self, channel: str, on: bool) -> None: ...
    @abstractmethod
    def joins_queue(self, channel: str, queue: str) -> None: ...
    @abstractmethod
    def leaves_queue(self, channel: str, queue: str, abandons: bool = False) -> None: ...
    @abstractmethod
    def agent_rings(self, caller: str, agent: str, queue: str) -> None: ...
    @abstractmethod
    def local_pair(self, exten: str, linked: str = "") -> tuple[str, str]: ...
    @abstractmethod
    def transfers_blindly(self, transferer: str, transferee: str, exten: str) -> None: ...
    @abstractmethod
    def joins(self, transferer: str, second: str, transferee: str, target: str) -> None: ...
    @abstractmethod
    def parked(self, parkee: str, parker: str, space: str) -> None: ...
    @abstractmethod
    def unparked(self, parkee: str, retriever: str, space: str) -> None: ...
    @abstractmethod
    def picks_up(self, picker: str, rung: str) -> None: ...
    @abstractmethod
    def originates(self, channel: str) -> None: ...


def state_fields(state: str, prefix: str = "") -> dict[str, str]:
    return {f"{prefix}ChannelState": _STATES[state], f"{prefix}ChannelStateDesc": state}


def cause_text(cause: str) -> str:
    return _TEXTS.get(cause, "Unknown")
