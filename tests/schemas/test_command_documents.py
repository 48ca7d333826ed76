"""The JSON Schemas of commands and replies: they take whatever is read, and refuse what a schema can."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from schemas import documents
from schemas.action_fields import TextMap, any_case
from schemas.actions import ACTIONS
from schemas.command import SESSION_ACTIONS, Command
from schemas.command_documents import command_schema, reply_schema
from schemas.reply import Reply
from tests.schemas.action_examples import ALTERNATIVES, all_fields, bodies, body, example, example_with
from tests.schemas.contract_files import DOCUMENTS, file_text
from tests.schemas.test_reply import DONE, REQUIRED, replies

COMMANDS = Draft202012Validator(command_schema())
REPLIES = Draft202012Validator(reply_schema())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_files_are_what_the_table_gives(name: str) -> None:
    assert documents.read(name) == file_text(DOCUMENTS[name]()), "run: make reference"


@given(bodies())
def test_whatever_is_read_as_a_command_validates(made: dict[str, Any]) -> None:
    COMMANDS.validate(made)
    COMMANDS.validate(Command.from_map(made).to_map())


@given(replies())
def test_whatever_is_read_as_a_reply_validates(reply: Reply) -> None:
    REPLIES.validate(reply.to_map())


@pytest.mark.parametrize("action", ACTIONS)
def test_the_examples_validate_with_their_optional_fields_or_null_in_their_place(action: str) -> None:
    spec = ACTIONS[action]
    for fields in (example(action), *ALTERNATIVES.get(action, [])):
        COMMANDS.validate(body(action, fields))
        absent = {
            name: None for name, field in spec.fields.items() if not field.required and name not in fields
        }
        COMMANDS.validate(body(action, fields | absent))
        Command.from_map(body(action, fields | absent))


@pytest.mark.parametrize("action", ACTIONS)
def test_a_missing_or_unknown_field_does_not_validate(action: str) -> None:
    fields = example(action)
    for wrong in (fields | {"Bogus": "1"}, *_without_required(action)):
        assert not COMMANDS.is_valid(body(action, wrong)), wrong
    if any(field.required for field in ACTIONS[action].fields.values()):
        without = body(action)
        del without["fields"]
        assert not COMMANDS.is_valid(without)


def _without_required(action: str) -> list[dict[str, Any]]:
    required = [name for name, field in ACTIONS[action].fields.items() if field.required]
    fields = example(action)
    return [{name: value for name, value in fields.items() if name != one} for one in required]


@pytest.mark.parametrize(("action", "field"), all_fields())
def test_a_value_of_the_wrong_kind_does_not_validate(action: str, field: str) -> None:
    is_map = isinstance(ACTIONS[action].fields[field].kind, TextMap)
    for value in (1.5, [], [["x"]], "" if is_map else {}, {"A": 1.5}, 10**30, "x" * 2000):
        assert not COMMANDS.is_valid(body(action, example_with(action, field) | {field: value})), value


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"v": 2},
            {"v": "1"},
            {"id": ""},
            {"id": "a b"},
            {"id": "x" * 61},
            {"client": "Crm"},
            {"action": "x y"},
        ),
        *(
            {"action": "Command"},
            {"fields": []},
            {"raw": "yes"},
            {"priority": "urgent"},
            {"raw": True, "fields": 1},
        ),
        {"raw": True, "fields": {"Bad Name": "x"}},
        {"raw": True, "fields": {"Name": {"x": "y"}}},
        *({"raw": True, "action": action.upper()} for action in sorted(SESSION_ACTIONS)),
    ],
)
def test_a_command_that_is_wrong_does_not_validate(change: dict[str, Any]) -> None:
    COMMANDS.validate(body("Ping", {}))
    assert not COMMANDS.is_valid(body("Ping", {}) | change)


@pytest.mark.parametrize("key", REQUIRED)
def test_a_reply_without_a_key_does_not_validate(key: str) -> None:
    REPLIES.validate(DONE)
    assert not REPLIES.is_valid({name: value for name, value in DONE.items() if name != key})


@pytest.mark.parametrize(
    "change",
    [
        *({"v": 2}, {"id": ".."}, {"state": "sending"}, {"at": "now"}, {"fields": []}, {"fields": {"A": []}}),
        *({"events": {}}, {"events": [{"A": 1}]}, {"output": [1]}, {"truncated": 1}, {"reason": None}),
    ],
)
def test_a_reply_that_is_wrong_does_not_validate(change: dict[str, Any]) -> None:
    assert not REPLIES.is_valid(DONE | change)


def test_every_action_of_the_table_has_its_fields_in_the_schema() -> None:
    schema = command_schema()
    assert list(schema["$defs"]) == [*ACTIONS, "raw"]
    for name, spec in ACTIONS.items():
        assert list(schema["$defs"][name].get("then", {}).get("properties", {})) == list(spec.fields)
        assert all(
            field.about in schema["$defs"][name]["then"]["properties"][one]["description"]
            for one, field in spec.fields.items()
        )


def test_a_word_in_any_case_is_an_expression_that_other_languages_know() -> None:
    assert any_case("Queue1") == "[Qq][Uu][Ee][Uu][Ee]1"
