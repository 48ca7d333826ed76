"""Commands as bodies: what is read is what was written, and what is wrong is named and never shown."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codecs import json_body
from schemas.command import (
    MAX_BODY_BYTES,
    MAX_ID_CHARS,
    MAX_TTL_MS,
    MIN_TTL_MS,
    SESSION_ACTIONS,
    Command,
    Priority,
    check_id,
    check_ttl,
    decode_body,
    is_signed,
    signature,
    signed_text,
)
from schemas.errors import CommandError
from tests.schemas.action_examples import CONTROLS, SURROGATES, WRONG_KINDS, bodies, body
from tests.schemas.strategies import json_values

MARKER = "7495REFUSED1234567"
PING = body("Ping", {})


def refusal(made: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        Command.from_map(made)
    return caught.value


def read(data: bytes) -> CommandError:
    with pytest.raises(CommandError) as caught:
        Command.decode(data)
    return caught.value


@given(bodies())
def test_a_command_comes_back_from_both_codecs(made: dict[str, Any]) -> None:
    command = Command.from_map(made)
    assert Command.decode(command.encode()) == command
    assert Command.decode(json_body(command.to_map())) == command
    assert Command.from_map(command.to_map()) == command
    assert Command.decode(command.encode()).encode() == command.encode()
    assert hash(command) == hash(Command.decode(command.encode()))


@given(bodies(), st.dictionaries(st.text(min_size=1), json_values, max_size=3))
def test_unknown_keys_are_ignored(made: dict[str, Any], unknown: dict[str, Any]) -> None:
    known = {"v", "id", "client", "action", "fields", "raw", "priority"}
    extra = {key: value for key, value in unknown.items() if key not in known}
    assert Command.from_map(made | extra) == Command.from_map(made)


def test_a_command_is_named_as_the_table_names_it_and_defaults_are_left_out() -> None:
    command = Command.from_map(body("atxfer", {"channel": "SIP/200-1", "EXTEN": "201"}))
    assert command.to_map() == {
        "v": 1,
        "id": "c-1",
        "client": "crm",
        "action": "AttendedTransfer",
        "fields": {"Channel": "SIP/200-1", "Exten": "201"},
    }
    assert command.spec is not None
    assert (command.spec.ami, command.changes) == ("Atxfer", True)
    assert Command.from_map({key: value for key, value in PING.items() if key != "fields"}).changes is False


def test_a_raw_command_keeps_its_name_and_counts_as_one_that_changes_something() -> None:
    command = Command.make("dbGet", {"Family": "cidname", "Key": ["1", "2"]}, client="crm", raw=True)
    assert (command.action, command.spec, command.changes) == ("dbGet", None, True)
    assert command.to_map()["raw"] is True


def test_a_command_that_is_made_has_a_random_id() -> None:
    made = {Command.make("Ping", client="crm").id for _ in range(50)}
    assert len(made) == 50
    assert all(len(check_id(id)) == 32 for id in made)
    assert Command.make("Ping", client="crm", id="x", priority="bulk").priority is Priority.BULK


# What is wrong.


@pytest.mark.parametrize("key", ["v", "id", "client", "action"])
def test_a_key_that_is_missing_is_named(key: str) -> None:
    assert refusal({name: value for name, value in PING.items() if name != key}).field == key


@pytest.mark.parametrize("key", ["v", "id", "client", "action", "fields", "raw", "priority"])
def test_a_key_of_the_wrong_kind_is_named_and_its_value_is_never_shown(key: str) -> None:
    wrong: list[Any] = [
        *WRONG_KINDS,
        None,
        0,
        2,
        -1,
        10**30,
        "",
        MARKER + "\r\n",
        [MARKER],
        [],
        [[]],
        True,
        False,
    ]
    if key == "raw":
        wrong = [value for value in wrong if type(value) is not bool]
    if key != "fields":
        wrong += [{}, {MARKER: MARKER}]
    for value in wrong:
        error = refusal(PING | {key: value})
        assert error.field == key
        assert MARKER not in str(error)


@pytest.mark.parametrize("version", [2, 0, 1.0, "1", True, None])
def test_another_version_cannot_be_read(version: Any) -> None:
    assert refusal(PING | {"v": version}).field == "v"


@pytest.mark.parametrize("key", ["id", "client", "action", "priority"])
@pytest.mark.parametrize("sign", [*CONTROLS, *SURROGATES, *" /:,;&|$\"'{}[]()<>@\\\u00e9\u0430\u200b"])
def test_no_name_holds_anything_but_its_letters(key: str, sign: str) -> None:
    good = PING | {"priority": "bulk"}
    for spoilt in (good[key] + sign, sign + good[key], good[key][:1] + sign + good[key][1:]):
        assert refusal(good | {key: spoilt}).field == key


@pytest.mark.parametrize("id", ["a", "A" * MAX_ID_CHARS, "0-._x", "c0ffee"])
def test_ids_are_letters_digits_and_three_signs(id: str) -> None:
    assert check_id(id) == Command.from_map(PING | {"id": id}).id == id


@pytest.mark.parametrize("id", ["", ".a", "-a", "_a", "A" * (MAX_ID_CHARS + 1), "a b", "a\n", None, 1, b"a"])
def test_another_id_is_refused(id: Any) -> None:
    with pytest.raises(CommandError) as caught:
        check_id(id)
    assert caught.value.field == "id"


@pytest.mark.parametrize("client", ["Crm", "", ".crm", "x" * 41, "crm\n", "crm "])
def test_another_client_s_name_is_refused(client: str) -> None:
    assert refusal(PING | {"client": client}).field == "client"


@pytest.mark.parametrize("priority", ["Bulk", "", "urgent", "interactive\n"])
def test_another_priority_is_refused_with_those_there_are(priority: str) -> None:
    assert "interactive, bulk" in str(refusal(PING | {"priority": priority}))


@pytest.mark.parametrize("ttl", [MIN_TTL_MS, MAX_TTL_MS])
def test_a_time_to_live_is_whole_milliseconds(ttl: int) -> None:
    assert check_ttl(ttl) == ttl


@pytest.mark.parametrize("ttl", [MIN_TTL_MS - 1, MAX_TTL_MS + 1, 0, -1, 10**30, 1000.0, "1000", True, None])
def test_another_time_to_live_is_refused(ttl: Any) -> None:
    with pytest.raises(CommandError) as caught:
        check_ttl(ttl)
    assert caught.value.field == "ttl"


@pytest.mark.parametrize("action", ["Command", "DBGet", "Reload", "Originat", "GetConfig", "x"])
def test_what_the_table_does_not_know_can_only_be_sent_raw(action: str) -> None:
    assert refusal(body(action, {})).field == "action"
    assert Command.from_map(body(action, {}, raw=True)).action == action


@pytest.mark.parametrize("action", sorted(SESSION_ACTIONS))
def test_what_would_change_the_session_of_all_commands_is_never_sent(action: str) -> None:
    for spelled in (action, action.upper(), action.title()):
        for raw in (True, False):
            assert refusal(body(spelled, {}, raw=raw)).field == "action"


@pytest.mark.parametrize("name", ["Action", "ActionID", "ACTION", "actionid"])
def test_a_raw_command_cannot_give_its_action_twice(name: str) -> None:
    error = refusal(body("DBGet", {name: MARKER}, raw=True))
    assert error.field == f"fields.{name}"
    assert MARKER not in str(error)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"Family": MARKER + "\r\nAction: Originate"}, "fields.Family"),
        ({"Family": ["x", MARKER + "\n"]}, "fields.Family"),
        ({"Family": "${SHELL(" + MARKER}, "fields.Family"),
        ({"Family": "$[" + MARKER}, "fields.Family"),
        ({"Family": None}, "fields.Family"),
        ({"Family": {"x": MARKER}}, "fields.Family"),
        ({"Family": []}, "fields.Family"),
        ({"Fam ily": MARKER}, "fields.Fam ily"),
        ({"Family: x": MARKER}, "fields.Family: x"),
        ({"": MARKER}, "fields."),
        ({1: MARKER}, "fields.a whole number"),
        ({f"H{number}": "x" for number in range(101)}, "fields"),
        ({"Family": ["x"] * 101}, "fields.Family"),
        ({"Family": MARKER * 100}, "fields.Family"),
    ],
)
def test_a_raw_command_s_field_that_is_wrong_is_named(fields: Any, field: str) -> None:
    error = refusal(body("DBGet", fields, raw=True))
    assert error.field == field
    assert MARKER not in str(error)


# Bodies as bytes.


def test_a_body_is_json_where_it_begins_like_it() -> None:
    assert Command.decode(json.dumps(PING).encode()) == Command.decode(msgpack.packb(PING))
    assert decode_body(b'{"a":1}') == {"a": 1}


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"{",
            b"{}x",
            b" {}",
            b"\xef\xbb\xbf{}",
            b"[]",
            b"null",
            b'"x"',
            b"\x90",
            b"\x93\x01",
            b"\xc1",
        ),
        b'{"v":1,"v":1}',
        b'{"v":1,"fields":{"Exten":"1","Exten":"2"}}',
        b'{"v":NaN}',
        b'{"v":Infinity}',
        b'{"v":' + b"1" * 5000 + b"}",
        b'{"v":"\\ud800"}',
        b'{"v":"\xff"}',
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b'{"a":' * 10_000,
        b"\x81\xa1a" * 9 + b"\x01",
        b"\x81\xa1a" * 10_000,
        b"\x82\xa1v\x01\xa1v\x01",
        b"\x82\xa1v\x01\xd9\x01v\x02",
        b"\x81\xa1v\xa1\xff",
        b"\x81\xa1v\xc4\x01x",
        b"\x81\xc4\x01v\x01",
        b"\x81\x01\x01",
        b"\x81\xa1v\xd4\x05x",
        b"\x81\xa1v\xd6\xff\x00\x00\x00\x00",
        b"\x81\xa1v\xcb\x7f\xf8\x00\x00\x00\x00\x00",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa1v\xdd\xff\xff\xff\xff",
        b"\x80" + b"\x80",
    ],
)
def test_bytes_that_are_no_body_are_refused_as_a_whole(data: bytes) -> None:
    assert read(data).field == ""


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_a_command_error(data: bytes) -> None:
    try:
        Command.decode(data)
    except CommandError as error:
        shown = str(error)
    else:
        shown = ""
    assert "\n" not in shown


@given(bodies(), st.data())
def test_a_body_that_is_cut_or_followed_by_more_is_refused(made: dict[str, Any], data: st.DataObject) -> None:
    whole = Command.from_map(made).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    for spoilt in (whole[:cut], whole + whole[cut:]):
        with pytest.raises(CommandError):
            Command.decode(spoilt)


def test_a_body_has_a_size_that_it_may_have() -> None:
    sizes = [MAX_BODY_BYTES + 1, 10 << 20]
    for size in sizes:
        error = read(b"{" + b" " * (size - 1))
        assert str(error) == f"the body has {size} bytes, at most {MAX_BODY_BYTES} are allowed"
    padded = json.dumps(PING | {"note": ""})
    padded = padded.replace('"note": ""', '"note": "' + "x" * (MAX_BODY_BYTES - len(padded)) + '"')
    assert len(padded) == MAX_BODY_BYTES
    assert Command.decode(padded.encode()).action == "Ping"


def test_a_command_that_is_too_large_cannot_be_written() -> None:
    long = {f"H{number}": "x" * 1000 for number in range(80)}
    command = Command.make("DBPut", long, client="crm", raw=True)
    with pytest.raises(CommandError, match=f"at most {MAX_BODY_BYTES} are allowed"):
        command.encode()


# Signatures.

TOKEN = "an-obviously-fake-token"
SIGNED: dict[str, Any] = {
    "pbx": "main",
    "id": "c-1",
    "at_ms": 1_795_424_093_210,
    "ttl_ms": 30_000,
    "body": b'{"v":1}',
}


def test_the_signature_is_the_one_that_any_hmac_gives() -> None:
    text = signed_text(**SIGNED)
    assert text == b'amibus-command-1\nmain\nc-1\n1795424093210\n30000\n{"v":1}'
    assert signature(TOKEN, text) == "26be41aaf4e4f4a94973673f51a055f256e451091f04107db399911b1f711bfd"
    # The same by the definition of HMAC (RFC 2104).
    key = TOKEN.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(one ^ 0x36 for one in key) + text).digest()
    outer = hashlib.sha256(bytes(one ^ 0x5C for one in key) + inner)
    assert signature(TOKEN, text) == outer.hexdigest()
    assert is_signed(TOKEN, text, signature(TOKEN, text))


@pytest.mark.parametrize(
    "change",
    [
        {"pbx": "other"},
        {"id": "c-2"},
        {"at_ms": SIGNED["at_ms"] + 1},
        {"ttl_ms": 30_001},
        {"body": b'{"v":1} '},
        {"body": b""},
    ],
)
def test_nothing_of_a_signed_command_can_be_changed(change: dict[str, Any]) -> None:
    given_signature = signature(TOKEN, signed_text(**SIGNED))
    assert not is_signed(TOKEN, signed_text(**(SIGNED | change)), given_signature)
    assert not is_signed(TOKEN + "x", signed_text(**SIGNED), given_signature)


@pytest.mark.parametrize(
    "spoil", [str.upper, lambda s: s[:-1], lambda s: s + "0", lambda s: "", lambda s: "\ud800"]
)
def test_a_signature_has_one_spelling(spoil: Any) -> None:
    text = signed_text(**SIGNED)
    assert not is_signed(TOKEN, text, spoil(signature(TOKEN, text)))


@given(st.text(max_size=20), st.text(max_size=20), st.integers(), st.integers(), st.binary(max_size=20))
def test_what_is_signed_cannot_be_cut_in_another_place(
    pbx: str, id: str, at_ms: int, ttl_ms: int, data: bytes
) -> None:
    """Names of PBXs and ids hold no line end, so that the lines can be told apart."""
    try:
        check_id(id)
    except CommandError:
        return
    if "\n" in pbx or not pbx.isascii():
        return
    version, *lines, rest = signed_text(pbx, id, at_ms, ttl_ms, data).split(b"\n", 5)
    assert version == b"amibus-command-1"
    assert lines == [part.encode() for part in (pbx, id, str(at_ms), str(ttl_ms))]
    assert rest == data
