"""Call events: as a map and back, checked key by key, under the keys of their extensions."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas import documents
from schemas.call_event import (
    Callee,
    CallEvent,
    CallState,
    Party,
    Transfer,
    call_event_id,
    call_keys,
    read_callee,
    read_party,
    read_transfer,
)
from schemas.errors import EnvelopeError
from tests.schemas.strategies import json_values, names, numbers, texts, times

SCHEMA = Draft202012Validator(documents.load(documents.CALL_SCHEMA))
LEAST: dict[str, Any] = {
    "v": 1,
    "id": "main-1a2079d841a-2b.ringing.0",
    "pbx": "main",
    "epoch": 418,
    "seq": 43,
    "event": "DialBegin",
    "call": "1795424095.1",
    "state": "ringing",
    "at": "2026-11-23T08:54:55.636751Z",
    "begun_at": "2026-11-23T08:54:55.000000Z",
    "extensions": ["200", "202"],
    "uniqueids": ["1795424095.1"],
}
CALLER = {"number": "202", "name": "Anna", "channel": "SIP/202-1"}
CALLEE = {"number": "200", "name": "", "channel": "SIP/200-2"}
FULL: dict[str, Any] = LEAST | {
    "id": "main-1a2079d841a-2b.ended.0",
    "state": "ended",
    "linkedid": "1795424095.1",
    "direction": "internal",
    "dialled": "200",
    "queue": "support",
    "parked": "701",
    "caller": CALLER,
    "original_caller": CALLER,
    "callee": CALLEE,
    "by": CALLER,
    "callees": [CALLEE | {"result": "answered"}],
    "transfers": [
        {
            "kind": "blind",
            "at": "2026-11-23T08:54:55.000000Z",
            "by": CALLER,
            "from": CALLER,
            "transferee": CALLEE,
            "to": CALLEE,
            "call": "1795424095.9",
        }
    ],
    "answered_by": "callee",
    "answered_at": "2026-11-23T08:54:56.000000Z",
    "ring_secs": 1.5,
    "talk_secs": 0.0,
    "reason": "completed",
    "cause": 0,
    "cause_text": "Unknown",
    "into": "1795424095.0",
    "originated": True,
    "begun_unseen": True,
    "after_gap": True,
}

parties = st.builds(Party, texts, texts, texts)
transfers = st.builds(
    Transfer,
    kind=names,
    at=times,
    by=st.none() | parties,
    source=st.none() | parties,
    transferee=st.none() | parties,
    target=st.none() | parties,
    call=texts,
)
seconds = st.none() | st.floats(0, 1e9)


@st.composite
def call_events(draw: st.DrawFn) -> CallEvent:
    state = draw(st.sampled_from(CallState))
    return CallEvent(
        id=draw(names),
        pbx=draw(names),
        epoch=draw(numbers),
        seq=draw(numbers),
        event=draw(names),
        call=draw(names),
        state=state,
        at=draw(times),
        begun_at=draw(times),
        extensions=tuple(draw(st.lists(texts, max_size=8))),
        uniqueids=tuple(draw(st.lists(texts, max_size=4))),
        caller=draw(st.none() | parties),
        by=draw(st.none() | parties),
        callees=tuple(draw(st.lists(st.builds(Callee, parties, texts), max_size=2))),
        transfers=tuple(draw(st.lists(transfers, max_size=2))),
        answered_at=draw(st.just("") | times),
        ring_secs=draw(seconds),
        talk_secs=draw(seconds),
        cause=draw(st.none() | numbers),
        reason=draw(names) if state.last else "",
        after_gap=draw(st.booleans()),
    )


@given(call_events())
def test_a_call_event_comes_back_from_its_map_which_satisfies_the_schema(event: CallEvent) -> None:
    body = event.to_map()
    SCHEMA.validate(body)
    assert CallEvent.from_map(body) == event


@pytest.mark.parametrize("body", [LEAST, FULL], ids=["least", "full"])
def test_all_keys_stand_in_the_contracts_order_and_others_are_left_out(body: dict[str, Any]) -> None:
    event = CallEvent.from_map(body)
    assert event.to_map() == body
    assert list(event.to_map()) == list(body)
    assert hash(event) == hash(CallEvent.from_map(copy.deepcopy(body)))


def test_the_schema_knows_every_key_and_what_is_required() -> None:
    schema = documents.load(documents.CALL_SCHEMA)
    assert list(schema["properties"]) == list(FULL)
    assert schema["required"] == list(LEAST)
    assert schema["properties"]["state"]["enum"] == [state.value for state in CallState]
    assert list(schema["$defs"]["party"]["properties"]) == list(CALLER)
    assert list(schema["$defs"]["callee"]["properties"]) == list(FULL["callees"][0])
    assert set(schema["$defs"]["transfer"]["properties"]) == set(FULL["transfers"][0])


@pytest.mark.parametrize("key", LEAST)
def test_a_missing_key_is_named(key: str) -> None:
    body = {name: value for name, value in LEAST.items() if name != key}
    with pytest.raises(EnvelopeError, match=f"{key!r} is missing") as caught:
        CallEvent.from_map(body)
    assert caught.value.key == key
    assert not SCHEMA.is_valid(body)


WRONG: list[tuple[str, Any, str]] = [
    ("v", 2, "only version 1"),
    ("v", "1", "a whole number, not text"),
    ("id", "", "must not be empty"),
    ("pbx", 5, "text, not a whole number"),
    ("epoch", -1, "from 0 to"),
    ("seq", True, "a whole number, not true or false"),
    ("event", None, "text, not null"),
    ("call", "", "must not be empty"),
    ("state", "gone", "one of ringing, answered, held, resumed, transferred, ended, missed"),
    ("state", 1, "text"),
    ("at", "yesterday", "a time such as"),
    ("begun_at", "", "must not be empty"),
    ("extensions", "200", "a list, not text"),
    ("uniqueids", [1], "text, not a whole number"),
    ("caller", "202", "a map, not text"),
    ("callees", [{"number": 1}], "text, not a whole number"),
    ("callees", [5], "a map"),
    ("transfers", {}, "a list, not a map"),
    ("transfers", [{"at": "2026-11-23T08:54:55.000000Z"}], "must not be empty"),
    ("transfers", [{"kind": "blind", "at": "now"}], "a time such as"),
    ("answered_at", "", "must not be empty"),
    ("ring_secs", "1", "a number of seconds, not text"),
    ("talk_secs", -0.5, "from 0 to"),
    ("cause", 1.5, "a whole number, not a fraction"),
    ("into", [], "text, not a list"),
    ("after_gap", 1, "true or false, not a whole number"),
]


@pytest.mark.parametrize(("key", "value", "words"), WRONG)
def test_a_wrong_value_is_named_and_never_shown(key: str, value: Any, words: str) -> None:
    with pytest.raises(EnvelopeError, match=words) as caught:
        CallEvent.from_map(FULL | {key: value})
    assert caught.value.key.split(".")[0] == key
    # A schema checks formats only on request: what is no time is text to it.
    if words != "a time such as":
        assert not SCHEMA.is_valid(FULL | {key: value})


def test_what_is_wrong_inside_is_named_with_its_place() -> None:
    for key, value, place in (
        ("caller", {"name": 1}, "caller.name"),
        ("callees", [CALLEE | {"result": 1}], "callees.result"),
        ("transfers", [FULL["transfers"][0] | {"to": {"channel": 1}}], "transfers.to.channel"),
    ):
        with pytest.raises(EnvelopeError) as caught:
            CallEvent.from_map(FULL | {key: value})
        assert caught.value.key == place


@given(st.dictionaries(st.sampled_from([*FULL, "other"]), json_values))
def test_any_map_is_a_call_event_or_refused(changes: dict[str, Any]) -> None:
    try:
        event = CallEvent.from_map(FULL | changes)
    except EnvelopeError:
        return
    assert CallEvent.from_map(event.to_map()) == event


def test_unknown_keys_and_words_are_passed_over() -> None:
    later = FULL | {"later": 5, "reason": "later", "direction": "later"}
    event = CallEvent.from_map(later | {"caller": CALLER | {"later": [1]}})
    assert event.reason == "later"
    assert "later" not in event.to_map()


def test_whole_seconds_are_seconds() -> None:
    assert CallEvent.from_map(FULL | {"ring_secs": 2}).ring_secs == 2.0


def test_a_transfer_of_a_command_names_nobody_who_did_it() -> None:
    transfer = Transfer("redirect", LEAST["at"], target=Party("200"))
    assert list(transfer.to_map()) == ["kind", "at", "to"]
    assert read_transfer("transfers", transfer.to_map()) == transfer
    assert read_party("caller", {}) == Party()
    assert read_callee("callees", {"number": "1"}) == Callee(Party("1"), "")


def test_ids_and_keys_name_the_raw_event_and_the_state() -> None:
    assert call_event_id("main-1-2", CallState.MISSED, 0) == "main-1-2.missed.0"
    event = CallEvent.from_map(LEAST)
    assert call_keys(event) == ("main.ringing.200", "main.ringing.202")
    assert call_keys(CallEvent.from_map(LEAST | {"extensions": []})) == ("main.ringing.-",)
    assert [state for state in CallState if state.last] == [CallState.ENDED, CallState.MISSED]
