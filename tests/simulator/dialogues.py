"""Recorded dialogues, and the same actions put to a simulator of that age.

A dialogue is what a client sent (`.req`) and what the server answered (`.ami`): the large recordings beside
the checkout where they are, else the reduced ones of the corpus.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from publisher.simulator import Channel, SimulatedPbx, SimulatorOptions, User
from publisher.simulator.packets import parse_classes
from tests.simulator.client import Client

ROOT = Path(__file__).parents[2]
TRACES = ROOT / "../shared/traces"
CORPUS = ROOT / "tests/corpus/dialogues"
VERSIONS = ("11", "20", "22")
OUR_END = "Response: Goodbye\r\nActionID: our-end"
# Longer than the two seconds that nobody is to wait for here.
_TIMEOUT = re.compile(rb"Timeout: 2000\r\n")


@dataclass(frozen=True)
class Dialogue:
    """One dialogue with a server of that version."""

    version: str
    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def sent(self) -> bytes:
        return _TIMEOUT.sub(b"Timeout: 60\r\n", self.path.with_suffix(".req").read_bytes())

    @property
    def received(self) -> bytes:
        return self.path.read_bytes()

    def __str__(self) -> str:
        return f"{self.version}-{self.name}{'' if CORPUS in self.path.parents else '-recorded'}"


def dialogues() -> list[Dialogue]:
    folders = [(version, CORPUS / version) for version in VERSIONS]
    folders += [(version, TRACES / version / "actions") for version in VERSIONS]
    return [
        Dialogue(version, path)
        for version, folder in folders
        for path in sorted(folder.glob("*.ami"))
        if path.with_suffix(".req").exists() and path.with_suffix(".req").stat().st_size
    ]


def blocks(data: bytes) -> list[list[str]]:
    """The packets as lines, without the greeting and the channel variables that a server can add."""
    packets = []
    for block in data.decode(errors="replace").split("\r\n\r\n"):
        lines = [line for line in block.strip("\r\n").split("\r\n") if "ChanVariable" not in line]
        lines = [line for line in lines if not line.startswith("Asterisk Call Manager/")]
        if lines and lines != [""]:
            packets.append(lines)
    return packets


def is_unasked(lines: list[str]) -> bool:
    """An event of the server's own accord: it has its classes."""
    return any(line.startswith("Privilege: ") and line.endswith(",all") for line in lines)


def name_of(line: str) -> str:
    return line.partition(":")[0]


def value_of(lines: list[str], name: str) -> str:
    """The first value of a header, empty without one."""
    return next((line.partition(":")[2].removeprefix(" ") for line in lines if name_of(line) == name), "")


@asynccontextmanager
async def simulator_for(
    dialogue: Dialogue, *, change: Callable[[SimulatorOptions], None] | None = None
) -> AsyncIterator[SimulatedPbx]:
    """A PBX like the one that was asked: its users, its phones, the channels that lived there."""
    options = SimulatorOptions(
        version=dialogue.version,
        users={
            "bus": User("secret"),
            "limited": User("secret", parse_classes("call"), parse_classes("call")),
            "nofilter": User("secret", parse_classes("call"), frozenset()),
        },
        extensions=extensions_of(dialogue),
        busy=frozenset({"240"}),
        no_answer=frozenset({"245"}),
        unknown_extens=frozenset({"bad"}),
    )
    if change is not None:
        change(options)
    async with SimulatedPbx(options) as pbx:
        for number, name in enumerate(living(dialogue)):
            channel = Channel(name, f"17.{number}", state=6, application="Wait", data="40", in_dialplan=False)
            channel.caller_num = channel.connected_num = "299"
            channel.caller_name = channel.connected_name = "Тест"
            channel.variables |= {"CRM": "карта 15: a=b", "SIPCALLID": "call-1@127.0.0.1:5060"}
            pbx.state.channels[name] = channel
        yield pbx


def extensions_of(dialogue: Dialogue) -> dict[str, str]:
    """The extensions of the recorded servers, with the names that their phones had."""
    names = {str(number): f"Agent {number}" for number in range(200, 250)}
    for lines in blocks(dialogue.received):
        if lines[0] == "Event: Newchannel":
            names[value_of(lines, "CallerIDNum")] = value_of(lines, "CallerIDName")
    return {number: name for number, name in names.items() if number.isdecimal() and len(number) == 3}


def living(dialogue: Dialogue) -> list[str]:
    """The channels that an action names and that were there: an event tells of them, or their hangup does."""
    asked = re.findall(r"^Channel\w*: (\S+-[0-9a-f]{8})\r$", dialogue.sent.decode(errors="replace"), re.M)
    told = {
        value_of(lines, name)
        for lines in blocks(dialogue.received)
        if lines[0].startswith("Event: ")
        for name in ("Channel", "Clone", "ParkeeChannel")
    }
    hung_up = [
        value_of(lines, "Channel")
        for lines in blocks(dialogue.received)
        if lines[0] == "Event: ChannelHungup"
    ]
    return sorted({name for name in asked if name in told} | set(hung_up))


async def received_by(client: Client, dialogue: Dialogue, mask: bytes = b"Events: off\r\n") -> bytes:
    """All that the simulator sends to who says what the dialogue's client said."""
    await client.banner()
    client.send_bytes(dialogue.sent.replace(b"Events: on\r\n", mask))
    client.send("Action: Logoff", "ActionID: our-end")
    return (await client.rest()).partition(OUR_END.encode())[0]
