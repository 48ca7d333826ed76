"""The documents about call events agree with each other and with the code.

`python -m tests.schemas.test_call_documents` writes the golden vectors anew where a change is meant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas import documents
from schemas.call_event import CALLS_EXCHANGE, CallEvent, CallState, call_keys
from schemas.codecs import decode_map, json_body, pack_body
from schemas.message import JSON, MSGPACK
from tests.schemas.test_call_event import FULL, LEAST
from tests.schemas.vector_cases import file_text

ASYNCAPI = documents.load(documents.ASYNCAPI)
VECTORS = "vectors/calls.json"
# How the AsyncAPI document calls what the schema has in its `$defs`.
NAMES = {"party": "CallParty", "callee": "Callee", "transfer": "CallTransfer"}


def vectors() -> dict[str, Any]:
    plain = {key: FULL[key] for key in ("linkedid", "caller", "original_caller", "callee", "callees")}
    missed = {"id": "main-1a2-2f.missed.0", "state": "missed", "reason": "busy", "cause": 17}
    bodies = [LEAST, LEAST | plain, FULL, LEAST | missed | {"ring_secs": 20.25, "talk_secs": 0.0}]
    bodies.append(LEAST | {"pbx": "Main.Office", "extensions": ["+74951234567", "*8", "Отдел"]})
    bodies.append(LEAST | {"extensions": []})
    cases = []
    for body in bodies:
        event = CallEvent.from_map(body)
        keys = call_keys(event)
        case = {"body": event.to_map(), "routing_key": keys[0], "CC": list(keys[1:])}
        case |= {"msgpack": pack_body(event.to_map()).hex(), "json": json_body(event.to_map()).decode()}
        cases.append(case)
    return {"cases": cases}


def test_the_golden_call_events_are_what_the_code_gives() -> None:
    assert documents.read(VECTORS) == file_text(vectors())


def test_the_golden_call_events_hold_when_read_as_another_language_would() -> None:
    schema = Draft202012Validator(documents.load(documents.CALL_SCHEMA))
    for case in documents.load(VECTORS)["cases"]:
        packed = bytes.fromhex(case["msgpack"])
        assert decode_map(MSGPACK, packed) == decode_map(JSON, case["json"].encode()) == case["body"]
        assert CallEvent.from_map(case["body"]).to_map() == case["body"]
        schema.validate(case["body"])
        for key in [case["routing_key"], *case["CC"]]:
            assert key.split(".")[1] == case["body"]["state"]


def test_the_json_schema_is_one_of_draft_2020_12() -> None:
    schema = documents.load(documents.CALL_SCHEMA)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def with_references(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: f"#/components/schemas/{NAMES[value.rpartition('/')[2]]}"
            if key == "$ref"
            else with_references(value)
            for key, value in node.items()
        }
    return [with_references(one) for one in node] if isinstance(node, list) else node


def test_the_asyncapi_document_has_the_schema_word_for_word() -> None:
    schema = documents.load(documents.CALL_SCHEMA)
    del schema["$schema"], schema["$id"]
    parts = schema.pop("$defs")
    assert ASYNCAPI["components"]["schemas"]["CallEvent"] == with_references(schema)
    for name, here in NAMES.items():
        assert ASYNCAPI["components"]["schemas"][here] == with_references(parts[name])


def test_the_asyncapi_document_describes_the_exchange_of_calls() -> None:
    channel = ASYNCAPI["channels"]["calls"]
    exchange = channel["bindings"]["amqp"]["exchange"]
    assert (exchange["name"], exchange["type"], exchange["durable"]) == (CALLS_EXCHANGE, "topic", True)
    states = ASYNCAPI["components"]["parameters"]["state"]["enum"]
    assert states == [state.value for state in CallState]
    assert {message["contentType"] for message in channel["messages"].values()} == {MSGPACK, JSON}


@pytest.mark.parametrize("name", ["CallMsgpack", "CallJson"])
def test_its_examples_are_messages_of_the_contract(name: str) -> None:
    message = ASYNCAPI["channels"]["calls"]["messages"][name]
    assert message["examples"]
    for example in message["examples"]:
        for part in ("headers", "payload"):
            schema = {"components": ASYNCAPI["components"], **message[part]}
            Draft202012Validator(schema).validate(example[part])
        event = CallEvent.from_map(example["payload"])
        assert event.to_map() == example["payload"]
        headers = example["headers"]
        named = {"pbx": event.pbx, "epoch": event.epoch, "seq": event.seq, "call": event.call}
        assert {key: headers[key] for key in named} == named
        assert headers.get("CC", []) == list(call_keys(event)[1:])


if __name__ == "__main__":
    package = Path(__file__).parents[2] / "schemas"
    (package / VECTORS).write_text(file_text(vectors()), encoding="utf-8")
