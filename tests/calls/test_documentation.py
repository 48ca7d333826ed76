"""The page on call events: its examples are call events, its tables name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from consumers.calls import CallEvent, CallState, outcome, passing_on, turn
from schemas import documents

PAGE = (Path(__file__).parents[2] / "deploy/docs/call-events.md").read_text(encoding="utf-8")
EXAMPLES: list[dict[str, Any]] = [
    json.loads(text) for text in re.findall(r"^```jsonc\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]
SCHEMA = documents.load(documents.CALL_SCHEMA)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["state"])
def test_an_example_is_a_call_event(example: dict[str, Any]) -> None:
    Draft202012Validator(SCHEMA).validate(example)
    assert CallEvent.from_map(example).to_map() == example


def test_there_is_an_example_of_each_state() -> None:
    assert [example["state"] for example in EXAMPLES] == [state.value for state in CallState]


def words(*headings: str) -> set[str]:
    """What stands in backticks in the first column of the tables under these headings."""
    found: set[str] = set()
    for heading in headings:
        section = re.split(r"^#+ ", PAGE.split(heading, 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
        for row in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE):
            found.update(re.findall(r"`(\w+)`", row))
    return found


def test_its_tables_name_every_state_field_and_kind() -> None:
    assert words("## States") == {state.value for state in CallState}
    assert words("## Fields\n") == set(SCHEMA["properties"]) - {"v", "state"}
    kinds = {turn.BLIND, turn.REDIRECT, passing_on.ATTENDED, passing_on.PARK, passing_on.PICKUP}
    assert words("### Transfers") - {"kind"} == kinds


def test_it_names_every_reason_and_result() -> None:
    reasons = {outcome.COMPLETED, outcome.MERGED, outcome.FORGOTTEN, outcome.UNKNOWN, outcome.ABANDONED}
    results = {outcome.NO_ANSWER, outcome.BUSY, outcome.REJECTED, outcome.CONGESTION, outcome.UNREACHABLE}
    for word in reasons | results | {outcome.CANCELLED, outcome.ELSEWHERE}:
        assert f"`{word}`" in PAGE
