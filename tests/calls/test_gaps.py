"""Calls that nobody saw whole: gaps, resyncs, restarts of the PBX, calls older than the fold."""

from __future__ import annotations

from typing import Any

from consumers.calls import Bounds, CallEvent, CallFold, CallState
from schemas.envelope import Event
from tests.calls.packets import channel, dest, event, gap, up

A, B = "PJSIP/202-00000001", "PJSIP/200-00000002"


def caller(state: str = "4") -> dict[str, str]:
    return channel(A, "1.1", state, Exten="200")


def callee(state: str) -> dict[str, str]:
    return channel(B, "1.2", state, "1.1")


def begin() -> list[Event]:
    return [
        event("Newchannel", 1, **caller()),
        event("Newchannel", 2, **callee("0")),
        event("DialBegin", 3, **caller(), **dest(callee("0"))),
    ]


def answer() -> list[Event]:
    return [event("Newstate", 4, **callee("6")), event("Newstate", 5, **caller("6"))]


def hang_up(seq: int, headers: dict[str, str], at: float = 9.0, **more: Any) -> Event:
    return event("Hangup", seq, at, **{**headers, "Cause": "0", "Cause-txt": "Unknown", **more})


def fold_all(*events: Event, fold: CallFold | None = None) -> list[CallEvent]:
    fold = fold or CallFold()
    return [one for event in events for one in fold.feed(event)]


def test_a_call_that_ended_in_a_gap_says_so() -> None:
    told = fold_all(
        *begin(),
        *answer(),
        gap(6),
        hang_up(7, callee("6"), synthetic=True),
        hang_up(8, caller("6"), synthetic=True),
    )
    assert [(one.state.value, one.after_gap) for one in told] == [
        ("ringing", False),
        ("answered", False),
        ("ended", True),
    ]
    assert told[-1].reason == "completed"


def test_a_call_that_rang_before_a_gap_and_ended_in_it_is_not_called_missed() -> None:
    told = fold_all(
        *begin(), gap(6), hang_up(7, callee("5"), synthetic=True), hang_up(8, caller(), synthetic=True)
    )
    assert (told[-1].state, told[-1].reason, told[-1].after_gap) == (CallState.ENDED, "unknown", True)
    assert told[-1].talk_secs is None


def test_an_answer_that_fell_into_a_gap_is_read_from_the_list_of_channels() -> None:
    bridged = {"BridgeId": "b1"}
    told = fold_all(
        *begin(),
        gap(6),
        event("CoreShowChannel", 7, snapshot=True, **{**caller("6"), **bridged, "Application": "Dial"}),
        event("CoreShowChannel", 8, snapshot=True, **{**callee("6"), **bridged, "Application": "AppDial"}),
        hang_up(9, callee("6")),
        hang_up(10, caller("6")),
    )
    assert [one.state.value for one in told] == ["ringing", "answered", "ended"]
    assert told[1].after_gap
    assert told[-1].reason == "completed"


def test_a_call_older_than_the_fold_is_known_from_the_list_of_channels() -> None:
    bridged = {"BridgeId": "b1"}
    told = fold_all(
        event("CoreShowChannel", 7, snapshot=True, **{**callee("6"), **bridged, "Application": "AppDial"}),
        event("CoreShowChannel", 8, snapshot=True, **{**caller("6"), **bridged, "Application": "Dial"}),
        hang_up(9, callee("6")),
        hang_up(10, caller("6")),
    )
    assert [one.state.value for one in told] == ["answered", "ended"]
    assert all(one.begun_unseen for one in told)
    last = told[-1]
    assert last.caller is not None
    assert last.callee is not None
    assert (last.caller.number, last.callee.number, last.ring_secs) == ("202", "200", None)


def test_eleven_lists_channels_with_other_headers() -> None:
    old = {"ChannelState": "6", "ChannelStateDesc": "Up", "CallerIDname": ""}
    one = {"Channel": "SIP/202-1", "UniqueID": "1.1", "CallerIDnum": "202", "Extension": "200", **old}
    two = {"Channel": "SIP/200-2", "UniqueID": "1.2", "CallerIDnum": "200", "Extension": "", **old}
    told = fold_all(
        event("CoreShowChannel", 1, snapshot=True, Application="Dial", BridgedUniqueID="1.2", **one),
        event("CoreShowChannel", 2, snapshot=True, Application="AppDial", BridgedUniqueID="1.1", **two),
        event("Hangup", 3, Channel="SIP/200-2", Uniqueid="1.2", Cause="16"),
        event("Hangup", 4, Channel="SIP/202-1", Uniqueid="1.1", Cause="16"),
    )
    assert [one.state.value for one in told] == ["answered", "ended"]
    assert (told[0].dialled, told[0].extensions) == ("200", ("200", "202"))


def test_members_of_a_conference_stay_calls_of_their_own_in_a_list() -> None:
    room = {"BridgeId": "room", "Application": "ConfBridge"}
    told = fold_all(
        event("CoreShowChannel", 1, snapshot=True, **{**channel(A, "1.1", "6"), **room}),
        event("CoreShowChannel", 2, snapshot=True, **{**channel(B, "1.2", "6"), **room}),
        hang_up(3, channel(A, "1.1", "6")),
        hang_up(4, channel(B, "1.2", "6")),
    )
    assert [(one.state.value, one.reason, one.call) for one in told] == [
        ("ended", "unknown", "1.1"),
        ("ended", "unknown", "1.2"),
    ]


def test_an_end_of_which_nothing_was_known_gives_nothing() -> None:
    assert fold_all(hang_up(1, caller("6")), event("Newstate", 2, **caller("6"))) == []


def test_no_call_outlives_a_restart_of_the_pbx() -> None:
    fold = CallFold()
    told = fold_all(up(1, "a"), fold=fold)
    told += fold_all(*[_later(one, 1) for one in [*begin(), *answer()]], up(9, "a"), fold=fold)
    assert [one.state.value for one in told] == ["ringing", "answered"]
    told = fold_all(up(10, "b", at=60), fold=fold)
    assert [(one.state.value, one.reason, one.after_gap) for one in told] == [("ended", "completed", True)]
    assert fold_all(hang_up(11, caller("6"), synthetic=True), fold=fold) == []
    assert fold.open_calls == 0


def test_uniqueids_may_begin_anew_after_a_restart() -> None:
    fold = CallFold()
    told = fold_all(*begin(), hang_up(4, callee("5"), Cause="17"), hang_up(5, caller()), fold=fold)
    assert told[-1].state is CallState.MISSED
    again = [_later(one, 10) for one in begin()]
    assert [one.state.value for one in fold_all(*again, fold=fold)] == ["ringing"]


def _later(one: Event, by: int) -> Event:
    return event(one.event, one.seq + by, **one.fields)


def test_a_call_is_forgotten_after_a_day_without_a_word() -> None:
    fold = CallFold(bounds=Bounds(idle_secs=3600))
    fold_all(*begin(), *answer(), fold=fold)
    other = channel("PJSIP/210-00000009", "1.9", "4", Exten="600")
    assert fold_all(event("Newchannel", 6, 3500, **other), fold=fold) == []
    told = fold_all(event("Newstate", 7, 3700, **other), fold=fold)
    assert [(one.call, one.state.value, one.reason) for one in told] == [("1.1", "ended", "forgotten")]
    assert fold.open_calls == 1


def test_at_the_bound_the_call_silent_for_longest_is_forgotten() -> None:
    fold = CallFold(bounds=Bounds(max_calls=2))
    told: list[CallEvent] = []
    for number in range(1, 5):
        headers = channel(f"PJSIP/20{number}-0000000{number}", f"1.{number}", "4", Exten="600")
        told += fold_all(event("Newchannel", number, number, **headers), fold=fold)
        assert fold.open_calls <= 2
    assert [(one.call, one.reason) for one in told] == [("1.1", "forgotten"), ("1.2", "forgotten")]


def test_channels_are_bounded_too_and_a_pbx_costs_another_nothing() -> None:
    fold = CallFold(bounds=Bounds(max_channels=3))
    for number in range(1, 50):
        headers = channel(f"Local/{number}@x-0000000{number};1", f"1.{number}", "4", Exten="600")
        fold.feed(event("Newchannel", number, number, pbx="other", **headers))
    fold_all(*begin(), fold=fold)
    assert fold.open_calls == 4


def test_forged_packets_and_made_up_events_change_nothing() -> None:
    fold = CallFold()
    fold_all(*begin(), fold=fold)
    forged = event("Hangup", 4, suspect=True, **callee("5"), Cause="17")
    listed = {**caller(), "Uniqueid": ["1.1", "1.1"]}
    assert fold_all(forged, event("Hangup", 5, **listed), event("UserEvent", 6, **caller()), fold=fold) == []
    assert fold.open_calls == 1
    control = event("control.later", 7, control={"kind": "later"})
    assert fold_all(control, event("control.gap", 8, Cause="16"), fold=fold) == []


def test_the_pbxs_own_channels_are_no_calls() -> None:
    fold = CallFold()
    for seq, name in enumerate(("Message/ast_msg_queue", "CBAnn/610-00000001;1", "Recorder/x-1", "odd"), 1):
        assert fold_all(event("Newchannel", seq, **channel(name, f"1.{seq}", "4")), fold=fold) == []
    assert fold.open_calls == 0
