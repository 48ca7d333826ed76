"""A simulator and a client that hears everything, for tests of what actions cause."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from publisher.simulator import Pace, SimulatedPbx, SimulatorOptions, User
from publisher.simulator.packets import parse_classes
from tests.simulator.client import SECRET, Client

TECH = {"11": "SIP", "20": "SIP", "22": "PJSIP"}


@asynccontextmanager
async def listening(version: str, **options: object) -> AsyncIterator[tuple[SimulatedPbx, Client]]:
    """A PBX whose calls last as long as a test wants, and a client that hears everything."""
    users = {"bus": User(SECRET), "calls": User(SECRET, parse_classes("call"), parse_classes("originate"))}
    settings = SimulatorOptions(version=version, users=users, ring_secs=0.01, pace=Pace(talk_secs=60.0))
    for name, value in options.items():
        setattr(settings, name, value)
    async with SimulatedPbx(settings) as pbx, Client(pbx) as client:
        await client.login()
        assert (await client.packet())["Event"] == "FullyBooted"
        yield pbx, client


def originate(version: str, phone: str, *more: str, exten: str = "600") -> list[str]:
    head = ["Action: Originate", f"Channel: {TECH[version]}/{phone}", "ActionID: o1"]
    return [*head, "Context: internal", f"Exten: {exten}", "Priority: 1", *more]


async def until(client: Client, event: str, **fields: str) -> dict[str, str]:
    """The next event of that name that has these values."""
    while True:
        packet = await client.packet()
        if packet.get("Event") == event and fields.items() <= packet.items():
            return packet


async def heard_until(client: Client, *last: str) -> list[dict[str, str]]:
    """All packets until an event of each of these names has come."""
    packets: list[dict[str, str]] = []
    while not set(last) <= {packet.get("Event") for packet in packets}:
        packets.append(await client.packet())
    return packets


async def answered(client: Client, action_id: str, *lines: str) -> dict[str, str]:
    """Do an action and give its response; events that come before it are passed over."""
    client.send(*lines, f"ActionID: {action_id}")
    while (packet := await client.packet()).get("ActionID") != action_id or "Response" not in packet:
        pass
    return packet
