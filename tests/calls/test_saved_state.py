"""What outlives a restart: repeats are known, and a fold goes on from its saved state as if never stopped."""

from __future__ import annotations

import random
from pathlib import Path

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.calls import Bounds, CallEvent, CallFold, CallState, CallStateError
from schemas.envelope import Event
from tests.calls.newer_pbx import NewerPbx
from tests.calls.older_pbx import OlderPbx
from tests.calls.packets import event, gap
from tests.calls.recorded import PBX, RECORDINGS, Recorder, name_of, read
from tests.calls.scripted import ScriptedPbx

TRUNKS = {PBX: ["trunk"]}


def busy_hour(pbx: ScriptedPbx) -> list[Event]:
    """All that a fold can hold, at once: ringing, waiting, held, parked, passing, a click-to-call."""
    pbx.call("202", "200")
    pbx.holds("200", True)
    pbx.call("210", "211")
    pbx.parked("210", "211", "701")
    pbx.calls("trunk", "500", "74959400835")
    pbx.state("trunk", "Up")
    pbx.joins_queue("trunk", "support")
    pbx.agent_rings("trunk", "220", "support")
    pbx.agent_rings("trunk", "221", "support")
    one, two = pbx.local_pair("230")
    pbx.rings(two, "230")
    pbx.state("230", "Up")
    pbx.originates("208")
    pbx.call("212", "213")
    pbx.transfers_blindly("213", "212", "214")
    pbx.rings("212", "214")
    pbx.call("200b", "203")
    pbx.joins("200", "200b", "202", "203")
    pbx.state("221", "Up")
    pbx.hang_up("220", cause="26")
    pbx.leaves_queue("trunk", "support")
    pbx.speak("trunk", "221")
    pbx.wait(1)
    pbx.hang_up("208", cause="19")
    pbx.hang_up("221", "trunk", "230", one, two, "214", "212", "211", "210", "203", "202")
    return pbx.events()


EVENTS = {"22": busy_hour(NewerPbx()), "11": busy_hour(OlderPbx())}
both = pytest.mark.parametrize("version", sorted(EVENTS))


def feed(fold: CallFold, events: list[Event]) -> list[CallEvent]:
    return [one for event in events for one in fold.feed(event)]


def resumed(state: bytes) -> CallFold:
    fold = CallFold(TRUNKS)
    fold.restore(state)
    return fold


@both
def test_a_fold_cut_anywhere_goes_on_from_its_saved_state(version: str) -> None:
    events = EVENTS[version]
    whole = feed(CallFold(TRUNKS), events)
    assert len(whole) > 20
    for cut in range(len(events) + 1):
        fold = CallFold(TRUNKS)
        told = feed(fold, events[:cut])
        state = fold.snapshot()
        again = resumed(state)
        assert again.snapshot() == state
        assert told + feed(again, events[cut:]) == whole, cut


@pytest.mark.parametrize("path", RECORDINGS, ids=name_of)
def test_a_recording_cut_in_many_places_gives_the_same(path: Path) -> None:
    events = [one for one in Recorder().events(read(path)) if one.event in CallFold.names]
    whole = feed(CallFold(TRUNKS), events)
    fold, told = CallFold(TRUNKS), []
    places = sorted(random.Random(7).sample(range(len(events)), 40))
    for start, end in zip([0, *places], [*places, len(events)], strict=True):
        told += feed(fold, events[start:end])
        fold = resumed(fold.snapshot())
    assert told == whole


@both
def test_what_was_taken_gives_nothing_again(version: str) -> None:
    events = EVENTS[version]
    fold = CallFold(TRUNKS)
    whole = feed(fold, events)
    state = fold.snapshot()
    assert feed(fold, events) == []
    assert feed(resumed(state), events) == []
    assert feed(fold, [event("Newchannel", 10**6, epoch=1)]) == []
    assert fold.snapshot() == state
    twice = [one for event in events for one in (event, event)]
    assert feed(CallFold(TRUNKS), twice) == whole


@both
def test_a_crash_before_the_state_was_saved_gives_the_same_ids(version: str) -> None:
    events = EVENTS[version]
    fold = CallFold(TRUNKS)
    feed(fold, events[:30])
    state = fold.snapshot()
    lost = [one.id for one in feed(fold, events[30:60])]
    assert lost
    assert [one.id for one in feed(resumed(state), events[20:60])] == lost


@both
def test_ids_are_unique_and_name_the_raw_event(version: str) -> None:
    whole = feed(CallFold(TRUNKS), EVENTS[version])
    assert len({one.id for one in whole}) == len(whole)
    raw = {one.id for one in EVENTS[version]}
    assert all(one.id.split(".")[0] in raw for one in whole)


def test_an_empty_fold_can_be_saved() -> None:
    assert resumed(CallFold().snapshot()).open_calls == 0


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (b"", "no MessagePack"),
        (b"\xc1", "no MessagePack"),
        (b"\x01", "no map with a version"),
        (msgpack.packb({"pbxs": {}}), "no map with a version"),
        (msgpack.packb({"v": 2, "pbxs": {}}), "of version 2; only version 1"),
        (msgpack.packb({"v": 1}), "damaged"),
        (msgpack.packb({"v": 1, "pbxs": {"main": {}}}), "damaged"),
        (msgpack.packb({"v": 1, "pbxs": [1]}), "damaged"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused_and_changes_nothing(state: bytes, words: str) -> None:
    fold = CallFold(TRUNKS)
    feed(fold, EVENTS["22"][:30])
    before = fold.snapshot()
    with pytest.raises(CallStateError, match=words):
        fold.restore(state)
    assert fold.snapshot() == before


@given(st.data())
def test_a_damaged_state_is_refused_or_is_a_state(data: st.DataObject) -> None:
    """Any byte changed, any tail cut off: an error, or a fold that goes on without failing."""
    fold = CallFold(TRUNKS)
    feed(fold, EVENTS["11"][:50])
    state = bytearray(fold.snapshot())
    for _ in range(data.draw(st.integers(1, 3))):
        state[data.draw(st.integers(0, len(state) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from([len(state), data.draw(st.integers(0, len(state)))]))
    try:
        fold.restore(bytes(state[:end]))
    except CallStateError:
        return
    feed(fold, EVENTS["11"][50:])


# -- anything in any order ---------------------------------------------------


FAULTS = st.lists(
    st.tuples(
        st.sampled_from(["lose", "late", "twice", "gap", "end"]), st.integers(0, 150), st.integers(1, 5)
    ),
    max_size=8,
)


def faulty(events: list[Event], faults: list[tuple[str, int, int]]) -> list[Event]:
    """An hour's events with some lost, some twice, some late by a few, some ends unseen and gaps between.

    No channel begins after its end: one that does is another one, after a restart of the PBX.
    """
    events = list(events)
    for what, number, by in faults:
        place = number % len(events)
        if what == "lose":
            del events[place]
        elif what == "late" and events[place].event != "Newchannel":
            events.insert(min(len(events), place + by), events.pop(place))
        elif what == "twice" and events[place].event != "Newchannel":
            events.insert(place, events[place])
        elif what == "gap":
            events.insert(place, gap(1))
        elif what == "end" and "Uniqueid" in events[place].fields:
            headers = {name: events[place].fields.get(name, "") for name in ("Channel", "Uniqueid")}
            events.insert(place + 1, event("Hangup", 1, synthetic=True, **headers))
    return [_numbered(one, number) for number, one in enumerate(events, 1)]


def _numbered(one: Event, seq: int) -> Event:
    body = one.to_map() | {"seq": seq, "id": f"main-1-{seq:x}"}
    return Event.from_map(body)


@both
@given(FAULTS, st.sampled_from([Bounds(), Bounds(max_calls=2, max_channels=5)]))
def test_whatever_comes_no_call_ends_twice_and_what_ends_was_told_of(
    version: str, faults: list[tuple[str, int, int]], bounds: Bounds
) -> None:
    fold = CallFold(TRUNKS, bounds)
    begun: set[str] = set()
    ended: set[str] = set()
    for one in faulty(EVENTS[version], faults):
        for told in fold.feed(one):
            assert CallEvent.from_map(told.to_map()) == told
            assert told.call not in ended, f"{told.call} goes on after its end"
            if told.state is CallState.ENDED and not told.begun_unseen and told.reason != "forgotten":
                assert told.call in begun or told.after_gap
            begun.add(told.call)
            if told.state.last:
                ended.add(told.call)
        assert fold.open_calls <= bounds.max_calls
    assert resumed_like(fold, bounds).snapshot() == fold.snapshot()


def resumed_like(fold: CallFold, bounds: Bounds) -> CallFold:
    again = CallFold(TRUNKS, bounds)
    again.restore(fold.snapshot())
    return again


_HEADERS = ("Channel", "Uniqueid", "Linkedid", "DestChannel", "DestUniqueid", "Newname", "ChannelState")
_MORE = ("UniqueID", "Destination", "DestUniqueID", "Uniqueid1", "Uniqueid2", "Channel1", "Channel2")
_OTHERS = ("TransfererUniqueid", "TransfererChannel", "OrigTransfererUniqueid", "SecondTransfererUniqueid")
_PARKING = ("ParkeeUniqueid", "ParkeeChannel", "From", "RetrieverUniqueid", "RetrieverChannel")
_VALUES = ["", "1.1", "1.2", "1.3", "SIP/1-1", "SIP/2-2", "SIP/1-1<ZOMBIE>", "Local/3@x-3;1", "Local/3@x-3;2"]
_WORDS = ["4", "5", "6", "Link", "Begin", "End", "On", "Success", "basic", "BUSY", "ANSWER", "Attended", "b"]
_STATES = ("SubEvent", "Bridgestate", "Status", "Result", "BridgeType", "BridgeUniqueid", "DialStatus")
_REST = ("TransferType", "TargetUniqueid", "TargetChannel", "ChannelCalling", "DestinationChannel", "Cause")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(CallFold.names)),
            st.dictionaries(
                st.sampled_from(_HEADERS + _MORE + _OTHERS + _PARKING + _STATES + _REST),
                st.sampled_from(_VALUES + _WORDS),
                max_size=8,
            ),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_made_up_events_never_raise_and_never_end_a_call_twice(
    made_up: list[tuple[str, dict[str, str], bool]],
) -> None:
    fold = CallFold(TRUNKS, Bounds(max_calls=3, max_channels=4))
    ended: set[str] = set()
    begun: set[str] = set()
    for seq, (name, fields, flag) in enumerate(made_up, 1):
        for told in fold.feed(event(name, seq, snapshot=flag, synthetic=flag, **fields)):
            # The same made-up Uniqueid may begin anew after its end; an open call ends once.
            assert told.call in begun or told.call not in ended or not told.state.last
            (ended if told.state.last else begun).add(told.call)
            if told.state.last:
                begun.discard(told.call)
        state = fold.snapshot()
        fold.restore(state)
        assert fold.snapshot() == state
        assert fold.open_calls <= 3
