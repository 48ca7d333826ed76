"""What the simulated PBX knows: when it started, its channels, devices, hints and queues."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from publisher.simulator.ask import Ask, HangUp
from publisher.simulator.style import Style

_HEADER: Final = re.compile(rb"^([A-Za-z0-9-]+): ?([^\r\n]*)", re.MULTILINE)
_LIFE: Final = (b"Event: Newchannel\r", b"Event: Hangup\r", b"Event: Rename\r", b"Event: Newstate\r")
STATE_NAMES: Final = {0: "Down", 4: "Ring", 5: "Ringing", 6: "Up"}
UNKNOWN: Final = "<unknown>"
MAX_CHANNEL_VARIABLES: Final = 1000
_HINTS: Final = {"INUSE": (1, "InUse"), "RINGING": (8, "Ringing"), "RINGINUSE": (9, "InUse&Ringing")}


def hint_state(device_state: str) -> tuple[int, str]:
    """The state of a hint, as number and word, whose device has that state."""
    return _HINTS.get(device_state, (0, "Idle"))


@dataclass(slots=True, eq=False)
class Channel:
    """A living channel. `state` as Asterisk numbers it: 0 Down, 4 Ring, 5 Ringing, 6 Up.

    `in_dialplan`: it runs the dialplan itself (who is called does not). `scripted`: a script carries it and
    heeds `ask`. `half` is the other half of a Local channel, `peer` the other party of a bridge.
    """

    name: str
    uniqueid: str
    linkedid: str = ""
    state: int = 0
    caller_num: str = ""
    caller_name: str = ""
    connected_num: str = UNKNOWN
    connected_name: str = UNKNOWN
    context: str = "internal"
    exten: str = ""
    priority: int = 1
    application: str = ""
    data: str = ""
    bridge_id: str = ""
    peer: Channel | None = None
    since: float = field(default_factory=time.time)
    variables: dict[str, str] = field(default_factory=dict)
    in_dialplan: bool = True
    scripted: bool = False
    half: Channel | None = None
    ask: Ask | None = None
    wakers: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.linkedid = self.linkedid or self.uniqueid

    @property
    def state_name(self) -> str:
        return STATE_NAMES.get(self.state, "Unknown")

    @property
    def device(self) -> str:
        """`SIP/202` of `SIP/202-0000019c`."""
        return self.name.rpartition("-")[0] or self.name

    def ask_for(self, ask: Ask) -> None:
        """Leave an ask and wake who carries the channel. The end is not taken back by a later ask."""
        if not isinstance(self.ask, HangUp):
            self.ask = ask
        self.wake()

    def wake(self) -> None:
        for waker in self.wakers:
            waker()

    def take_ask(self) -> Ask | None:
        ask, self.ask = self.ask, None
        return ask

    def set_variable(self, name: str, value: str) -> None:
        """`__X` and `_X` set X: the underscores only say who inherits it. Beyond a bound it is forgotten."""
        name = name.removeprefix("_").removeprefix("_")
        if name in self.variables or len(self.variables) < MAX_CHANNEL_VARIABLES:
            self.variables[name] = value


@dataclass(slots=True)
class Member:
    """A queue's member. `dynamic`: it was added while running, and may be removed again."""

    name: str
    interface: str
    paused: bool = False
    calls_taken: int = 0
    penalty: int = 0
    dynamic: bool = False
    state_interface: str = ""
    paused_reason: str = ""
    last_pause: int = 0
    login_time: int = 0
    wrapup_secs: int = 0

    @property
    def device(self) -> str:
        """The device whose state is the member's."""
        return self.state_interface or self.interface


@dataclass(slots=True)
class ParkedCall:
    """A channel that waits in the parking lot."""

    space: int
    channel: Channel
    parker: str
    timeout_secs: float
    since: float = field(default_factory=time.time)

    @property
    def waited_secs(self) -> int:
        return max(0, int(time.time() - self.since))


@dataclass(slots=True)
class Queue:
    """A queue with its members and the channels that wait in it, first come first."""

    name: str
    members: list[Member] = field(default_factory=list)
    callers: list[Channel] = field(default_factory=list)
    strategy: str = "rrmemory"


class PbxState:
    """The live state. Tests may set any of it; the simulated calls keep it true."""

    def __init__(self, style: Style, extensions: dict[str, str]) -> None:
        self.style = style
        self.extensions = extensions
        self.started = time.time()
        self.processed_calls = 0
        self.channels: dict[str, Channel] = {}
        self.queues = _queues(style, extensions)
        self.variables: dict[str, str] = {}
        # Devices whose state is not the one that the channels imply.
        self.device_states: dict[str, str] = {}
        self.parked: dict[int, ParkedCall] = {}
        # The database of DBPut and DBGet: family, key.
        self.database: dict[tuple[str, str], str] = {}
        self._next_channel = 0
        self._next_local = 0
        self._by_uniqueid: dict[str, Channel] = {}
        self._of_device: dict[str, list[Channel]] = {}

    def restart(self) -> None:
        """A new start: no channels, a later start time (Asterisk tells it in whole seconds)."""
        self.channels.clear()
        self._by_uniqueid.clear()
        self._of_device.clear()
        self.parked.clear()
        for queue in self.queues:
            queue.callers.clear()
        self.variables.clear()
        self.device_states.clear()
        self.processed_calls = 0
        self._next_channel = 0
        self.started = max(time.time(), int(self.started) + 1.0)

    @property
    def uptime(self) -> int:
        return max(0, int(time.time() - self.started))

    def new_uniqueid(self) -> tuple[int, str]:
        """The next channel's number and its Uniqueid."""
        number = self._next_channel
        self._next_channel += 1
        return number, f"{int(time.time())}.{number}"

    def new_channel(
        self, extension: str, *, linkedid: str = "", uniqueid: str = "", **settings: object
    ) -> Channel:
        """A channel of an extension's phone (or of a trunk), living from now on."""
        number, own_id = self.new_uniqueid()
        channel = Channel(
            name=f"{self.style.tech}/{extension}-{number:08x}",
            uniqueid=uniqueid or own_id,
            linkedid=linkedid,
            caller_num=extension,
            caller_name=self.extensions.get(extension, ""),
        )
        return self._begin(channel, settings)

    def new_local(
        self, number: str, context: str, uniqueid: str = "", other_uniqueid: str = ""
    ) -> tuple[Channel, Channel]:
        """The two halves of a Local channel: the first is called, the second runs the dialplan."""
        name = f"Local/{number}@{context}-{self._next_local:08x}"
        self._next_local += 1
        nobody = UNKNOWN if self.style.modern else ""
        settings: dict[str, object] = {"context": context, "exten": number}
        settings |= {"caller_num": nobody, "caller_name": nobody}
        one = Channel(f"{name};1", uniqueid or self.new_uniqueid()[1], in_dialplan=False)
        default = f"{uniqueid};2" if uniqueid else self.new_uniqueid()[1]
        two = Channel(f"{name};2", other_uniqueid or default, one.linkedid, state=4)
        one.half, two.half = two, one
        return self._begin(one, settings), self._begin(two, settings)

    def _begin(self, channel: Channel, settings: dict[str, object]) -> Channel:
        for key, value in settings.items():
            setattr(channel, key, value)
        self.channels[channel.name] = channel
        self._by_uniqueid[channel.uniqueid] = channel
        self._of_device.setdefault(channel.device, []).append(channel)
        return channel

    def rename_uniqueid(self, channel: Channel, uniqueid: str) -> None:
        """A masquerade: the channel keeps its name and goes on under another Uniqueid."""
        self._by_uniqueid.pop(channel.uniqueid, None)
        channel.uniqueid = uniqueid
        self._by_uniqueid[uniqueid] = channel

    def end_channel(self, channel: Channel) -> None:
        self.channels.pop(channel.name, None)
        self._by_uniqueid.pop(channel.uniqueid, None)
        of_device = self._of_device.get(channel.device, [])
        if channel in of_device:
            of_device.remove(channel)
            if not of_device:
                del self._of_device[channel.device]
        for queue in self.queues:
            if channel in queue.callers:
                queue.callers.remove(channel)

    def find(self, name: str) -> Channel | None:
        """The living channel of that name, case aside, or of that Uniqueid, as Asterisk looks it up."""
        if channel := self.channels.get(name) or self._by_uniqueid.get(name):
            return channel if self.channels.get(channel.name) is channel else None
        lowered = name.lower()
        for channel in self.channels.values():
            if channel.name.lower() == lowered or channel.uniqueid == name:
                return channel
        return None

    def is_taken(self, uniqueid: str) -> bool:
        """Whether a living channel has that Uniqueid."""
        if len(self._by_uniqueid) == len(self.channels):
            return uniqueid in self._by_uniqueid
        # Channels that were put in by hand, or follow a replay, stand in no index.
        return any(channel.uniqueid == uniqueid for channel in self.channels.values())

    def device_state(self, device: str) -> str:
        """One device's state, from its channels."""
        if device in self.device_states:
            return self.device_states[device]
        states = {channel.state for channel in self._of_device.get(device, ())}
        if not states:
            return "NOT_INUSE"
        if states == {5}:
            return "RINGING"
        return "RINGINUSE" if 5 in states else "INUSE"

    def devices(self) -> dict[str, str]:
        """Every device with its state, as DeviceStateList names them."""
        states = {f"{self.style.tech}/{number}": "NOT_INUSE" for number in self.extensions}
        for channel in self.channels.values():
            if (before := states.get(channel.device)) is not None:
                now = "RINGING" if channel.state == 5 else "INUSE"
                states[channel.device] = now if before in ("NOT_INUSE", now) else "RINGINUSE"
        return states | self.device_states

    def follow(self, event: bytes) -> None:
        """Keep the channels true to a replayed event. Only the events of a channel's life count."""
        if not event.startswith(_LIFE):
            return
        fields = {
            name.decode("latin-1").lower(): value.decode("utf-8", "replace")
            for name, value in _HEADER.findall(event)
        }
        name = fields.get("channel", "")
        match fields["event"]:
            case "Hangup":
                self.channels.pop(name, None)
            case "Rename":
                channel = self.channels.pop(name, None)
                if channel is not None:
                    channel.name = fields.get("newname", name)
                    self.channels[channel.name] = channel
            case _:
                channel = self.channels.get(name)
                if channel is None:
                    channel = Channel(name, fields.get("uniqueid", ""), fields.get("linkedid", ""))
                    self.channels[name] = channel
                state = fields.get("channelstate", "")
                channel.state = int(state) if state.isdecimal() else channel.state
                channel.caller_num = fields.get("calleridnum", "")
                channel.caller_name = fields.get("calleridname", "")
                channel.connected_num = fields.get("connectedlinenum", "")
                channel.connected_name = fields.get("connectedlinename", "")
                channel.exten = fields.get("exten", channel.exten)
                channel.context = fields.get("context", channel.context)


def _queues(style: Style, extensions: dict[str, str]) -> list[Queue]:
    agents = list(extensions)[:4]
    members = [Member(extensions[number] or f"Agent {number}", f"{style.tech}/{number}") for number in agents]
    return [Queue("support", members)]
