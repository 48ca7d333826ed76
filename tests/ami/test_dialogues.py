"""Every recorded dialogue, fed to a session that has asked the same questions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from publisher.ami.framing import EVENT, RESPONSE, Packet, PacketReader, is_suspect
from publisher.ami.session import ListItem, MalformedPacket, Reply, SessionEvent
from tests.ami.peer import logged_in
from tests.ami.traces import dialogues, read, short_name

ASKED = [path for path in dialogues() if path.with_suffix(".req").exists()]
# What is not Asterisk's packet form at all: raw text, or the pieces of a split packet.
NOT_PACKETS = {"queues.ami", "dialplan_newlines.ami"}


def actions_of(path: Path) -> list[tuple[str, str]]:
    """Action and ActionID of each action after the login."""
    actions = []
    for text in path.with_suffix(".req").read_bytes().replace(b"\r\n", b"\n").split(b"\n\n"):
        action = re.search(rb"(?im)^action: *(.*?) *$", text)
        action_id = re.search(rb"(?m)^ActionID: ([!-~]{1,60})$", text)
        if action and action_id and action[1].lower() not in (b"login", b"challenge"):
            actions.append((action[1].decode(), action_id[1].decode()))
    return actions


def replay(path: Path, chunk: int) -> tuple[list[SessionEvent], list[tuple[str, str]]]:
    session = logged_in()
    asked = actions_of(path)
    for action, action_id in asked:
        session.request(action, now=0.0, action_id=action_id)
    session.data_to_send()
    data = read(path).partition(b"\r\n")[2]
    reports: list[SessionEvent] = []
    for start in range(0, len(data), chunk):
        reports += session.receive_data(data[start : start + chunk], 0.0)
    return reports, asked


@pytest.mark.parametrize("path", ASKED, ids=short_name)
def test_each_answer_of_a_recorded_dialogue_finds_its_request(path: Path) -> None:
    reports, asked = replay(path, 4096)
    replies = {report.action_id: report for report in reports if isinstance(report, Reply)}
    packets = PacketReader().receive_data(read(path))
    answered = {
        found[1].decode()
        for packet in packets
        if packet.kind == RESPONSE and (found := re.search(rb"\r\nActionID: (.*?)\r\n", packet.raw))
    }
    for action, action_id in asked:
        if action_id not in answered:
            continue
        reply = replies.pop(action_id)
        assert reply.complete
        assert reply.response is not None
        assert reply.success == (reply.response.name != "Error")
        items = [
            report for report in reports if isinstance(report, ListItem) and report.action_id == action_id
        ]
        assert len(items) == reply.items
        total = re.search(rb"\r\n(?:List)?Items: (\d+)\r\n", reply.end.raw if reply.end else b"")
        # ShowDialPlan, ConfbridgeList and others count otherwise than they list in some versions.
        if total and action in ("Status", "CoreShowChannels", "SIPpeers", "QueueStatus", "DeviceStateList"):
            assert reply.items == int(total[1])
        if action == "Command" and reply.success and "empty" not in path.name:
            assert reply.output
    assert not replies


@pytest.mark.parametrize("path", ASKED, ids=short_name)
def test_what_answers_nothing_stays_in_the_stream_of_a_recorded_dialogue(path: Path) -> None:
    reports, _ = replay(path, 1 << 20)
    events = [packet for packet in PacketReader().receive_data(read(path)) if packet.kind == EVENT]
    own_accord = [
        packet for packet in events if not is_suspect(packet.raw) and b"Privilege: Call\r\n" not in packet.raw
    ]
    streamed = [report for report in reports if isinstance(report, Packet)]
    assert [packet for packet in streamed if not is_suspect(packet.raw)] == own_accord
    if path.name not in NOT_PACKETS:
        assert streamed == own_accord
        assert not any(isinstance(report, MalformedPacket) for report in reports)


@pytest.mark.parametrize("path", ASKED, ids=short_name)
def test_a_recorded_dialogue_reads_the_same_in_small_chunks(path: Path) -> None:
    assert replay(path, 17) == replay(path, 1 << 20)
