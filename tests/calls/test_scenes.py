"""One shape for all: each scene gives the same call events whether Asterisk 22 or 11 wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from consumers.calls import CallEvent, CallFold, Party
from tests.calls.newer_pbx import NewerPbx
from tests.calls.older_pbx import OlderPbx
from tests.calls.recorded import PBX
from tests.calls.scripted import ScriptedPbx


@pytest.fixture(params=[NewerPbx, OlderPbx], ids=["22", "11"])
def pbx(request: pytest.FixtureRequest) -> ScriptedPbx:
    made: ScriptedPbx = request.param()
    return made


def told(pbx: ScriptedPbx) -> list[CallEvent]:
    fold = CallFold({PBX: ["trunk"]})
    events = [one for event in pbx.events() for one in fold.feed(event)]
    assert fold.open_calls == 0
    return events


def short(events: Iterable[CallEvent]) -> list[str]:
    """`state caller>callee`, of a last event with its reason."""
    return [
        f"{one.state} {_number(one.caller)}>{_number(one.callee)}" + (f" {one.reason}" if one.reason else "")
        for one in events
    ]


def _number(party: Party | None) -> str:
    return "" if party is None else party.number


def results(event: CallEvent) -> dict[str, str]:
    return {callee.party.number: callee.result for callee in event.callees}


def transfer(event: CallEvent) -> tuple[Any, ...]:
    one = event.transfers[-1]
    return (one.kind, _number(one.by), _number(one.source), _number(one.transferee), _number(one.target))


def test_a_simple_call_rings_is_answered_and_ends(pbx: ScriptedPbx) -> None:
    pbx.call("202", "200")
    pbx.part("202", "200")
    pbx.hang_up("200", "202")
    events = told(pbx)
    assert short(events) == ["ringing 202>200", "answered 202>200", "ended 202>200 completed"]
    last = events[-1]
    assert (last.ring_secs, last.talk_secs, last.cause, last.cause_text) == (1.0, 5.0, 16, "Normal Clearing")
    assert (last.direction, last.dialled, last.answered_by) == ("internal", "200", "callee")
    assert {one.call for one in events} == {pbx.uniqueid("202")}
    assert last.uniqueids == (pbx.uniqueid("202"), pbx.uniqueid("200"))
    assert [one.extensions for one in events] == [("200", "202")] * 3


def test_a_busy_phone_misses_the_call(pbx: ScriptedPbx) -> None:
    pbx.calls("202", "200")
    pbx.rings("202", "200")
    if isinstance(pbx, NewerPbx):
        pbx.dial_ends("202", "200", "BUSY")
    pbx.hang_up("200", cause="17")
    if isinstance(pbx, OlderPbx):
        pbx.dial_ends("202", "200", "BUSY")
    pbx.hang_up("202", cause="17")
    events = told(pbx)
    assert short(events) == ["ringing 202>200", "missed 202>200 busy"]
    assert events[-1].cause == 17
    assert events[-1].talk_secs == 0


def test_a_rejected_call_is_told_from_a_busy_phone_by_its_cause(pbx: ScriptedPbx) -> None:
    pbx.calls("202", "200")
    pbx.rings("202", "200")
    if isinstance(pbx, NewerPbx):
        pbx.dial_ends("202", "200", "BUSY")
    pbx.hang_up("200", cause="21")
    if isinstance(pbx, OlderPbx):
        pbx.dial_ends("202", "200", "BUSY")
    pbx.hang_up("202", cause="17")
    assert short(told(pbx)) == ["ringing 202>200", "missed 202>200 rejected"]


@pytest.mark.parametrize(("status", "reason"), [("NOANSWER", "no_answer"), ("CANCEL", "cancelled")])
def test_nobody_answers_or_the_caller_gives_up(pbx: ScriptedPbx, status: str, reason: str) -> None:
    pbx.calls("202", "200")
    pbx.rings("202", "200")
    pbx.wait(20)
    if isinstance(pbx, NewerPbx):
        pbx.dial_ends("202", "200", status)
    pbx.hang_up("200", cause="0")
    if isinstance(pbx, OlderPbx):
        pbx.dial_ends("202", "200", status)
    pbx.hang_up("202")
    events = told(pbx)
    assert short(events) == ["ringing 202>200", f"missed 202>200 {reason}"]
    assert (events[-1].ring_secs, events[-1].talk_secs) == (20.0, 0.0)


def test_a_call_that_reaches_nobody_is_missed_alone(pbx: ScriptedPbx) -> None:
    pbx.calls("202", "299")
    pbx.hang_up("202", cause="1")
    events = told(pbx)
    assert short(events) == ["missed 202> unreachable"]
    assert events[0].dialled == "299"


def test_what_the_pbx_answers_itself_is_no_missed_call(pbx: ScriptedPbx) -> None:
    pbx.calls("202", "600")
    pbx.state("202", "Up")
    pbx.wait(3)
    pbx.hang_up("202")
    events = told(pbx)
    assert short(events) == ["answered 202>", "ended 202> completed"]
    assert events[-1].answered_by == "pbx"
    assert events[-1].talk_secs == 3


def test_a_queue_with_two_phones_is_one_call(pbx: ScriptedPbx) -> None:
    pbx.calls("trunk", "500", "74959400835")
    pbx.state("trunk", "Up")
    pbx.joins_queue("trunk", "support")
    pbx.agent_rings("trunk", "200", "support")
    pbx.agent_rings("trunk", "201", "support")
    pbx.wait(4)
    pbx.state("201", "Up")
    pbx.dial_ends("trunk", "201", "ANSWER")
    if isinstance(pbx, NewerPbx):
        pbx.dial_ends("trunk", "200", "CANCEL")
    pbx.hang_up("200", cause="26")
    pbx.leaves_queue("trunk", "support")
    pbx.speak("trunk", "201")
    pbx.wait(60)
    pbx.part("trunk", "201")
    pbx.hang_up("201", "trunk")
    events = told(pbx)
    outside = "74959400835"
    assert short(events) == [
        f"answered {outside}>",
        f"ringing {outside}>",
        f"ringing {outside}>200",
        f"ringing {outside}>201",
        f"answered {outside}>201",
        f"ended {outside}>201 completed",
    ]
    last = events[-1]
    assert results(last) == {"200": "elsewhere", "201": "answered"}
    assert (last.queue, last.direction, last.ring_secs, last.talk_secs) == ("support", "in", 4.0, 60.0)


def test_a_caller_who_leaves_the_queue_is_missed_by_all_that_rang(pbx: ScriptedPbx) -> None:
    pbx.calls("trunk", "500", "74959400835")
    pbx.state("trunk", "Up")
    pbx.joins_queue("trunk", "support")
    pbx.music("trunk", True)
    pbx.agent_rings("trunk", "200", "support")
    pbx.wait(9)
    if isinstance(pbx, NewerPbx):
        pbx.dial_ends("trunk", "200", "CANCEL")
    pbx.hang_up("200", cause="0")
    pbx.leaves_queue("trunk", "support", abandons=True)
    pbx.hang_up("trunk")
    last = told(pbx)[-1]
    assert short([last]) == ["missed 74959400835>200 abandoned"]
    assert last.extensions[0] == "200"
    assert (last.ring_secs, last.talk_secs) == (9.0, 0.0)


def test_hold_and_resume_are_told_once_each_with_or_without_music(pbx: ScriptedPbx) -> None:
    pbx.call("202", "200")
    pbx.holds("200", True)
    pbx.music("202", True)
    pbx.wait(10)
    pbx.holds("200", False)
    pbx.music("202", False)
    pbx.part("202", "200")
    pbx.hang_up("200", "202")
    events = told(pbx)
    assert [one.state.value for one in events] == ["ringing", "answered", "held", "resumed", "ended"]
    assert _number(events[2].by) == _number(events[3].by) == "200"


def test_music_alone_tells_of_holding_where_the_device_does_not(pbx: ScriptedPbx) -> None:
    pbx.call("202", "200")
    pbx.music("202", True)
    pbx.music("202", False)
    pbx.part("202", "200")
    pbx.hang_up("200", "202")
    events = told(pbx)
    assert [one.state.value for one in events[2:4]] == ["held", "resumed"]
    assert _number(events[2].by) == "200"


def test_a_blind_transfer_by_the_callee_keeps_the_original_caller(pbx: ScriptedPbx) -> None:
    pbx.call("202", "200")
    pbx.transfers_blindly("200", "202", "203")
    pbx.rings("202", "203")
    pbx.wait(2)
    pbx.state("203", "Up")
    pbx.dial_ends("202", "203", "ANSWER")
    pbx.speak("202", "203")
    pbx.part("202", "203")
    pbx.hang_up("203", "202")
    events = told(pbx)
    assert short(events[2:]) == [
        "transferred 202>203",
        "ringing 202>203",
        "answered 202>203",
        "ended 202>203 completed",
    ]
    assert transfer(events[-1]) == ("blind", "200", "200", "202", "203")
    assert {_number(one.original_caller) for one in events} == {"202"}
    assert results(events[-1]) == {"200": "answered", "203": "answered"}
    assert events[2].extensions[:3] == ("203", "200", "202")


def test_a_blind_transfer_by_the_caller_makes_the_callee_the_caller(pbx: ScriptedPbx) -> None:
    pbx.call("202", "200")
    pbx.transfers_blindly("202", "200", "203")
    pbx.rings("200", "203")
    if isinstance(pbx, NewerPbx):
        pbx.dial_ends("200", "203", "NOANSWER")
    pbx.hang_up("203", cause="0")
    if isinstance(pbx, OlderPbx):
        pbx.dial_ends("200", "203", "NOANSWER")
    pbx.hang_up("200")
    events = told(pbx)
    assert short(events[2:]) == ["transferred 200>203", "ringing 200>203", "ended 200>203 completed"]
    assert _number(events[-1].original_caller) == "202"
    assert results(events[-1]) == {"200": "answered", "203": "no_answer"}


def attended(pbx: ScriptedPbx) -> None:
    pbx.call("202", "200")
    pbx.holds("200", True)
    pbx.call("200b", "203")


def test_an_attended_transfer_makes_one_call_of_two(pbx: ScriptedPbx) -> None:
    attended(pbx)
    pbx.joins("200", "200b", "202", "203")
    pbx.wait(3)
    pbx.part("202", "203")
    pbx.hang_up("203", "202")
    check_attended(pbx, told(pbx))


def test_an_attended_transfer_is_told_once_when_the_report_comes_last(pbx: ScriptedPbx) -> None:
    attended(pbx)
    if isinstance(pbx, NewerPbx):
        pbx.joins("200", "200b", "202", "203")
        report = next(number for number, raw in enumerate(pbx.packets) if b"AttendedTransfer" in raw)
        entered = max(number for number, raw in enumerate(pbx.packets) if b"BridgeEnter" in raw)
        pbx.packets.insert(entered, pbx.packets.pop(report))
    else:
        assert isinstance(pbx, OlderPbx)
        pbx.masquerades("200", "200b", "202", "203")
    pbx.wait(3)
    pbx.part("202", "203")
    pbx.hang_up("203", "202")
    check_attended(pbx, told(pbx))


def check_attended(pbx: ScriptedPbx, events: list[CallEvent]) -> None:
    first, second = pbx_calls(events)
    assert short(one for one in events if one.call == second) == [
        "ringing 200>203",
        "answered 200>203",
        "ended 200>203 merged",
    ]
    mine = [one for one in events if one.call == first]
    assert [one.state.value for one in mine] == ["ringing", "answered", "held", "transferred", "ended"]
    assert short(mine[-2:]) == ["transferred 202>203", "ended 202>203 completed"]
    assert transfer(mine[-1]) == ("attended", "200", "200", "202", "203")
    assert mine[-1].transfers[0].call == second
    assert next(one for one in events if one.reason == "merged").into == first
    assert _number(mine[-1].original_caller) == "202"


def pbx_calls(events: list[CallEvent]) -> tuple[str, str]:
    first, second = dict.fromkeys(one.call for one in events)
    return first, second


def test_a_parked_call_is_held_and_passes_to_who_takes_it(pbx: ScriptedPbx) -> None:
    pbx.call("202", "200")
    pbx.part("202", "200")
    pbx.parked("202", "200", "701")
    pbx.hang_up("200")
    pbx.music("202", True)
    pbx.wait(30)
    pbx.calls("203", "701")
    pbx.music("202", False)
    pbx.unparked("202", "203", "701")
    pbx.part("202", "203")
    pbx.hang_up("203", "202")
    events = told(pbx)
    assert short(events[2:]) == ["held 202>200", "transferred 202>203", "ended 202>203 completed"]
    assert (events[2].parked, events[3].parked) == ("701", "")
    assert transfer(events[-1]) == ("park", "203", "200", "202", "203")


def test_local_channels_are_part_of_the_call_and_nobody_of_their_own(pbx: ScriptedPbx) -> None:
    pbx.calls("202", "900")
    one, two = pbx.local_pair("200", "202")
    pbx.rings("202", one)
    pbx.rings(two, "200")
    pbx.wait(1)
    pbx.state("200", "Up")
    pbx.dial_ends(two, "200", "ANSWER")
    pbx.state(two, "Up")
    pbx.state(one, "Up")
    pbx.dial_ends("202", one, "ANSWER")
    pbx.state("202", "Up")
    pbx.speak(two, "200")
    pbx.speak("202", one)
    pbx.wait(2)
    pbx.part("202", one)
    pbx.hang_up(one, "202", two, "200")
    events = told(pbx)
    assert short(events) == ["ringing 202>200", "answered 202>200", "ended 202>200 completed"]
    assert events[-1].talk_secs == 2


def test_who_picks_a_ringing_call_up_is_its_callee(pbx: ScriptedPbx) -> None:
    pbx.calls("202", "200")
    pbx.rings("202", "200")
    pbx.wait(2)
    pbx.calls("201", "*8")
    pbx.picks_up("201", "200")
    picker, name = pbx.uniqueid("201"), pbx.name("200")
    pbx.write("Hangup", Channel=f"{name}<ZOMBIE>", Uniqueid=picker, Cause="26")
    pbx._uniqueids[pbx.name("201")] = pbx.uniqueid("200")
    pbx.speak("202", pbx.name("201"))
    pbx.part("202", pbx.name("201"))
    pbx.hang_up(pbx.name("201"), "202")
    events = told(pbx)
    assert short(one for one in events if one.call == events[0].call) == [
        "ringing 202>200",
        "answered 202>201",
        "ended 202>201 completed",
    ]
    # Before that the PBX answered the one who picks up.
    assert short(one for one in events if one.call != events[0].call) == [
        "answered 201>",
        "ended 201> merged",
    ]
    assert results(events[-1]) == {"200": "elsewhere", "201": "answered"}
    assert events[-1].transfers[-1].kind == "pickup"


def test_a_click_to_call_rings_the_caller_first(pbx: ScriptedPbx) -> None:
    pbx.originates("208")
    pbx.wait(1)
    pbx.state("208", "Up")
    pbx.wait(1)
    pbx.rings("208", "trunk", "trunk/89168844748")
    pbx.wait(5)
    pbx.state("trunk", "Up")
    pbx.dial_ends("208", "trunk", "ANSWER")
    pbx.speak("208", "trunk")
    pbx.wait(7)
    pbx.part("208", "trunk")
    pbx.hang_up("trunk", "208")
    events = told(pbx)
    assert short(events) == [
        "ringing >208",
        "answered >208",
        "ringing 208>89168844748",
        "answered 208>89168844748",
        "ended 208>89168844748 completed",
    ]
    last = events[-1]
    assert last.originated
    assert (last.direction, last.ring_secs, last.talk_secs) == ("out", 5.0, 7.0)
    assert results(last) == {"89168844748": "answered"}


def test_a_click_to_call_that_the_other_side_does_not_answer_is_missed(pbx: ScriptedPbx) -> None:
    pbx.originates("208")
    pbx.state("208", "Up")
    pbx.rings("208", "200")
    pbx.hang_up("200", cause="17")
    pbx.hang_up("208")
    assert short(told(pbx))[-1] == "missed 208>200 busy"


def test_a_call_that_a_command_sends_on_is_a_redirect(pbx: ScriptedPbx) -> None:
    pbx.call("202", "200")
    pbx.part("202", "200")
    pbx.hang_up("200")
    pbx.rings("202", "203")
    pbx.state("203", "Up")
    pbx.speak("202", "203")
    pbx.part("202", "203")
    pbx.hang_up("203", "202")
    events = told(pbx)
    assert [one.state.value for one in events[2:]] == ["transferred", "ringing", "answered", "ended"]
    assert transfer(events[2]) == ("redirect", "", "200", "202", "")
