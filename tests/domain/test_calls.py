"""Which call an event belongs to: scenarios of each age, odd packets, bounds, dump and load."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.calls import CallTracker
from tests.domain.call_model import CallModel


def event(name: str, **headers: str) -> tuple[str, dict[str, str | list[str]]]:
    return name, {"Event": name, "Privilege": "call,all", **headers}


def channel(name: str, number: int, linked: int, prefix: str = "") -> dict[str, str]:
    """The headers of a channel's snapshot as Asterisk >= 12 writes them, those that matter here."""
    return {
        f"{prefix}Channel": name,
        f"{prefix}Uniqueid": f"100.{number}",
        f"{prefix}Linkedid": f"100.{linked}",
    }


def calls(tracker: CallTracker, *events: tuple[str, dict[str, str | list[str]]]) -> list[str]:
    return [tracker.call_of(name, fields) for name, fields in events]


def test_a_call_is_named_by_its_first_linkedid_and_what_concerns_none_by_the_pbx() -> None:
    assert calls(
        CallTracker("main"),
        event("DeviceStateChange", Device="SIP/201", State="INUSE"),
        event("Newchannel", **channel("SIP/201-1", 1, 1)),
        event("Newchannel", **channel("SIP/202-2", 2, 1)),
        event("VarSet", **channel("SIP/202-2", 2, 1), Variable="A", Value="B"),
        event("Reload", Module="All"),
    ) == ["main", "100.1", "100.1", "100.1", "main"]


def test_a_changed_linkedid_ties_the_two_calls_under_the_earlier_one() -> None:
    assert calls(
        CallTracker("main"),
        event("Newchannel", **channel("SIP/201-1", 1, 1)),
        event("Newchannel", **channel("SIP/202-2", 2, 2)),
        event("Newchannel", **channel("SIP/203-3", 3, 2)),
        event("Newstate", **channel("SIP/202-2", 2, 1)),
        event("Newstate", **channel("SIP/203-3", 3, 2)),
        event("Hangup", **channel("SIP/202-2", 2, 1)),
        event("Newchannel", **channel("SIP/204-4", 4, 2)),
    ) == ["100.1", "100.2", "100.2", "100.1", "100.1", "100.1", "100.1"]


def test_a_linkedid_that_nobody_has_seen_keeps_the_call() -> None:
    assert calls(
        CallTracker("main"),
        event("Newchannel", **channel("SIP/201-1", 1, 1)),
        event("Newstate", **channel("SIP/201-1", 1, 7)),
        event("Newchannel", **channel("SIP/202-2", 2, 7)),
    ) == ["100.1", "100.1", "100.1"]


def test_dialling_ties_caller_and_callee() -> None:
    tracker = CallTracker("main")
    assert calls(
        tracker,
        event("Newchannel", **channel("SIP/201-1", 1, 1)),
        event("Newchannel", **channel("SIP/202-2", 2, 2)),
        event("DialBegin", **channel("SIP/201-1", 1, 1), **channel("SIP/202-2", 2, 2, "Dest")),
        event("Newstate", **channel("SIP/202-2", 2, 2)),
    ) == ["100.1", "100.2", "100.1", "100.1"]


def test_entering_a_bridge_ties_to_the_call_inside_and_its_end_belongs_to_that_call() -> None:
    bridge = {"BridgeUniqueid": "b1", "BridgeTechnology": "simple_bridge"}
    assert calls(
        CallTracker("main"),
        event("BridgeCreate", **bridge),
        event("BridgeEnter", **bridge, **channel("SIP/201-1", 1, 1)),
        event("BridgeEnter", **bridge, **channel("SIP/202-2", 2, 2)),
        event("BridgeLeave", **bridge, **channel("SIP/202-2", 2, 2)),
        event("BridgeDestroy", **bridge),
        event("BridgeDestroy", **bridge),
    ) == ["main", "100.1", "100.1", "100.1", "100.1", "main"]


def test_merged_bridges_are_one_call() -> None:
    assert calls(
        CallTracker("main"),
        event("BridgeEnter", BridgeUniqueid="b1", **channel("SIP/201-1", 1, 1)),
        event("BridgeEnter", BridgeUniqueid="b2", **channel("SIP/202-2", 2, 2)),
        event("BridgeMerge", ToBridgeUniqueid="b2", FromBridgeUniqueid="b1"),
        event("BridgeEnter", BridgeUniqueid="b2", **channel("SIP/203-3", 3, 3)),
        event("BridgeMerge", ToBridgeUniqueid="x", FromBridgeUniqueid="y"),
    ) == ["100.1", "100.2", "100.1", "100.1", "main"]


def test_two_calls_parked_in_one_lot_stay_two() -> None:
    lot = {"BridgeUniqueid": "lot", "BridgeTechnology": "holding_bridge"}
    assert calls(
        CallTracker("main"),
        event("BridgeEnter", **lot, **channel("SIP/201-1", 1, 1)),
        event("BridgeEnter", **lot, **channel("SIP/202-2", 2, 2)),
        event("ParkedCall", **channel("SIP/202-2", 2, 2, "Parkee"), ParkingSpace="702"),
    ) == ["100.1", "100.2", "100.2"]


def test_an_attended_transfer_keeps_the_first_callers_call() -> None:
    transfer = {
        **channel("SIP/202-2", 2, 1, "OrigTransferer"),
        **channel("SIP/202-3", 3, 3, "SecondTransferer"),
        **channel("SIP/201-1", 1, 1, "Transferee"),
        **channel("SIP/203-4", 4, 3, "TransferTarget"),
    }
    assert calls(
        CallTracker("main"),
        event("Newchannel", **channel("SIP/201-1", 1, 1)),
        event("Newchannel", **channel("SIP/202-2", 2, 1)),
        event("Newchannel", **channel("SIP/202-3", 3, 3)),
        event("Newchannel", **channel("SIP/203-4", 4, 3)),
        event("AttendedTransfer", **transfer),
        event("Newstate", **channel("SIP/203-4", 4, 3)),
        event("Cdr", UniqueID="100.3"),
    ) == ["100.1", "100.1", "100.3", "100.3", "100.1", "100.1", "100.1"]


def test_old_asterisk_ties_by_dial_bridge_and_masquerade() -> None:
    assert calls(
        CallTracker("main"),
        event("Newchannel", Channel="SIP/201-1", Uniqueid="100.1"),
        event("Newchannel", Channel="SIP/202-2", Uniqueid="100.2"),
        event("Dial", SubEvent="Begin", Channel="SIP/201-1", UniqueID="100.1", DestUniqueID="100.2"),
        event("VarSet", Channel="SIP/202-2", Uniqueid="100.2"),
        event("Newchannel", Channel="AsyncGoto/SIP/202-2", Uniqueid="100.3"),
        event("Masquerade", Clone="SIP/202-2", Original="AsyncGoto/SIP/202-2"),
        event("Rename", Channel="SIP/202-2", Newname="SIP/202-2<MASQ>", Uniqueid="100.2"),
        event("Rename", Channel="AsyncGoto/SIP/202-2", Newname="SIP/202-2", Uniqueid="100.3"),
        event("Rename", Channel="SIP/202-2<MASQ>", Newname="AsyncGoto/SIP/202-2<ZOMBIE>", Uniqueid="100.2"),
        event("Hangup", Channel="AsyncGoto/SIP/202-2<ZOMBIE>", Uniqueid="100.2"),
        event("HangupRequest", Channel="SIP/202-2"),
        event("Newchannel", Channel="SIP/203-4", Uniqueid="100.4"),
        event("Bridge", Channel1="SIP/202-2", Channel2="SIP/203-4", Uniqueid1="100.3", Uniqueid2="100.4"),
        event("Newexten", Channel="SIP/203-4", Uniqueid="100.4"),
        event("MusicOnHold", Channel="SIP/203-4", UniqueID="100.4"),
    ) == ["100.1", "100.2", "100.1", "100.1", "100.3", *["100.1"] * 6, "100.4", *["100.1"] * 3]


def test_an_agent_of_old_asterisk_belongs_to_the_call_that_rings_it() -> None:
    ring = {"ChannelCalling": "SIP/trunk-1", "DestinationChannel": "SIP/200-2", "Uniqueid": "100.1"}
    assert calls(
        CallTracker("main"),
        event("Newchannel", Channel="SIP/trunk-1", Uniqueid="100.1"),
        event("Newchannel", Channel="SIP/200-2", Uniqueid="100.2"),
        event("AgentCalled", **ring),
        event("Newstate", Channel="SIP/200-2", Uniqueid="100.2"),
        event("RTCPSent", To="127.0.0.1:46001"),
    ) == ["100.1", "100.2", "100.1", "100.1", "main"]


def test_what_trails_a_hangup_still_belongs_to_the_call() -> None:
    tracker = CallTracker("main")
    assert (
        calls(
            tracker,
            event("Newchannel", **channel("SIP/201-1", 1, 1)),
            event("Newchannel", **channel("SIP/202-2", 2, 1)),
            event("Hangup", **channel("SIP/202-2", 2, 1)),
            event("Hangup", **channel("SIP/202-2", 2, 1)),
            event("Hangup", **channel("SIP/201-1", 1, 1)),
            event("Cdr", UniqueID="100.2"),
            event("VarSet", **channel("SIP/202-2", 2, 1)),
        )
        == ["100.1"] * 7
    )


def test_a_uniqueid_that_begins_anew_is_another_channel() -> None:
    tracker = CallTracker("main", ended_kept=2)
    assert calls(
        tracker,
        event("Newchannel", **channel("SIP/201-1", 1, 9)),
        event("Hangup", **channel("SIP/201-1", 1, 9)),
        event("Newchannel", **channel("SIP/205-1", 1, 1)),
        event("Newchannel", **channel("SIP/206-1", 2, 2)),
        event("Hangup", **channel("SIP/206-1", 2, 2)),
        event("Newchannel", **channel("SIP/207-1", 3, 3)),
        event("Hangup", **channel("SIP/207-1", 3, 3)),
        event("Newstate", **channel("SIP/205-1", 1, 5)),
    ) == ["100.9", "100.9", "100.1", "100.2", "100.2", "100.3", "100.3", "100.1"]


def test_forged_packets_and_user_events_change_nothing() -> None:
    tracker = CallTracker("main")
    calls(
        tracker,
        event("Newchannel", **channel("SIP/201-1", 1, 1)),
        event("Newchannel", **channel("SIP/202-2", 2, 2)),
    )
    before = tracker.dump()
    forged = {"Event": "Bridge", "Uniqueid1": "100.1", "Uniqueid2": "100.2"}
    assert tracker.call_of("Bridge", forged) == "100.1"
    assert tracker.call_of("Hangup", {"Event": "Hangup", "Uniqueid": "100.2"}) == "100.2"
    assert calls(tracker, event("UserEvent", Uniqueid="100.2", Linkedid="100.1")) == ["100.2"]
    assert calls(tracker, event("UserEvent", UserEvent="X")) == ["main"]
    assert tracker.call_of("Foo", {"Privilege": "x", "Uniqueid": ["100.1", "100.2"]}) == "main"
    assert tracker.call_of("Newstate", {"Privilege": "x", "Uniqueid": "1" * 150, "Linkedid": "2"}) == "main"
    assert calls(tracker, event("VoicemailUserEntry", UniqueID="100.1")) == ["main"]
    for nothing in ("<null>", "<unknown>"):
        assert calls(tracker, event("OriginateResponse", Uniqueid=nothing, Channel="SIP/240")) == ["main"]
    assert tracker.dump() == before


def test_an_unknown_channel_of_old_asterisk_is_its_own_call_and_is_not_kept() -> None:
    tracker = CallTracker("main")
    empty = tracker.dump()
    assert calls(tracker, event("VarSet", Uniqueid="100.9"), event("Cdr", UniqueID="100.8")) == [
        "100.9",
        "100.8",
    ]
    assert calls(tracker, event("Hangup", Uniqueid="100.9", Linkedid="100.7")) == ["100.7"]
    assert tracker.dump() == empty


def test_ended_channels_are_forgotten_after_as_many_others_have_ended() -> None:
    tracker = CallTracker("main", ended_kept=3)
    for number in range(1, 11):
        calls(tracker, event("Newchannel", **channel(f"SIP/{number}", number, 1000 + number)))
        calls(tracker, event("Hangup", **channel(f"SIP/{number}", number, 1000 + number)))
    assert [calls(tracker, event("Cdr", UniqueID=f"100.{number}"))[0] for number in (7, 8, 9, 10)] == [
        *("100.7", "100.1008", "100.1009", "100.1010")
    ]
    assert len(tracker._channels) == len(tracker._names) == len(tracker._links) == 3


def test_channels_and_bridges_are_bounded_oldest_out() -> None:
    tracker = CallTracker("main", max_channels=50, max_bridges=10)
    for number in range(500):
        name = f"SIP/{number}"
        calls(tracker, event("Newchannel", **channel(name, number, number)))
        calls(tracker, event("BridgeEnter", BridgeUniqueid=f"b{number}", **channel(name, number, number)))
    assert len(tracker._channels) == len(tracker._names) == len(tracker._links) == 50
    assert len(tracker._bridges) == 10
    assert calls(tracker, event("BridgeDestroy", BridgeUniqueid="b499")) == ["100.499"]


def test_a_channel_keeps_its_eight_latest_linkedids() -> None:
    tracker = CallTracker("main")
    calls(tracker, event("Newchannel", **channel("SIP/201-1", 1, 1)))
    for linked in range(2, 22):
        assert calls(tracker, event("Newstate", **channel("SIP/201-1", 1, linked))) == ["100.1"]
    assert len(tracker._links) == 8
    assert calls(
        tracker,
        event("Newchannel", **channel("SIP/202-2", 52, 14)),
        event("Newchannel", **channel("SIP/203-3", 53, 13)),
    ) == ["100.1", "100.13"]


def test_a_call_that_is_forgotten_takes_its_bridges_with_it() -> None:
    tracker = CallTracker("main", ended_kept=0)
    calls(
        tracker,
        event("BridgeEnter", BridgeUniqueid="b1", **channel("SIP/201-1", 1, 1)),
        event("Hangup", **channel("SIP/201-1", 1, 1)),
    )
    assert calls(tracker, event("BridgeDestroy", BridgeUniqueid="b1")) == ["main"]
    assert calls(tracker, event("BridgeEnter", BridgeUniqueid="b1", Channel="SIP/209-9")) == ["main"]


def test_a_conference_that_never_ends_does_not_grow() -> None:
    tracker = CallTracker("main", ended_kept=5)
    calls(tracker, event("BridgeEnter", BridgeUniqueid="conf", **channel("SIP/0", 0, 0)))
    for number in range(1, 300):
        snapshot = channel(f"SIP/{number}", number, number)
        calls(tracker, event("Newchannel", **snapshot))
        assert calls(tracker, event("BridgeEnter", BridgeUniqueid="conf", **snapshot)) == ["100.0"]
        calls(tracker, event("Hangup", **snapshot))
    assert len(tracker._channels) == len(tracker._links) == 6


@pytest.mark.parametrize(
    "state", [b"", b"\xc1", b"\x90", b"\x93\x01\x02\x03", b"\x97\x63\x00\x90\x90\x90\x90\x90"]
)
def test_a_state_that_cannot_be_read_leaves_nothing_known(state: bytes) -> None:
    tracker = CallTracker("main")
    calls(tracker, event("Newchannel", **channel("SIP/201-1", 1, 9)))
    tracker.load(state)
    assert tracker.dump() == CallTracker("main").dump()


def test_undecodable_bytes_in_an_id_survive_dump_and_load() -> None:
    tracker, other = CallTracker("main"), CallTracker("main")
    odd = event("Newchannel", Channel="SIP/\udcff-1", Uniqueid="100.\udcfe", Linkedid="100.\udcfd")
    assert calls(tracker, odd) == ["100.\udcfd"]
    other.load(tracker.dump())
    assert calls(other, event("Cdr", UniqueID="100.\udcfe")) == ["100.\udcfd"]


NUMBERS = st.integers(0, 5)
BRIDGES = st.sampled_from(["b0", "b1"])


@st.composite
def new_style(draw: st.DrawFn) -> tuple[str, dict[str, str | list[str]]]:
    number, linked = draw(NUMBERS), draw(NUMBERS)
    own = channel(f"SIP/20{number}-1", number, linked)
    name = draw(
        st.sampled_from(
            [
                *("Newchannel", "VarSet", "DialBegin", "BridgeEnter", "BridgeLeave", "Cdr", "BlindTransfer"),
                "Newstate",
            ]
        )
    )
    if name == "DialBegin":
        return event(name, **own, **channel("SIP/x", draw(NUMBERS), draw(NUMBERS), "Dest"))
    if name == "BlindTransfer":
        transferee = channel("SIP/x", draw(NUMBERS), draw(NUMBERS), "Transferee")
        return event(name, **channel("SIP/x", number, linked, "Transferer"), **transferee)
    if name.startswith("Bridge"):
        technology = draw(st.sampled_from(["simple_bridge", "holding_bridge"]))
        return event(name, **own, BridgeUniqueid=draw(BRIDGES), BridgeTechnology=technology)
    return event(name, UniqueID=f"100.{number}") if name == "Cdr" else event(name, **own)


@st.composite
def old_style(draw: st.DrawFn) -> tuple[str, dict[str, str | list[str]]]:
    one, other = f"100.{draw(NUMBERS)}", f"100.{draw(NUMBERS)}"
    name = draw(st.sampled_from(["Newchannel", "VarSet", "Dial", "Bridge", "Transfer", "Cdr"]))
    if name == "Dial":
        return event(name, UniqueID=one, DestUniqueID=other)
    if name == "Bridge":
        return event(name, Uniqueid1=one, Uniqueid2=other)
    if name == "Transfer":
        return event(name, Uniqueid=one, TargetUniqueid=other)
    return event(name, UniqueID=one) if name == "Cdr" else event(name, Channel=f"SIP/{one}", Uniqueid=one)


@settings(max_examples=300)
@given(st.one_of(st.lists(new_style(), max_size=25), st.lists(old_style(), max_size=25)))
def test_the_tracker_answers_as_the_unbounded_model_does(
    events: list[tuple[str, dict[str, str | list[str]]]],
) -> None:
    tracker, model = CallTracker("main"), CallModel("main")
    for name, fields in events:
        headers = {header: str(value) for header, value in fields.items()}
        assert tracker.call_of(name, fields) == model.call_of(headers)


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(new_style(), old_style(), new_style().map(lambda one: ("Hangup", one[1]))), max_size=25
    ),
    st.integers(0, 25),
)
def test_dump_and_load_at_any_point_change_no_answer(
    events: list[tuple[str, dict[str, str | list[str]]]], cut: int
) -> None:
    straight = CallTracker("main", ended_kept=2, max_channels=4, max_bridges=1)
    resumed = CallTracker("main", ended_kept=2, max_channels=4, max_bridges=1)
    calls(straight, *events[:cut])
    resumed.load(straight.dump())
    assert resumed.dump() == straight.dump()
    assert calls(straight, *events[cut:]) == calls(resumed, *events[cut:])
    assert resumed.dump() == straight.dump()
