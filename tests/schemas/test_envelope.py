"""The envelope: an event as a map, checked key by key, and the packet's text back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas import documents
from schemas.envelope import MAX_NUMBER, Event, event_id, join_fields, packet_text
from schemas.errors import EnvelopeError
from schemas.timestamps import parse_timestamp
from tests.schemas.strategies import events, json_values, texts

BODY: dict[str, Any] = {
    "v": 1,
    "id": "main-1a2-2b",
    "pbx": "main",
    "epoch": 418,
    "seq": 43,
    "received_at": "2026-11-23T08:54:55.636751Z",
    "event": "DialBegin",
    "extensions": ["202", "200"],
    "fields": {"Event": "DialBegin", "Privilege": "call,all", "Variable": ["a=1", "b=2"], "Empty": ""},
}
CONTROL: dict[str, Any] = BODY | {
    "event": "control.gap",
    "fields": {},
    "extensions": [],
    "control": {
        "kind": "gap",
        "from": "2026-11-23T08:54:50.000000Z",
        "to": "2026-11-23T08:54:55.000000Z",
        "cause": "the connection was lost",
        "count": None,
    },
}
SCHEMA = Draft202012Validator(documents.load(documents.EVENT_SCHEMA))


def test_an_id_is_the_same_however_often_it_is_made_and_names_pbx_epoch_and_number() -> None:
    assert event_id("main", 1_795_424_093_210, 43) == "main-1a2079d841a-2b"


def test_keys_that_do_not_apply_are_left_out() -> None:
    assert Event.from_map(BODY).to_map() == BODY


def test_all_keys_stand_in_the_contracts_order() -> None:
    event = Event.from_map(
        CONTROL
        | {"call": "main", "linkedid": "1.2", "text": "x", "undecodable": True, "suspect": True}
        | {"synthetic": True, "snapshot": True, "privilege": "call,all"}
    )
    keys = "v id pbx epoch seq received_at event extensions fields privilege snapshot synthetic suspect"
    assert list(event.to_map()) == [*keys.split(), "undecodable", "text", "linkedid", "call", "control"]


@given(events())
def test_an_event_comes_back_from_its_map(event: Event) -> None:
    assert Event.from_map(event.to_map()) == event


@given(events())
def test_a_map_satisfies_the_json_schema(event: Event) -> None:
    SCHEMA.validate(event.to_map())


def test_unknown_keys_are_passed_over_and_not_kept() -> None:
    body = BODY | {"later": {"deep": [1, {"x": None}]}}
    assert Event.from_map(body) == Event.from_map(BODY)


def test_a_control_event_of_a_kind_to_come_is_passed_on_as_it_is() -> None:
    control = {"kind": "later", "from": 5}
    assert Event.from_map(CONTROL | {"event": "control.later", "control": control}).control == control


def test_equal_events_hash_alike() -> None:
    assert len({Event.from_map(BODY), Event.from_map(dict(BODY))}) == 1


def test_the_time_of_receipt_is_also_a_datetime() -> None:
    assert Event.from_map(BODY).received == datetime(2026, 11, 23, 8, 54, 55, 636751, tzinfo=UTC)


def test_the_packets_text_has_a_line_for_each_value_of_a_repeated_header() -> None:
    assert packet_text(Event.from_map(BODY)) == (
        "Event: DialBegin\r\nPrivilege: call,all\r\nVariable: a=1\r\nVariable: b=2\r\nEmpty: \r\n"
    )


def test_the_packets_text_is_the_kept_one_where_the_fields_do_not_give_it() -> None:
    text = "Event: X\r\nno colon\r\n"
    assert packet_text(Event.from_map(BODY | {"text": text})) == text


def test_a_control_event_has_no_packet() -> None:
    assert packet_text(Event.from_map(CONTROL)) == ""


@given(st.dictionaries(texts, texts | st.lists(texts, min_size=1, max_size=3)))
def test_headers_are_joined_in_their_order(fields: dict[str, Any]) -> None:
    lines = [
        (name, one) for name, value in fields.items() for one in ([value] if type(value) is str else value)
    ]
    assert join_fields(fields) == "".join(name + ": " + value + "\r\n" for name, value in lines)


@pytest.mark.parametrize(
    "key", ["v", "id", "pbx", "epoch", "seq", "received_at", "event", "extensions", "fields"]
)
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(EnvelopeError, match=f"envelope key '{key}' is missing") as caught:
        Event.from_map({name: value for name, value in BODY.items() if name != key})
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("v", 2, "'v' is 2, but only version 1 can be read"),
        ("v", True, "'v' must be a whole number, not true or false"),
        ("id", "", "'id' must not be empty"),
        ("pbx", None, "'pbx' must be text, not null"),
        ("epoch", "1", "'epoch' must be a whole number, not text"),
        ("seq", -1, f"'seq' must be from 0 to {MAX_NUMBER}"),
        ("seq", MAX_NUMBER + 1, f"'seq' must be from 0 to {MAX_NUMBER}"),
        ("seq", 1.0, "'seq' must be a whole number, not a fraction"),
        (
            "received_at",
            "2026-11-23T08:54:55Z",
            "'received_at' must be a time such as 2026-11-23T08:54:53.850601Z",
        ),
        ("event", b"x", "'event' must be text, not something else"),
        ("extensions", {}, "'extensions' must be a list of texts, not a map"),
        ("extensions", ["200", 201], "'extensions' must be a list of texts, not a whole number"),
        ("fields", [], "'fields' must be a map of texts, not a list"),
        ("fields", {1: "x"}, "'fields' must be a map with texts as keys, not a whole number"),
        ("fields", {"a": None}, "'fields' must be a map of texts and lists of texts, not null"),
        ("fields", {"a": ["b", 1]}, "'fields' must be a map of texts and lists of texts, not a whole number"),
        ("fields", {"a": []}, "'fields' holds an empty list"),
        ("privilege", 1, "'privilege' must be text, not a whole number"),
        ("snapshot", 1, "'snapshot' must be true or false, not a whole number"),
        ("text", None, "'text' must be text, not null"),
        ("control", None, "'control' must be a map, not null"),
        ("control", {}, "'control.kind' is missing"),
        ("control", {"kind": "up"}, "'control.kind' must be the kind that 'event' names"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_is_allowed(key: str, value: Any, says: str) -> None:
    with pytest.raises(EnvelopeError, match=says) as caught:
        Event.from_map(BODY | {key: value})
    assert caught.value.key.split(".")[0] == key


@pytest.mark.parametrize(
    ("kind", "key", "value", "says"),
    [
        ("gap", "from", "yesterday", "'control.from' must be a time"),
        ("gap", "to", 5, "'control.to' must be text, not a whole number"),
        ("gap", "cause", "", "'control.cause' must not be empty"),
        ("gap", "count", "many", "'control.count' must be a whole number, not text"),
        ("gap", "count", -1, "'control.count' must be from 0"),
        ("gap", "from_seq", None, "'control.from_seq' must be a whole number, not null"),
        ("gap", "to_seq", "1", "'control.to_seq' must be a whole number, not text"),
        ("up", "version", 1, "'control.version' must be text"),
        ("up", "boot", 1, "'control.boot' must be text"),
        ("up", "boot_us", "1", "'control.boot_us' must be a whole number"),
        ("down", "cause", 1, "'control.cause' must be text"),
        ("down", "reason", 1, "'control.reason' must be text"),
    ],
)
def test_a_wrong_control_is_refused_with_its_key(kind: str, key: str, value: Any, says: str) -> None:
    control = CONTROL["control"] | {"kind": kind, "from_seq": 1, "to_seq": 2, "boot_us": 0, key: value}
    with pytest.raises(EnvelopeError, match=says) as caught:
        Event.from_map(CONTROL | {"event": f"control.{kind}", "control": control})
    assert caught.value.key == f"control.{key}"


def test_a_gap_must_say_how_many_even_where_nobody_knows() -> None:
    control = {key: value for key, value in CONTROL["control"].items() if key != "count"}
    with pytest.raises(EnvelopeError, match=r"'control.count' is missing"):
        Event.from_map(CONTROL | {"control": control})
    assert Event.from_map(CONTROL | {"control": control | {"count": 3}}).control == control | {"count": 3}


control_keys = ("kind", "from", "to", "cause", "count", "from_seq", "version", "boot", "boot_us", "reason")


@given(events(), st.data())
def test_the_reader_takes_exactly_what_the_json_schema_allows(event: Event, data: st.DataObject) -> None:
    body = event.to_map()
    key = data.draw(
        st.sampled_from(sorted({*BODY, "privilege", "suspect", "text", "call", "control"} - {"event"}))
    )
    # A key that goes, a value of any kind, or a control event's own key changed.
    if data.draw(st.booleans()):
        body.pop(key, None)
    elif event.control is not None and key == "control" and data.draw(st.booleans()):
        inner = data.draw(st.sampled_from(control_keys))
        body["control"] = event.control | {inner: data.draw(json_values)}
    else:
        body[key] = data.draw(json_values)
    assert readable(body) == SCHEMA.is_valid(body)


def readable(body: dict[str, Any]) -> bool:
    try:
        Event.from_map(body)
    except EnvelopeError as error:
        # The one rule that a JSON Schema cannot state: control.kind is the kind that `event` names.
        if (
            error.key == "control.kind"
            and type(body["control"].get("kind")) is str
            and body["control"]["kind"]
        ):
            return readable(body | {"event": f"control.{body['control']['kind']}"})
        return False
    return parse_timestamp(body["received_at"]) is not None
