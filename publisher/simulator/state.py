"""What the simulated PBX knows: when it started, its channels, devices, hints and queues."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Final

from publisher.simulator.style import Style

_HEADER: Final = re.compile(rb"^([A-Za-z0-9-]+): ?([^\r\n]*)", re.MULTILINE)
_LIFE: Final = (b"Event: Newchannel\r", b"Event: Hangup\r", b"Event: Rename\r", b"Event: Newstate\r")
STATE_NAMES: Final = {0: "Down", 4: "Ring", 5: "Ringing", 6: "Up"}
UNKNOWN: Final = "<unknown>"


@dataclass(slots=True)
class Channel:
    """A living channel. `state` as Asterisk numbers it: 0 Down, 4 Ring, 5 Ringing, 6 Up."""

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

    def __post_init__(self) -> None:
        self.linkedid = self.linkedid or self.uniqueid

    @property
    def state_name(self) -> str:
        return STATE_NAMES.get(self.state, "Unknown")

    @property
    def device(self) -> str:
        """`SIP/202` of `SIP/202-0000019c`."""
        return self.name.rpartition("-")[0] or self.name


@dataclass(slots=True)
class Member:
    """A queue's member."""

    name: str
    interface: str
    paused: bool = False
    calls_taken: int = 0


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
        self._next_channel = 0

    def restart(self) -> None:
        """A new start: no channels, a later start time (Asterisk tells it in whole seconds)."""
        self.channels.clear()
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

    def new_channel(self, extension: str, *, linkedid: str = "", **settings: object) -> Channel:
        """A channel of an extension's phone (or of a trunk), living from now on."""
        number = self._next_channel
        self._next_channel += 1
        uniqueid = f"{int(time.time())}.{number}"
        channel = Channel(
            name=f"{self.style.tech}/{extension}-{number:08x}",
            uniqueid=uniqueid,
            linkedid=linkedid or uniqueid,
            caller_num=extension,
            caller_name=self.extensions.get(extension, ""),
        )
        for key, value in settings.items():
            setattr(channel, key, value)
        self.channels[channel.name] = channel
        return channel

    def end_channel(self, channel: Channel) -> None:
        self.channels.pop(channel.name, None)
        for queue in self.queues:
            if channel in queue.callers:
                queue.callers.remove(channel)

    def devices(self) -> dict[str, str]:
        """Every device with its state, as DeviceStateList names them."""
        states = {f"{self.style.tech}/{number}": "NOT_INUSE" for number in self.extensions}
        for channel in self.channels.values():
            if channel.device in states:
                states[channel.device] = "RINGING" if channel.state == 5 else "INUSE"
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
