"""The call tracker on recorded traffic, beside a model that never forgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher.calls import CallTracker
from tests.domain.call_model import CallModel
from tests.domain.packets import CORPUS, RECORDINGS, events, name_of, packet

_MODELLED = 6000


@pytest.mark.parametrize("path", [*CORPUS, *RECORDINGS], ids=name_of)
def test_recorded_events_belong_to_the_calls_that_the_model_says(path: Path) -> None:
    tracker, model = CallTracker("main"), CallModel("main")
    for parsed in events(path)[:_MODELLED]:
        headers = {
            name: value if isinstance(value, str) else value[0] for name, value in parsed.fields.items()
        }
        assert tracker.call_of(parsed.name, parsed.fields) == model.call_of(headers), parsed.fields


@pytest.mark.parametrize("path", [path for path in RECORDINGS if path.parent.name != "11"], ids=name_of)
def test_new_asterisk_has_as_many_calls_as_linkedids_where_nothing_changes_them(path: Path) -> None:
    tracker = CallTracker("main")
    keys = set()
    linkedids = set()
    for parsed in events(path):
        keys.add(tracker.call_of(parsed.name, parsed.fields))
        if "Linkedid" in parsed.fields:
            linkedids.add(parsed.fields["Linkedid"])
    assert keys - {"main"} == linkedids


@pytest.mark.parametrize("path", [*CORPUS, *RECORDINGS], ids=name_of)
def test_after_a_dial_both_channels_are_in_one_call(path: Path) -> None:
    tracker = CallTracker("main")
    dials = 0
    for parsed in events(path):
        call = tracker.call_of(parsed.name, parsed.fields)
        ids = [parsed.fields.get(name) for name in ("Uniqueid", "DestUniqueid", "UniqueID", "DestUniqueID")]
        pair = [str(one) for one in ids if one]
        if parsed.name in ("Dial", "DialBegin") and len(pair) == 2:
            dials += 1
            for uniqueid in pair:
                looked_up = packet(f"Event: Cdr\nPrivilege: cdr,all\nUniqueID: {uniqueid}")
                assert tracker.call_of("Cdr", looked_up.fields) == call
    assert dials


@pytest.mark.parametrize("path", [*CORPUS, *RECORDINGS[:1]], ids=name_of)
def test_a_recording_cut_anywhere_goes_on_from_the_dumped_state(path: Path) -> None:
    whole = events(path)[:5000]
    straight = CallTracker("main")
    keys = [straight.call_of(parsed.name, parsed.fields) for parsed in whole]
    for cut in range(0, len(whole), max(1, len(whole) // 7)):
        first, second = CallTracker("main"), CallTracker("main")
        resumed = [first.call_of(parsed.name, parsed.fields) for parsed in whole[:cut]]
        second.load(first.dump())
        resumed += [second.call_of(parsed.name, parsed.fields) for parsed in whole[cut:]]
        assert resumed == keys
