"""Queue members that come, pause and go, and the events of each age that tell of them."""

from __future__ import annotations

import pytest

from publisher.simulator import Queue
from tests.simulator.client import Client
from tests.simulator.dialogues import (
    VERSIONS,
    Dialogue,
    blocks,
    dialogues,
    is_unasked,
    name_of,
    simulator_for,
    value_of,
)
from tests.simulator.listening import TECH, answered, heard_until, listening, until

MASKED = {"Timestamp", "LoginTime", "LastPause", "Status"}
RECORDED = [dialogue for dialogue in dialogues() if dialogue.name == "queueadd_remove_pause"]


def told(data: bytes) -> list[list[str]]:
    """The events about queue members, with their words."""
    return [
        [name_of(line) if name_of(line) in MASKED else line for line in lines]
        for lines in blocks(data)
        if is_unasked(lines) and value_of(lines, "Event").startswith("QueueMember")
    ]


@pytest.mark.parametrize("dialogue", RECORDED, ids=str)
async def test_members_are_told_of_as_the_recorded_servers_did(dialogue: Dialogue) -> None:
    async with simulator_for(dialogue) as pbx, Client(pbx) as client:
        await client.banner()
        client.send_bytes(dialogue.sent)
        while (await client.packet()).get("ActionID") != "a6":
            pass
        assert told(bytes(client.data)) == told(dialogue.received)


async def member(client: Client, interface: str) -> dict[str, str]:
    """The member as QueueStatus shows it; empty if there is none."""
    listed = await client.list("Action: QueueStatus", "Queue: SUPPORT", f"Member: {interface}")
    assert listed[1]["Event"] == "QueueParams"
    return listed[2] if listed[2]["Event"] == "QueueMember" else {}


@pytest.mark.parametrize("version", VERSIONS)
async def test_queue_status_shows_what_was_changed(version: str) -> None:
    async with listening(version) as (_, client):
        place = ["Queue: support", f"Interface: {TECH[version]}/210"]
        more = ["MemberName: Временный", "Penalty: 2", "Paused: yes"]
        await answered(client, "1", "Action: QueueAdd", *place, *more)
        await until(client, "QueueMemberAdded")
        shown = await member(client, f"{TECH[version]}/210")
        assert (shown["Name"], shown["Membership"]) == ("Временный", "dynamic")
        assert (shown["Penalty"], shown["Paused"]) == ("2", "1")
        assert await member(client, "Временный") == shown
        await answered(client, "2", "Action: QueuePause", *place, "Paused: false")
        await until(client, "QueueMemberPaused" if version == "11" else "QueueMemberPause")
        assert (await member(client, f"{TECH[version]}/210"))["Paused"] == "0"
        await answered(client, "3", "Action: QueueRemove", *place)
        await until(client, "QueueMemberRemoved")
        assert not await member(client, f"{TECH[version]}/210")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_pause_without_a_queue_pauses_in_every_queue_that_has_the_member(version: str) -> None:
    async with listening(version) as (pbx, client):
        (support,) = pbx.state.queues
        pbx.state.queues.append(Queue("sales", [*support.members[:1]]))
        interface = support.members[0].interface
        client.send("Action: QueuePause", f"Interface: {interface}", "Paused: true", "Reason: обед")
        event = "QueueMemberPaused" if version == "11" else "QueueMemberPause"
        heard = [packet for packet in await heard_until(client, event) if packet.get("Event") == event]
        heard.append(await until(client, event))
        assert [packet["Queue"] for packet in heard] == ["support", "sales"]
        assert {packet["Paused"] for packet in heard} == {"1"}


REFUSALS = [
    (["Action: QueueAdd"], "'Queue' not specified."),
    (["Action: QueueAdd", "Queue: support"], "'Interface' not specified."),
    (
        ["Action: QueueAdd", "Queue: no", "Interface: SIP/1"],
        "Unable to add interface to queue: No such queue",
    ),
    (["Action: QueueRemove", "Queue: support"], "Need 'Queue' and 'Interface' parameters."),
    (["Action: QueueRemove", "Queue: support", "Interface: SIP/200"], "Member not dynamic"),
    (
        ["Action: QueueRemove", "Queue: no", "Interface: SIP/200"],
        "Unable to remove interface from queue: No such queue",
    ),
    (["Action: QueuePause", "Interface: SIP/200"], "Need 'Interface' and 'Paused' parameters."),
    (["Action: QueuePause", "Interface: SIP/999", "Paused: true"], "Interface not found"),
    (["Action: QueuePenalty", "Interface: SIP/200"], "Need 'Interface' and 'Penalty' parameters."),
    (
        ["Action: QueuePenalty", "Interface: SIP/999", "Penalty: 1"],
        "Invalid interface, queuename or penalty",
    ),
]


@pytest.mark.parametrize(("lines", "message"), REFUSALS, ids=[message for _, message in REFUSALS])
async def test_what_concerns_no_member_is_an_error(lines: list[str], message: str) -> None:
    async with listening("20") as (pbx, client):
        answer = await answered(client, "q", *lines)
        assert (answer["Response"], answer["Message"]) == ("Error", message)
        assert len(pbx.state.queues[0].members) == 4
