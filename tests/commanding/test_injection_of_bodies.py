"""What stands around a command's fields, raw commands, and bodies that are made by hand: none gets further.

As in the suite of the fields, each goes the whole way from the queue to the PBX's bytes.
"""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.commanding.outcomes import Outcome
from schemas.command import MAX_BODY_BYTES, SESSION_ACTIONS
from schemas.reply import Reason
from tests.commanding.attempts import (
    JOINERS,
    MARKER,
    NEVER,
    SEPARATORS,
    WRONG_TYPES,
    executed,
    spoilt,
    written,
)
from tests.commanding.generous import NOW_MS, TTL_MS
from tests.schemas.action_examples import body, example, raw_fields

PING = body("Ping", {})
RAW = body("DBPut", {"Family": "cidname", "Key": "200", "Val": "x"}, raw=True)


def refusal(data: Any, **changes: Any) -> str:
    outcome = executed(data, **changes)
    assert isinstance(outcome, Outcome), data
    return outcome.message


# The id, the client and the action.


@pytest.mark.parametrize("key", ["id", "client", "action"])
@pytest.mark.parametrize("raw", [False, True])
def test_what_names_a_command_is_a_plain_name(key: str, raw: bool) -> None:
    right = RAW if raw else PING
    allowed = ["/x", *SEPARATORS, *JOINERS]
    for text in spoilt(right[key], NEVER + allowed):
        for data in written(right | {key: text}):
            changes = {"id": text} if key == "id" else {"id": "c-1"}
            message = refusal(data, **changes)
            # A client of another name is one that nobody knows.
            assert message.startswith((key, "signature" if key == "client" else key, "the body "))


@pytest.mark.parametrize("key", ["v", "id", "client", "action", "fields", "raw", "priority"])
def test_what_names_a_command_has_its_type(key: str) -> None:
    for value in [*WRONG_TYPES, None]:
        if key == "fields" and isinstance(value, dict):
            # A map it is; its names are looked at then.
            continue
        for data in written(PING | {key: value}):
            message = refusal(data, id="c-1")
            assert message.startswith((key, "signature" if key == "client" else key, "the body "))
            assert MARKER not in message


@pytest.mark.parametrize("id", ["a" * 60, "A.b_c-9"])
def test_the_id_is_the_action_id_that_asterisk_carries_whole(id: str) -> None:
    read = executed(PING | {"id": id})
    assert not isinstance(read, Outcome)
    assert all(request.header(b"ActionID") == id.encode() for request in read)


# What is sent raw.


def test_a_raw_header_holds_nothing_that_no_text_may_hold() -> None:
    for text in spoilt("x", NEVER):
        for fields in ({"Family": text}, {"Family": ["x", text]}, {text: "x"}):
            for data in written(RAW | {"fields": fields}):
                assert refusal(data).startswith(("fields.", "the body "))
    for value in WRONG_TYPES:
        if type(value) is int or value == [MARKER]:
            continue
        for data in written(RAW | {"fields": {"Family": value}}):
            assert refusal(data).startswith(("fields.Family", "the body "))
    for value in ([], "x", 1, None, [["Family", "x"]]):
        assert refusal(RAW | {"fields": value}).startswith("fields")


@pytest.mark.parametrize(
    "name", ["A B", "A:", "A: B", ":", "", "Action", "ACTIONID", "é", "1A", "-A", "A\u200b", "A.B"]
)
def test_a_raw_header_s_name_is_a_plain_one(name: str) -> None:
    assert refusal(RAW | {"fields": {name: "x"}}).startswith("fields.")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251"])
@given(fields=raw_fields)
@settings(deadline=None)
def test_a_raw_command_becomes_exactly_the_headers_that_were_given(
    encoding: str, fields: dict[str, Any]
) -> None:
    read = executed(RAW | {"fields": fields}, encoding)
    pairs = [
        (name, str(one))
        for name, value in fields.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    try:
        expected = [(name.encode(), value.encode(encoding).lstrip(b" ")) for name, value in pairs]
    except UnicodeEncodeError:
        assert isinstance(read, Outcome)
        return
    if isinstance(read, Outcome):
        assert "bytes" in read.message
        return
    for request in read:
        assert request.pairs()[2:] == expected


@pytest.mark.parametrize("text", [*JOINERS, *SEPARATORS])
def test_what_joins_stays_in_its_raw_header(text: str) -> None:
    read = executed(RAW | {"fields": {"Family": f"x{text}", "Key": text}})
    assert not isinstance(read, Outcome)
    assert read[0].header(b"Family") == f"x{text}".encode()


@pytest.mark.parametrize("action", sorted(SESSION_ACTIONS))
def test_a_raw_command_never_touches_the_session(action: str) -> None:
    for name in (action, action.upper(), action.title()):
        assert refusal(RAW | {"action": name}).startswith("action")


def test_a_raw_command_that_the_policy_does_not_name_is_refused() -> None:
    outcome = executed(RAW | {"action": "Reload"})
    assert isinstance(outcome, Outcome)
    assert outcome.reason is Reason.NOT_ALLOWED


def test_headers_beyond_what_asterisk_reads_are_refused() -> None:
    fields = {f"H{number}": ["x", "y"] for number in range(70)}
    assert "more headers" in refusal(RAW | {"fields": fields})
    assert "makes a line of" in refusal(RAW | {"fields": {"Family": "я" * 1000}})


# Bodies made by hand.


def packed(*pairs: tuple[Any, Any]) -> bytes:
    """A MessagePack map with just these pairs, repeated or not."""
    return bytes([0x80 + len(pairs)]) + b"".join(
        (key if isinstance(key, bytes) else msgpack.packb(key))
        + (value if isinstance(value, bytes) else msgpack.packb(value))
        for key, value in pairs
    )


COMMAND = [
    ("v", 1),
    ("id", "c-1"),
    ("client", "crm"),
    ("action", "Hangup"),
    ("fields", {"Channel": "SIP/200"}),
]


def test_the_pairs_by_hand_are_a_command() -> None:
    assert not isinstance(executed(packed(*COMMAND), id="c-1"), Outcome)


@pytest.mark.parametrize("key", ["v", "id", "client", "action", "fields"])
def test_a_key_that_stands_twice_is_refused_in_every_spelling(key: str) -> None:
    """Another reader might keep the other value: what was signed would not be what is done."""
    value = dict(COMMAND)[key]
    again = [b"\xd9" + bytes([len(key)]) + key.encode(), b"\xda\x00" + bytes([len(key)]) + key.encode(), key]
    for spelled in again:
        for data in (packed(*COMMAND, (spelled, value)), packed((spelled, value), *COMMAND)):
            assert "repeats the key" in refusal(data, id="c-1")
    inner = packed(("Channel", "SIP/200"), ("Channel", "SIP/300"))
    assert "repeats the key" in refusal(packed(*COMMAND[:4], ("fields", inner)), id="c-1")


def test_a_key_that_stands_twice_in_json_is_refused() -> None:
    text = json.dumps(dict(COMMAND))
    for twice in ('"id":"c-1"', '"\\u0069d":"c-1"', '"action":"Ping"'):
        assert "repeats the key" in refusal(text.replace("{", "{" + twice + ",", 1).encode(), id="c-1")
    inner = text.replace('"Channel": "SIP/200"', '"Channel":"SIP/200","Channel":"SIP/300"')
    assert "repeats the key" in refusal(inner.encode(), id="c-1")


@pytest.mark.parametrize(
    "value",
    [
        b"\xd4\x00x",  # an extension type
        b"\xd6\xff\x00\x00\x00\x00",  # a timestamp
        b"\xc7\x05\x01SIP/2",
        b"\xc4\x07SIP/200",  # bytes
        b"\xa7SIP/\xff00",  # no UTF-8
        b"\xa7SIP/2\xc0\x80",  # a NUL in disguise
        b"\xa6\xed\xa0\x80200",  # half a character
        b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",  # no number
        b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",
        b"\x91\xa7SIP/200",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffSIP",
    ],
)
def test_a_value_of_messagepack_that_is_no_text_of_the_contract_is_refused(value: bytes) -> None:
    data = packed(*COMMAND[:4], ("fields", b"\x81\xa7Channel" + value))
    assert refusal(data, id="c-1").startswith(("the body ", "Channel: "))


@pytest.mark.parametrize("depth", [2, 8, 9, 500, 20_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    for opened, closed in ((b"\x81\xa1a", b""), (b"\x91", b"")):
        value = opened * depth + b"\x01" + closed
        data = packed(*COMMAND[:4], ("fields", b"\x81\xa7Channel" + value))
        assert refusal(data, id="c-1").startswith(("the body ", "Channel: "))
    nested = '{"a":' * depth + "1" + "}" * depth
    text = json.dumps(dict(COMMAND) | {"fields": 0}).replace('"fields": 0', f'"fields": {nested}')
    assert refusal(text.encode(), id="c-1").startswith(("the body ", "a: "))


def test_a_body_of_megabytes_is_refused_before_it_is_read() -> None:
    big = PING | {"note": "x" * (10 << 20)}
    for data in written(big):
        assert (
            refusal(data, id="c-1") == f"the body has {len(data)} bytes, at most {MAX_BODY_BYTES} are allowed"
        )
    assert refusal(b"", id="c-1").startswith("the body is empty, or larger")
    long = body("SendText", example("SendText") | {"Message": "x" * 1_000_000})
    for data in written(long):
        assert refusal(data, id="c-1").startswith("the body has")


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    assert refusal(data, id="c-1")


@given(st.data())
@settings(deadline=None)
def test_a_body_with_any_byte_changed_is_the_same_action_or_none(data: st.DataObject) -> None:
    """Signed by its client all the same: the form alone has to hold."""
    whole = bytearray(packed(*COMMAND))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read = executed(bytes(whole), id="c-1")
    if not isinstance(read, Outcome):
        for request in read:
            assert [name for name, _ in request.pairs()] == [b"Action", b"ActionID", b"Channel"]


@pytest.mark.parametrize("ttl", [0, -1, 99, TTL_MS * 10_000, 10**30])
def test_a_time_to_live_out_of_bounds_is_refused(ttl: int) -> None:
    assert refusal(PING, ttl_ms=ttl).startswith("ttl: ")


@pytest.mark.parametrize("at", [0, -1, 10**17, NOW_MS * 2])
def test_a_time_out_of_bounds_is_refused(at: int) -> None:
    assert refusal(PING, at_ms=at).startswith("at: ")
