"""Headers by age of the manager interface, and variables that arrive as they were given."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.ami.actions import encode_action
from publisher.commanding.headers import ID_VARIABLE, action_of, knows_channel_ids, variable_text
from schemas.action_fields import VARIABLE
from schemas.actions import DEFAULT_RING_MS, MAX_RING_MS
from schemas.command import Command
from tests.commanding.asterisk import Request, requests, variables_of
from tests.schemas.action_examples import raw_fields

OLD, NEW = "1.3", "9.0.0"
CALL = {"Channel": "PJSIP/200", "Context": "from-internal", "Exten": "201"}


def command(action: str, fields: dict[str, Any] | None = None, raw: bool = False) -> Command:
    return Command(id="c-1", client="crm", action=action, fields=fields or {}, raw=raw)


def sent(action: str, fields: dict[str, Any], version: str = NEW, raw: bool = False) -> tuple[Request, int]:
    """The one action as Asterisk reads it, and how long it may ring."""
    name, headers, ring_ms = action_of(command(action, fields, raw), fields, version)
    (request,) = requests(encode_action(name, headers, "c-1"))
    return request, ring_ms


def text(request: Request) -> list[str]:
    return [f"{name.decode()}: {value.decode()}" for name, value in request.pairs()]


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("1.1", False),
        ("1.3", False),
        ("2.0", True),
        ("5.0.1", True),
        ("11.0.0", True),
        ("", True),
        ("x", True),
    ],
)
def test_channel_ids_are_known_since_asterisk_12(version: str, known: bool) -> None:
    assert knows_channel_ids(version) is known


def test_a_call_on_asterisk_12_and_later_has_the_command_s_id_as_its_channel_s() -> None:
    fields = CALL | {"Timeout": 20_000, "CallerID": '"Анна" <200>', "Account": "a", "EarlyMedia": True}
    request, ring_ms = sent("Originate", fields | {"Variable": {"A": "1", "__B": "x,y"}})
    assert ring_ms == 20_000
    assert text(request) == [
        "Action: Originate",
        "ActionID: c-1",
        "Channel: PJSIP/200",
        "Context: from-internal",
        "Exten: 201",
        "Priority: 1",
        "Timeout: 20000",
        "Async: true",
        'CallerID: "Анна" <200>',
        "Account: a",
        "EarlyMedia: true",
        "Variable: A=1",
        "Variable: __B=x\\,y",
        "ChannelId: c-1",
    ]


def test_a_call_on_asterisk_11_carries_the_command_s_id_in_a_variable() -> None:
    request, ring_ms = sent("Originate", CALL, OLD)
    assert ring_ms == DEFAULT_RING_MS
    assert request.variables() == [(ID_VARIABLE.encode(), b"c-1")]
    assert request.header(b"ChannelId") == request.header(b"OtherChannelId") == b""
    assert request.header(b"Async") == b"true"


@pytest.mark.parametrize("channel", ["Local/200@from-internal", "local/200@x/n"])
def test_both_halves_of_a_local_channel_are_named(channel: str) -> None:
    request, _ = sent("Originate", CALL | {"Channel": channel})
    assert (request.header(b"ChannelId"), request.header(b"OtherChannelId")) == (b"c-1", b"c-1-2")
    other, _ = sent("Originate", CALL)
    assert other.header(b"OtherChannelId") == b""


def test_an_application_takes_the_place_of_the_extension() -> None:
    fields = {"Channel": "PJSIP/200", "Application": "Playback", "Data": "tt-monkeys"}
    request, _ = sent("Originate", fields)
    assert (request.header(b"Application"), request.header(b"Data")) == (b"Playback", b"tt-monkeys")
    assert request.header(b"Context") == request.header(b"Exten") == request.header(b"Priority") == b""


def test_parking_names_whom_the_call_returns_to_as_that_age_calls_it() -> None:
    fields = {"Channel": "SIP/201-1", "TimeoutChannel": "SIP/200-1", "Timeout": 45_000}
    new, _ = sent("Park", fields)
    assert (new.header(b"TimeoutChannel"), new.header(b"Channel2")) == (b"SIP/200-1", b"")
    old, _ = sent("Park", fields, OLD)
    assert (old.header(b"TimeoutChannel"), old.header(b"Channel2")) == (b"", b"SIP/200-1")
    assert old.header(b"Timeout") == b"45000"


def test_transfers_have_a_priority_and_the_name_that_asterisk_knows() -> None:
    fields = {"Channel": "SIP/200-1", "Exten": "201", "Context": "x"}
    assert text(sent("AttendedTransfer", fields)[0])[0] == "Action: Atxfer"
    single, _ = sent("Redirect", fields)
    assert (single.header(b"Priority"), single.header(b"ExtraPriority")) == (b"1", b"")
    double, _ = sent("Redirect", fields | {"ExtraChannel": "SIP/201-1"})
    assert (double.header(b"Priority"), double.header(b"ExtraPriority")) == (b"1", b"1")
    assert sent("BlindTransfer", fields)[0].header(b"Priority") == b""


def test_an_event_of_one_s_own_has_its_headers_after_its_name() -> None:
    request, ring_ms = sent("UserEvent", {"UserEvent": "Note", "Headers": {"A": ["1", "2"], "B": ""}})
    assert ring_ms == 0
    assert text(request)[2:] == ["UserEvent: Note", "A: 1", "A: 2", "B: "]


def test_flags_and_numbers_are_written_as_asterisk_reads_them() -> None:
    fields = {"Queue": "q", "Interface": "SIP/200", "Paused": True, "Penalty": 0}
    assert text(sent("QueueAdd", fields)[0])[4:] == ["Paused: true", "Penalty: 0"]
    assert sent("QueuePause", fields | {"Paused": False})[0].header(b"Paused") == b"false"


# What is sent raw.


def test_a_raw_action_is_sent_as_it_stands() -> None:
    request, ring_ms = sent("dbget", {"Family": "x", "Key": ["1", "2"]}, raw=True)
    assert ring_ms == 0
    assert text(request) == ["Action: dbget", "ActionID: c-1", "Family: x", "Key: 1", "Key: 2"]


asyncs = st.dictionaries(
    st.sampled_from(["Async", "ASYNC", "async"]),
    st.sampled_from(["false", "no", ["false", "true"], ""]),
    max_size=3,
)


@pytest.mark.parametrize("name", ["Originate", "originate", "ORIGINATE"])
@given(fields=raw_fields, given_async=asyncs)
def test_a_raw_call_never_holds_up_the_session(name: str, fields: dict[str, Any], given_async: Any) -> None:
    request, ring_ms = sent(name, fields | given_async | {"Channel": "SIP/200"}, raw=True)
    assert [value for header, value in request.pairs() if header.lower() == b"async"] == [b"true"]
    assert request.header(b"ChannelId") == b"c-1"
    assert 1 <= ring_ms <= MAX_RING_MS
    assert sent(name, fields | given_async, OLD, raw=True)[0].header(b"ChannelId") == b""


@pytest.mark.parametrize(
    ("fields", "ring_ms"),
    [
        ({}, DEFAULT_RING_MS),
        ({"Timeout": "5000"}, 5000),
        ({"timeout": "5000"}, 5000),
        ({"Timeout": ["60000", "1000"]}, 60_000),
        ({"Timeout": "60000", "TIMEOUT": "1000"}, 60_000),
        ({"Timeout": "999999999"}, MAX_RING_MS),
        ({"Timeout": "0"}, 1),
        ({"Timeout": "soon"}, DEFAULT_RING_MS),
        ({"Timeout": "٣"}, DEFAULT_RING_MS),
        ({"Timeout": ""}, DEFAULT_RING_MS),
    ],
)
def test_a_raw_call_is_waited_for_as_long_as_asterisk_lets_it_ring(
    fields: dict[str, Any], ring_ms: int
) -> None:
    assert sent("Originate", fields, raw=True)[1] == ring_ms


def test_a_raw_call_may_name_its_channel_itself() -> None:
    request, _ = sent("Originate", {"channelid": "mine"}, raw=True)
    assert [value for name, value in request.pairs() if name.lower() == b"channelid"] == [b"mine"]


# Variables.

values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
signs = st.text(st.sampled_from('a,"\\()[]=;|&${} <>я'), max_size=30)


@given(st.from_regex(VARIABLE.pattern, fullmatch=True), values | signs)
def test_a_variable_arrives_as_the_one_that_was_given(name: str, value: str) -> None:
    header = variable_text(name, value)
    assert variables_of(f" {header}".encode()) == [(name.encode(), value.encode())]


@given(
    st.dictionaries(st.from_regex(r"[A-Z]{1,8}", fullmatch=True), values | signs, max_size=6),
    st.sampled_from([OLD, NEW]),
    st.sampled_from(["utf-8", "cp1251"]),
)
def test_no_variable_of_a_call_becomes_another_one(
    given_map: dict[str, str], version: str, encoding: str
) -> None:
    try:
        expected = [(name.encode(), value.encode(encoding)) for name, value in given_map.items()]
    except UnicodeEncodeError:
        return
    name, headers, _ = action_of(command("Originate"), CALL | {"Variable": given_map}, version)
    (request,) = requests(encode_action(name, headers, "c-1", encoding))
    own = [(ID_VARIABLE.encode(), b"c-1")] if version == OLD else []
    assert request.variables() == expected + own
