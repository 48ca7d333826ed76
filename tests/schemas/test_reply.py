"""Replies: what is read is what was written, and a wrong one is refused by its key."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codecs import json_body
from schemas.errors import CommandError
from schemas.reply import FINAL, MAX_REPLY_BYTES, Reason, Reply, State, Step
from tests.schemas.strategies import field_maps, json_values, texts, times

MARKER = "7495REFUSED1234567"
DONE: dict[str, Any] = {
    "v": 1,
    "id": "c-1",
    "pbx": "main",
    "action": "Originate",
    "state": "failed",
    "at": "2026-11-23T08:54:53.850601Z",
    "reason": "busy",
    "message": "the phone was busy",
    "fields": {"Response": "Failure", "Reason": "5", "Variable": ["a=1", "b=2"]},
    "events": [{"Event": "Status", "Channel": ["x", "y"]}],
    "output": ["one", ""],
    "truncated": True,
}
REQUIRED = ("v", "id", "pbx", "action", "state", "at")
OPTIONAL = ("reason", "message", "fields", "events", "output", "truncated")


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    return Reply(
        id=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}", fullmatch=True)),
        pbx=draw(texts),
        action=draw(texts),
        state=draw(st.sampled_from(sorted(FINAL))),
        at=draw(times),
        reason=draw(st.sampled_from(list(Reason)) | texts),
        message=draw(texts),
        fields=draw(field_maps),
        events=tuple(draw(st.lists(field_maps, max_size=3))),
        output=tuple(draw(st.lists(texts, max_size=3))),
        truncated=draw(st.booleans()),
    )


def refusal(body: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        Reply.from_map(body)
    return caught.value


@given(replies())
def test_a_reply_comes_back_from_both_codecs(reply: Reply) -> None:
    for data in (reply.encode(), json_body(reply.to_map())):
        assert Reply.decode(data) == reply
        assert hash(Reply.decode(data)) == hash(reply)


@given(replies(), st.dictionaries(st.text(min_size=1), json_values, max_size=3))
def test_unknown_keys_are_ignored(reply: Reply, unknown: dict[str, Any]) -> None:
    extra = {key: value for key, value in unknown.items() if key not in DONE}
    assert Reply.from_map(reply.to_map() | extra) == reply


def test_what_does_not_apply_is_left_out() -> None:
    short = {key: DONE[key] for key in REQUIRED}
    reply = Reply.from_map(short)
    assert reply.to_map() == short
    assert (reply.reason, reply.events, reply.truncated, reply.succeeded) == ("", (), False, False)
    assert Reply.from_map(DONE).to_map() == DONE


@pytest.mark.parametrize("key", REQUIRED)
def test_a_key_that_is_missing_is_named(key: str) -> None:
    assert refusal({name: value for name, value in DONE.items() if name != key}).field == key


@pytest.mark.parametrize("key", DONE)
def test_a_key_of_the_wrong_kind_is_named_and_its_value_is_never_shown(key: str) -> None:
    wrong: list[Any] = [
        1,
        1.5,
        None,
        MARKER.encode(),
        {MARKER},
        [MARKER, 1],
        {MARKER: 1},
        {MARKER: {MARKER: ""}},
    ]
    if key == "v":
        wrong.remove(1)
        wrong += [2, "1", True]
    if key not in ("pbx", "action", "reason", "message"):
        wrong += [f"{MARKER}\n", ""]
    for value in wrong:
        error = refusal(DONE | {key: value})
        assert error.field == key
        assert MARKER not in str(error)


@pytest.mark.parametrize("state", ["queued", "claimed", "sending", "Failed", "failed\n", MARKER])
def test_a_state_that_is_not_final_is_no_reply(state: str) -> None:
    error = refusal(DONE | {"state": state})
    assert error.field == "state"
    assert "expired, failed, rejected, succeeded, unknown" in str(error)


@pytest.mark.parametrize(
    "at", [MARKER, "2026-11-23T08:54:53Z", "2026-13-23T08:54:53.850601Z", "1795424093210"]
)
def test_a_time_of_another_form_is_refused(at: str) -> None:
    error = refusal(DONE | {"at": at})
    assert error.field == "at"
    assert at not in str(error)


@pytest.mark.parametrize("headers", [{"A": []}, {"A": ["x", 1]}, {"A": None}, {"A": [["x"]]}, [], "x", None])
def test_headers_are_a_map_of_texts_and_lists_with_something_in_them(headers: Any) -> None:
    assert refusal(DONE | {"fields": headers}).field == "fields"
    assert refusal(DONE | {"events": [headers]}).field == "events"


@given(replies(), st.text(max_size=8))
def test_a_header_is_found_in_any_case_and_never_fails(reply: Reply, name: str) -> None:
    found = reply.field(name)
    matching = [value for known, value in reply.fields.items() if known.lower() == name.lower()]
    assert found == ("" if not matching else matching[0] if isinstance(matching[0], str) else matching[0][0])


def test_the_first_of_several_headers_of_a_name_is_the_one_that_is_asked_for() -> None:
    reply = Reply.from_map(DONE)
    assert (reply.field("VARIABLE"), reply.field("reason"), reply.field("none")) == ("a=1", "5", "")


def test_bytes_that_are_no_reply_are_refused() -> None:
    for data in (b"", b"{", b"[]", b"\x90", b"\xc1", b'{"v":1,"v":1}', msgpack.packb({1: 1})):
        with pytest.raises(CommandError) as caught:
            Reply.decode(data)
        assert caught.value.field == ""
    with pytest.raises(CommandError, match=f"has {MAX_REPLY_BYTES + 1} bytes, at most {MAX_REPLY_BYTES}"):
        Reply.decode(b"{" + b" " * MAX_REPLY_BYTES)


def test_a_reply_may_be_as_large_as_it_is_written() -> None:
    short = json.dumps({key: DONE[key] for key in REQUIRED} | {"message": ""})
    full = short.replace('"message": ""', '"message": "' + "x" * (MAX_REPLY_BYTES - len(short)) + '"')
    assert len(Reply.decode(full.encode()).message) == MAX_REPLY_BYTES - len(short)


def test_states_and_steps_are_told_apart() -> None:
    assert {state for state in State if state.final} == FINAL
    assert Reply.from_map(DONE | {"state": "succeeded"}).succeeded
    # The steps before the final reply are told in the words of the states where they are the same.
    assert {State.QUEUED, State.CLAIMED, State.SENDING} == {step for step in Step if step in set(State)}
