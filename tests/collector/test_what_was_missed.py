"""What a gap says, and what is read and ended after it, to the moment and to the byte."""

from __future__ import annotations

from typing import Any

from publisher import control
from publisher.ami.framing import Limits
from publisher.ami.session import AmiSession, SessionSettings
from publisher.records import CONTROL, SYNTHETIC
from publisher.services.link import Link
from schemas.timestamps import timestamp_text
from tests.collector.scripted import ScriptedLink

EVENT = ("Event: UserEvent", "Privilege: user,all", "UserEvent: x")
NEW = ("Event: Newchannel", "Privilege: call,all", "Channel: SIP/200-1", "Uniqueid: 1.1", "Linkedid: 1.1")
HANGUP = ("Event: Hangup", *NEW[1:])


def gaps(scripted: ScriptedLink) -> list[dict[str, Any]]:
    said = [control.unpack(record.raw) for record in scripted.journal.records if record.kind == CONTROL]
    return [payload for payload in said if payload["kind"] == "gap"]


def ends(scripted: ScriptedLink) -> list[bytes]:
    return [record.raw for record in scripted.journal.records if record.flags & SYNTHETIC]


def no_items(scripted: ScriptedLink, action_id: str, end: str) -> None:
    scripted.answer(action_id, "EventList: start")
    scripted.say(f"Event: {end}", f"ActionID: {action_id}", "EventList: Complete")


def rest_of_the_resync(scripted: ScriptedLink, queues: str) -> None:
    for action, end in (
        ("QueueStatus", "QueueStatusComplete"),
        ("DeviceStateList", "DeviceStateListComplete"),
        ("ExtensionStateList", "ExtensionStateListComplete"),
    ):
        no_items(scripted, queues if action == "QueueStatus" else scripted.asked()[action], end)


def test_a_gap_begins_when_the_last_answered_question_was_asked_however_late_its_answer_was_read() -> None:
    scripted = ScriptedLink()
    scripted.live()
    scripted.wait(0.25)
    asked_at, question = scripted.clock.now_us(), scripted.asked()["Ping"]
    scripted.clock.secs += 5
    scripted.say(*EVENT)
    scripted.answer(question, "Ping: Pong")
    scripted.clock.secs += 5
    scripted.say(*EVENT)
    scripted.link.lost(None)
    scripted.connect("link_lost")
    scripted.live()
    [gap] = gaps(scripted)
    assert gap["from"] == timestamp_text(asked_at)
    assert gap["to"] == timestamp_text(scripted.clock.now_us())


def test_without_an_answered_question_a_gap_begins_with_the_connection_before_it() -> None:
    scripted = ScriptedLink()
    began = scripted.clock.now_us()
    scripted.clock.secs += 1
    scripted.live()
    scripted.wait(2)
    scripted.say(*EVENT)
    scripted.link.lost(None)
    scripted.connect("link_lost")
    scripted.live()
    [gap] = gaps(scripted)
    assert gap["from"] == timestamp_text(began)


def test_one_question_is_under_way_at_a_time_and_one_is_asked_a_second() -> None:
    scripted = ScriptedLink()
    scripted.live()
    scripted.wait(0.25)
    question = scripted.asked()["Ping"]
    scripted.say(*EVENT)
    scripted.wait(2)
    assert scripted.asked() == {}
    scripted.answer(question, "Ping: Pong")
    scripted.wait(0.25)
    question = scripted.asked()["Ping"]
    scripted.answer(question, "Ping: Pong")
    scripted.wait(0.75)
    assert scripted.asked() == {}
    scripted.wait(0.25)
    assert list(scripted.asked()) == ["Ping"]


def test_half_a_packet_at_the_end_of_a_connection_lies_in_the_gap_of_the_lost_link_alone() -> None:
    scripted = ScriptedLink()
    scripted.live()
    scripted.link.received(b"Event: Newstate\r\nPrivilege: ca")
    scripted.link.lost(None)
    assert scripted.link.end is not None
    scripted.connect(scripted.link.end.cause)
    scripted.live()
    assert [gap["cause"] for gap in gaps(scripted)] == ["cut_off"]
    assert not [record for record in scripted.journal.records if b"Newstate" in record.raw]


def test_a_hangup_under_way_while_the_channels_were_listed_is_no_second_end() -> None:
    scripted = ScriptedLink()
    scripted.live()
    scripted.say(*NEW)
    scripted.link.lost(None)
    scripted.connect("link_lost")
    no_items(scripted, scripted.live(), "CoreShowChannelsComplete")
    queues = scripted.asked()["QueueStatus"]
    scripted.say(*HANGUP)
    rest_of_the_resync(scripted, queues)
    assert ends(scripted) == []
    assert not scripted.link.resyncing


def test_a_channel_that_the_list_lacks_ends_once() -> None:
    scripted = ScriptedLink()
    scripted.live()
    scripted.say(*NEW)
    scripted.link.lost(None)
    scripted.connect("link_lost")
    no_items(scripted, scripted.live(), "CoreShowChannelsComplete")
    rest_of_the_resync(scripted, scripted.asked()["QueueStatus"])
    [end] = ends(scripted)
    assert end.startswith(b"Event: Hangup\r\n")
    assert b"\r\nUniqueid: 1.1\r\n" in end


def test_a_pbx_that_said_it_stops_and_tells_a_reader_nothing_is_another_run_without_the_old_calls() -> None:
    scripted = ScriptedLink()
    scripted.live()
    scripted.say(*NEW)
    scripted.say("Event: Shutdown", "Privilege: system,all", "Shutdown: Cleanly", "Restart: True")
    scripted.link.lost(None)
    assert scripted.link.end is not None
    scripted.connect(scripted.link.end.cause)
    scripted.clock.secs += 60
    refuse(scripted, scripted.logged_in())
    scripted.answer(scripted.asked()["Events"], "Events: On")
    refuse(scripted, scripted.asked()["CoreShowChannels"])
    rest_of_the_resync(scripted, scripted.asked()["QueueStatus"])
    assert [gap["cause"] for gap in gaps(scripted)] == ["pbx_restart"]
    first, second = (epoch for kind, epoch in scripted.controls() if kind == "up")
    assert first < second
    assert len(ends(scripted)) == 1


def refuse(scripted: ScriptedLink, action_id: str) -> None:
    scripted.say("Response: Error", f"ActionID: {action_id}", "Message: Permission denied")


def test_over_long_packets_are_gaps_of_one_each_and_one_reading_of_the_state_in_thirty_seconds() -> None:
    scripted = ScriptedLink()
    settings = SessionSettings(
        username="bus", secret="obviously-fake", auth="plain", limits=Limits(max_packet_bytes=2048)
    )
    scripted.link = Link(
        AmiSession(settings, scripted.clock.secs),
        scripted.recorder,
        scripted.journal,
        scripted.clock,
        scripted.reports.append,
        "",
    )
    scripted.link.attach(scripted.wire)
    no_items(scripted, scripted.live(), "CoreShowChannelsComplete")
    rest_of_the_resync(scripted, scripted.asked()["QueueStatus"])
    readings = 0
    for _ in range(31 * 4):
        scripted.say("Event: UserEvent", "Privilege: user,all", "Body: " + "x" * 3000)
        scripted.wait(0.25)
        asked = scripted.asked()
        if "Ping" in asked:
            scripted.answer(asked["Ping"], "Ping: Pong")
        readings += "CoreShowChannels" in asked
    assert readings == 1
    assert [(gap["cause"], gap["count"]) for gap in gaps(scripted)] == [("malformed", 1)] * 31 * 4
    assert all(gap["from"] <= gap["to"] for gap in gaps(scripted))


def test_a_peer_that_floods_before_it_answers_the_login_is_hung_up_on() -> None:
    scripted = ScriptedLink()
    scripted.link.received(b"Asterisk Call Manager/9.0.0\r\n")
    flood = b"Event: X\r\nBody: " + b"x" * 60_000 + b"\r\n\r\n"
    for _ in range(200):
        scripted.link.received(flood)
    assert scripted.link.end is not None
    assert scripted.link.end.cause == "not_ami"
    assert scripted.wire.aborted
    assert scripted.journal.records == []
