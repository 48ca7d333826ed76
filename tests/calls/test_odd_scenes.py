"""Rarer things: conferences, semi-attended transfers, late reports, renames that were missed, bounds."""

from __future__ import annotations

from consumers.calls import CallEvent, CallFold, CallState, Party
from consumers.calls.call import MAX_CALLEES, MAX_TRANSFERS
from consumers.calls.channel_name import ChannelKind, channel_name
from consumers.calls.fold import MAX_PBXS
from consumers.calls.switchboard import ENDED_KEPT, Recent
from schemas.envelope import Event
from tests.calls.newer_pbx import NewerPbx
from tests.calls.older_pbx import OlderPbx
from tests.calls.packets import channel, dest, event
from tests.calls.test_scenes import results, short, told, transfer


def fold_all(fold: CallFold, *events: Event) -> list[CallEvent]:
    return [one for event in events for one in fold.feed(event)]


def in_conference() -> list[Event]:
    """Two members of one room; since 12 they share the first one's Linkedid from then on."""
    one, two = channel("SIP/201-1", "1.1", "6"), channel("SIP/202-2", "1.2", "6")
    room = {"BridgeUniqueid": "room", "BridgeType": "base", "BridgeTechnology": "softmix"}
    return [
        event("Newchannel", 1, **{**one, "Exten": "610", "ChannelState": "4"}),
        event("Newstate", 2, **one),
        event("Newchannel", 3, **{**two, "Exten": "610", "ChannelState": "4"}),
        event("Newstate", 4, **two),
        event("BridgeEnter", 5, **one, **room),
        event("BridgeEnter", 6, **{**two, "Linkedid": "1.1"}, **room),
    ]


def test_members_of_a_conference_are_calls_of_their_own() -> None:
    fold = CallFold()
    events = fold_all(fold, *in_conference())
    assert [(one.call, one.state.value) for one in events] == [("1.1", "answered"), ("1.2", "answered")]
    events = fold_all(
        fold,
        event("Hangup", 7, **channel("SIP/202-2", "1.2", "6", "1.1"), Cause="16"),
        event("Hangup", 8, **channel("SIP/201-1", "1.1", "6"), Cause="16"),
    )
    assert [(one.call, one.reason) for one in events] == [("1.2", "completed"), ("1.1", "completed")]


def test_whom_a_member_of_a_conference_dials_is_of_his_call_though_the_linkedid_is_the_rooms() -> None:
    fold = CallFold()
    fold_all(fold, *in_conference())
    caller = channel("SIP/202-2", "1.2", "6", "1.1")
    callee = channel("SIP/203-3", "1.3", "0", "1.1")
    events = fold_all(fold, event("Newchannel", 7, **callee), event("DialBegin", 8, **caller, **dest(callee)))
    assert [(one.call, one.state.value) for one in events] == [("1.2", "ringing")]
    ends = [event("Hangup", 9, **callee, Cause="17"), event("Hangup", 10, **caller, Cause="16")]
    assert [(one.call, one.reason) for one in fold_all(fold, *ends)] == [("1.2", "busy")]
    assert fold.open_calls == 1


def test_a_transfer_that_is_reported_after_its_dial_is_told_once() -> None:
    pbx = OlderPbx()
    pbx.call("202", "200")
    pbx.transfers_blindly("200", "202", "203")
    report = next(place for place, raw in enumerate(pbx.packets) if b"Event: Transfer" in raw)
    late = pbx.packets.pop(report)
    unlinked = pbx.packets.pop(report)
    pbx.packets.insert(report, unlinked)
    tail = pbx.packets[report + 1 :]
    del pbx.packets[report + 1 :]
    pbx.rings("202", "203")
    pbx.packets += [late, *tail]
    pbx.hang_up("203", cause="0")
    pbx.dial_ends("202", "203", "NOANSWER")
    pbx.hang_up("202")
    events = told(pbx)
    assert [one.state.value for one in events].count("transferred") == 1
    assert transfer(events[-1]) == ("blind", "200", "200", "202", "")


def test_a_transfer_to_a_phone_that_still_rings_is_passed_on_until_it_answers() -> None:
    pbx = NewerPbx()
    pbx.call("202", "200")
    pbx.calls("200b", "203")
    pbx.rings("200b", "203")
    pbx.write(
        "AttendedTransfer",
        Result="Success",
        **pbx.snapshot("200", "OrigTransferer"),
        **pbx.snapshot("200b", "SecondTransferer"),
        **pbx.snapshot("202", "Transferee"),
    )
    pbx.part("202", "200")
    pbx.hang_up("200", "200b")
    pbx.state("203", "Up")
    pbx.speak("202", "203")
    pbx.part("202", "203")
    pbx.hang_up("203", "202")
    events = told(pbx)
    assert short(events[3:]) == [
        "ended 200>203 merged",
        "transferred 202>203",
        "answered 202>203",
        "ended 202>203 completed",
    ]
    assert transfer(events[-1]) == ("attended", "200", "200", "202", "203")


def test_who_takes_a_parked_call_without_a_report_of_it_is_seen_in_the_bridge() -> None:
    pbx = NewerPbx()
    pbx.call("202", "200")
    pbx.part("202", "200")
    pbx.parked("202", "200", "701")
    pbx.hang_up("200")
    pbx.calls("203", "701")
    pbx.speak("203", "202")
    pbx.part("203", "202")
    pbx.hang_up("203", "202")
    assert transfer(told(pbx)[-1]) == ("park", "203", "200", "202", "203")


def test_a_parked_call_that_nobody_takes_rings_where_it_came_from() -> None:
    pbx = NewerPbx()
    pbx.call("202", "200")
    pbx.part("202", "200")
    pbx.parked("202", "200", "701")
    pbx.hang_up("200")
    pbx.write("ParkedCallTimeOut", **pbx.snapshot("202", "Parkee"), ParkingSpace="701")
    pbx.rings("202", "200b")
    pbx.hang_up("200b", cause="19")
    pbx.hang_up("202")
    events = told(pbx)
    assert [one.state.value for one in events[2:]] == ["held", "ringing", "ended"]
    # 200 took it once, and that stays.
    assert results(events[-1]) == {"200": "answered"}


def test_the_zombie_of_a_masquerade_that_was_missed_ends_nobodys_part() -> None:
    pbx = OlderPbx()
    pbx.call("202", "200")
    before = pbx.uniqueid("202")
    pbx.write("Hangup", Channel="AsyncGoto/SIP/202-00000000<ZOMBIE>", Uniqueid=before, Cause="16")
    pbx.write("Newstate", Channel="SIP/202-00000000", Uniqueid="1795424099.50", ChannelState="6")
    pbx.write("Hangup", Channel="SIP/202-00000000", Uniqueid="1795424099.50", Cause="16")
    pbx.hang_up("200")
    events = told(pbx)
    assert [one.state.value for one in events] == ["ringing", "answered", "ended"]
    assert "1795424099.50" in events[-1].uniqueids


def test_a_rename_of_a_channel_that_is_not_known_gives_its_name_a_new_carrier() -> None:
    pbx = OlderPbx()
    pbx.call("202", "200")
    pbx.rename("SIP/202-00000000", "SIP/202-00000000<MASQ>", pbx.uniqueid("202"))
    pbx.rename("AsyncGoto/SIP/202-00000000", "SIP/202-00000000", "1795424099.50")
    pbx.write("Hangup", Channel="AsyncGoto/SIP/202-00000000<ZOMBIE>", Uniqueid=pbx.uniqueid("202"))
    pbx.write("Hangup", Channel="SIP/202-00000000", Uniqueid="1795424099.50", Cause="16")
    pbx.hang_up("200")
    assert [one.state.value for one in told(pbx)] == ["ringing", "answered", "ended"]


def test_a_plain_rename_keeps_the_leg() -> None:
    pbx = NewerPbx()
    pbx.calls("202", "200")
    pbx.rename(pbx.name("202"), "PJSIP/alice-0000aaaa", pbx.uniqueid("202"))
    pbx.write("Hangup", Channel="PJSIP/alice-0000aaaa", Uniqueid=pbx.uniqueid("202"), Cause="16")
    (missed,) = told(pbx)
    assert missed.caller == Party("202", "", "PJSIP/alice-0000aaaa")


def test_a_queue_whose_phones_do_not_answer_and_that_gives_up_is_not_abandoned() -> None:
    pbx = NewerPbx()
    pbx.calls("trunk", "500", "74959400835")
    pbx.joins_queue("trunk", "support")
    pbx.agent_rings("trunk", "200", "support")
    pbx.dial_ends("trunk", "200", "NOANSWER")
    pbx.hang_up("200", cause="0")
    pbx.leaves_queue("trunk", "support")
    pbx.hang_up("trunk")
    assert short(told(pbx))[-1] == "missed 74959400835>200 no_answer"


def test_an_empty_queue_that_gives_up_was_answered_by_nobody() -> None:
    pbx = OlderPbx()
    pbx.calls("trunk", "500", "74959400835")
    pbx.joins_queue("trunk", "support")
    pbx.leaves_queue("trunk", "support")
    pbx.hang_up("trunk")
    assert short(told(pbx)) == ["ringing 74959400835>", "missed 74959400835> no_answer"]


def test_a_long_list_of_callees_and_transfers_is_cut() -> None:
    pbx = NewerPbx()
    pbx.calls("202", "900")
    for number in range(300, 300 + MAX_CALLEES + 5):
        pbx.rings("202", str(number))
        pbx.hang_up(str(number), cause="17")
    pbx.hang_up("202")
    last = told(pbx)[-1]
    assert len(last.callees) == len(last.uniqueids) == MAX_CALLEES
    assert len(last.extensions) == 8

    pbx = NewerPbx()
    pbx.call("202", "200")
    for number in range(300, 300 + MAX_TRANSFERS + 3):
        pbx.part("202", "200")
        pbx.write(
            "BlindTransfer", Result="Success", **pbx.snapshot("200", "Transferer"), Extension=str(number)
        )
    pbx.hang_up("200", "202")
    transfers = told(pbx)[-1].transfers
    assert len(transfers) == MAX_TRANSFERS
    assert transfers[-1].target == Party("310")


def test_a_failed_transfer_is_none() -> None:
    pbx = NewerPbx()
    pbx.call("202", "200")
    pbx.write("BlindTransfer", Result="Fail", **pbx.snapshot("200", "Transferer"), Extension="203")
    pbx.write("AttendedTransfer", Result="Fail", **pbx.snapshot("200", "OrigTransferer"))
    pbx.part("202", "200")
    pbx.hang_up("200", "202")
    assert CallState.TRANSFERRED not in {one.state for one in told(pbx)}


def test_the_pbx_silent_longest_makes_room_for_another() -> None:
    fold = CallFold()
    headers = channel("SIP/201-1", "1.1", "4", Exten="610")
    for number in range(MAX_PBXS + 1):
        fold.feed(event("Newchannel", 1, number, pbx=f"pbx{number}", **headers))
    assert fold.open_calls == MAX_PBXS
    assert fold.feed(event("Hangup", 2, pbx="pbx0", **headers)) == []


def test_what_ended_lately_is_kept_in_a_bounded_list() -> None:
    recent = Recent()
    for number in range(ENDED_KEPT + 10):
        recent.add(str(number))
    recent.add("10")
    recent.add("2000")
    assert len(list(recent)) == ENDED_KEPT
    assert "10" in recent
    assert "11" not in recent


def test_names_are_taken_apart() -> None:
    for name, kind, peer, zombie in (
        ("SIP/202-0000019c", ChannelKind.DEVICE, "202", False),
        ("PJSIP/trunk-out-00000001", ChannelKind.DEVICE, "trunk-out", False),
        ("IAX2/office-4821", ChannelKind.DEVICE, "office", False),
        ("DAHDI/i1/74951234567-1", ChannelKind.DEVICE, "74951234567", False),
        ("DAHDI/1-1", ChannelKind.DEVICE, "1", False),
        ("Local/202@from-queue-0000003f;2", ChannelKind.LOCAL, "", False),
        ("AsyncGoto/SIP/207-00000022<ZOMBIE>", ChannelKind.STAND_IN, "", True),
        ("SIP/207-00000022<MASQ>", ChannelKind.DEVICE, "207", False),
        ("CBAnn/610-00000001;1", ChannelKind.NOBODY, "", False),
        ("nothing", ChannelKind.NOBODY, "", False),
        ("SIP/" + "9" * 1000, ChannelKind.DEVICE, "9" * 252, False),
    ):
        read = channel_name(name)
        assert (read.kind, read.peer, read.zombie) == (kind, peer, zombie), name


def test_an_outside_line_goes_by_the_number_that_was_dialled_through_it() -> None:
    fold = CallFold({"main": ["PJSIP/trunk"]})
    caller = channel("PJSIP/202-1", "1.1", "4", Exten="9")
    line = {**channel("PJSIP/trunk-2", "1.2", "0", "1.1"), "CallerIDNum": "<unknown>"}
    begun = [event("Newchannel", 1, **caller), event("Newchannel", 2, **line)]
    for number, dial_string in enumerate(("89168844748@trunk", "trunk/sip:89168844748@10.0.0.5"), 3):
        dialled = event("DialBegin", number, **caller, **dest(line), DialString=dial_string)
        events = fold_all(CallFold({"main": ["PJSIP/trunk"]}), *begun, dialled)
        assert (short(events), events[0].direction) == (["ringing 202>89168844748"], "out")
    assert fold.open_calls == 0
