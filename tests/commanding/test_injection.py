"""No text of a client becomes another header, action, dialplan evaluation or shell command.

Every field of every typed action is driven through the whole chain, as it stands in the queue, to the bytes
for the PBX, and these are read as Asterisk reads them. What is no plain text is refused by its field's name.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.commanding.headers import ID_VARIABLE
from publisher.commanding.outcomes import Outcome
from schemas.action_fields import CHANNEL, INTERFACE, MAILBOX, PRESENTITY, Text, TextMap, Word
from schemas.actions import ACTIONS
from tests.commanding.asterisk import Request
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
from tests.schemas.action_examples import ALTERNATIVES, all_fields, body, example, example_with, fields_of

FIELDS = all_fields()
# What the collector adds of its own: where nothing is given, or to tell the call by.
ADDED = {
    "Originate": {"Async", "Timeout", "Priority", "Context", "ChannelId", "OtherChannelId", "Variable"}
} | {
    action: {"Context", "Priority", "ExtraExten", "ExtraContext", "ExtraPriority"}
    for action in ("Redirect", "BlindTransfer", "AttendedTransfer", "ExtensionState")
}
ENCODINGS = ["utf-8", "cp1251"]


def kind_of(action: str, field: str) -> Any:
    return ACTIONS[action].fields[field].kind


def refused(made: dict[str, Any], field: str, encoding: str = "utf-8") -> None:
    """However the body is written: the command ends here, and its reply names the field."""
    for data in written(made):
        outcome = executed(data, encoding)
        assert isinstance(outcome, Outcome), (made, outcome)
        named = outcome.message.partition(":")[0]
        # Where the body itself is none, there are no fields yet.
        assert named.split(".")[0] == field or outcome.message.startswith("the body "), (
            made,
            outcome.message,
        )


def checked(action: str, given_fields: dict[str, Any], encoding: str) -> list[Request] | None:
    """The one action that comes of it, with the headers that were meant alone; None if it is refused."""
    results = [executed(data, encoding) for data in written(body(action, given_fields))]
    sent = [one for one in results if not isinstance(one, Outcome)]
    assert len(sent) in (0, len(results)), "one codec takes what the other refuses"
    if not sent:
        return None
    spec = ACTIONS[action]
    for read in sent:
        for request in read:
            assert request.header(b"Action").decode() == (spec.ami or spec.name)
            names = [name.decode() for name, _ in request.pairs()[2:]]
            own = set(given_fields) | ADDED.get(action, set()) | {"Channel", "Interface", "Channel2"}
            extra = given_fields.get("Headers", {})
            assert set(names) <= own | set(extra)
            many = {"Variable"} if action == "Originate" else set(extra)
            assert all(names.count(name) == 1 for name in names if name not in many)
    return sent[0]


@pytest.mark.parametrize(("action", "field"), FIELDS)
def test_no_field_takes_what_no_text_may_hold(action: str, field: str) -> None:
    fields = example_with(action, field)
    value = fields[field]
    if isinstance(value, dict):
        name = next(iter(value))
        for text in spoilt("text", NEVER):
            refused(body(action, fields | {field: value | {name: text}}), field)
            for data in written(body(action, fields | {field: value | {text: "1"}})):
                outcome = executed(data)
                assert isinstance(outcome, Outcome)
                assert outcome.message.startswith((f"{field}.", "the body "))
        return
    for text in spoilt("true" if isinstance(value, bool) else str(value), NEVER):
        refused(body(action, fields | {field: text}), field)


@pytest.mark.parametrize(("action", "field"), FIELDS)
def test_no_field_takes_another_type_than_its_own(action: str, field: str) -> None:
    fields = example_with(action, field)
    for value in WRONG_TYPES:
        refused(body(action, fields | {field: value}), field)
        # In a map whole numbers are texts too, and a list may be one of several.
        if isinstance(kind_of(action, field), TextMap) and type(value) is not int and value != [MARKER]:
            refused(body(action, fields | {field: {"A": value}}), field)
    if ACTIONS[action].fields[field].required:
        refused(body(action, fields | {field: None}), field)


@pytest.mark.parametrize(
    ("action", "field"),
    [(action, field) for action, field in FIELDS if isinstance(kind_of(action, field), Word)],
)
def test_no_name_is_joined_by_a_second_one(action: str, field: str) -> None:
    fields = example_with(action, field)
    kind = kind_of(action, field)
    parts = JOINERS if kind in (CHANNEL, INTERFACE, MAILBOX, PRESENTITY) else JOINERS + SEPARATORS
    if field == "Options":
        parts = [part for part in parts if part != "V"]
    for text in spoilt(str(fields[field]), parts):
        for encoding in ENCODINGS:
            refused(body(action, fields | {field: text}), field, encoding)


@pytest.mark.parametrize("field", ["Channel", "TimeoutChannel", "ExtraChannel"])
@pytest.mark.parametrize("channel", ["/SIP/.*/", "/.*/", "/", "/^PJSIP/", "//", "/SIP/200"])
def test_no_channel_is_an_expression_over_all_channels(field: str, channel: str) -> None:
    for action in {action for action, name in FIELDS if name == field}:
        refused(body(action, example_with(action, field) | {field: channel}), field)


@pytest.mark.parametrize(
    ("action", "field"),
    [(action, field) for action, field in FIELDS if kind_of(action, field) in (CHANNEL, INTERFACE)],
)
def test_what_a_channel_may_hold_stays_in_its_own_header(action: str, field: str) -> None:
    fields = example_with(action, field)
    for text in spoilt(str(fields[field]), SEPARATORS):
        read = checked(action, fields | {field: text}, "utf-8")
        for request in read or []:
            names = {"TimeoutChannel": b"Channel2"} if request.header(b"Channel2") else {}
            assert request.header(names.get(field, field.encode())).lower() == text.encode().lower()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("action", "field"),
    [(action, field) for action, field in FIELDS if isinstance(kind_of(action, field), Text)],
)
def test_free_text_arrives_in_its_own_header_as_it_was_given(action: str, field: str, encoding: str) -> None:
    fields = example_with(action, field)
    for text in (
        *JOINERS,
        *SEPARATORS,
        "Action: Originate",
        "%0d%0a",
        "\\r\\n",
        "Ёлка",
        "😀",
        "",
        " x",
        "$x {",
    ):
        read = checked(action, fields | {field: text}, encoding)
        if read is None:
            # Refused for what the encoding cannot say, or because it is empty.
            assert not text or not _can(text, encoding)
            continue
        for request in read:
            assert request.header(field.encode()) == text.encode(encoding).lstrip(b" ")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "text", [*JOINERS, *SEPARATORS, "A=1,B=2", 'x",B=2', "x\\,B=2", "(,B=2", "[,B=2)", "\\\\"]
)
def test_a_variable_s_value_sets_that_variable_alone(text: str, encoding: str) -> None:
    read = checked(
        "Originate", example("Originate") | {"Variable": {"A": text, "__B": f"{text}{text}"}}, encoding
    )
    if read is None:
        assert not _can(text, encoding)
        return
    given_values = [(b"A", text.encode(encoding)), (b"__B", (text * 2).encode(encoding))]
    for request, own in zip(read, ([(ID_VARIABLE.encode(), b"c-1")], []), strict=True):
        assert request.variables() == given_values + own


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", [*JOINERS, *SEPARATORS, "x: y", "Event: Hangup"])
def test_a_header_of_an_event_of_one_s_own_stays_one(text: str, encoding: str) -> None:
    fields = {"UserEvent": "CrmNote", "Headers": {"Card": text, "Line": ["one", text]}}
    read = checked("UserEvent", fields, encoding)
    assert (read is not None) is _can(text, encoding)
    for request in read or []:
        value = text.encode(encoding).lstrip(b" ")
        assert request.pairs()[2:] == [
            (b"UserEvent", b"CrmNote"),
            (b"Card", value),
            (b"Line", b"one"),
            (b"Line", value),
        ]


@pytest.mark.parametrize("name", ["Action", "ActionID", "ACTION", "actionid", "Event", "Privilege"])
def test_a_header_of_an_event_of_one_s_own_is_none_of_the_interface_s(name: str) -> None:
    made = body("UserEvent", {"UserEvent": "CrmNote", "Headers": {name: "Originate"}})
    outcome = executed(made)
    assert isinstance(outcome, Outcome)
    assert name in outcome.message


@pytest.mark.parametrize("action", ACTIONS)
def test_a_field_of_another_action_does_not_come_along(action: str) -> None:
    for name in (
        "Command",
        "Application",
        "Data",
        "PreDialGoSub",
        "Codecs",
        "Async",
        "ChannelId",
        "Variables",
    ):
        if name not in ACTIONS[action].fields:
            refused(body(action, example(action) | {name: "x"}), name)
    for name in (*JOINERS, *SEPARATORS, "A: B", "\r\nAction", "", "\ud800"):
        for data in written(body(action, example(action) | {f"X{name}": "x"})):
            assert isinstance(executed(data), Outcome)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("action", ACTIONS)
def test_the_examples_become_one_action_each(action: str, encoding: str) -> None:
    for fields in (example(action), *ALTERNATIVES.get(action, [])):
        assert checked(action, fields, encoding) is not None


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_is_taken_becomes_exactly_one_action(encoding: str, data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from(list(ACTIONS.values())))
    fields = data.draw(fields_of(spec))
    read = checked(spec.name, fields, encoding)
    if read is None:
        return
    for request in read:
        set_by_text = [name for name, _ in request.variables() if name != ID_VARIABLE.encode()]
        if spec.name == "Originate":
            assert set_by_text == [name.encode() for name in fields.get("Variable", {})]


def _can(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
