"""The documents of the contract: they validate, agree with each other and with the code."""

from __future__ import annotations

import copy
import hmac
import json
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from schemas import documents
from schemas.broker_topology import EVENTS, UNROUTED, UNROUTED_BINDING
from schemas.codecs import decode, decode_map
from schemas.command import Command
from schemas.command_queue import CLIENT_SCRIPTS, client_script, prelude
from schemas.envelope import Event, packet_text
from schemas.errors import CommandError, UnknownDocument
from schemas.message import EVENTS_EXCHANGE, JSON, MAX_EXTENSIONS, MSGPACK, UNROUTED_EXCHANGE, UNROUTED_QUEUE
from schemas.routing import control_key, escape_token, routing_key, routing_keys
from schemas.topics import TopicPattern
from tests.schemas.topic_model import takes
from tests.schemas.vector_cases import file_text, vectors

with warnings.catch_warnings():
    # The models have a field named "schema", of which pydantic warns when they are imported.
    warnings.simplefilter("ignore", UserWarning)
    from asyncapi3.models import AsyncAPI3

ROOT = Path(__file__).parents[2]
ASYNCAPI = documents.load(documents.ASYNCAPI)


def test_every_document_of_the_package_is_listed_and_read() -> None:
    files = {path.relative_to(ROOT / "schemas").as_posix() for path in (ROOT / "schemas").rglob("*.json")}
    scripts = {f"{name}.lua" for name in CLIENT_SCRIPTS}
    assert files | scripts == set(documents.names())
    assert all(documents.names().values())
    for name in files:
        assert json.loads(documents.read(name)) == documents.load(name)
    assert {f"vectors/{name}.json" for name in documents.VECTORS} == {
        name for name in files if name.startswith("vectors/")
    }


@pytest.mark.parametrize("name", CLIENT_SCRIPTS)
def test_a_client_s_script_is_given_whole(name: str) -> None:
    text = documents.read(f"{name}.lua")
    assert text == client_script(name)
    assert text.startswith(prelude())
    assert text.endswith((ROOT / f"schemas/lua/{name}.lua").read_text(encoding="utf-8"))


def test_documents_are_part_of_what_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert {"*.json", "*.lua"} <= set(settings["package-data"]["*"])
    assert "schemas*" in settings["packages"]["find"]["include"]


def test_an_unknown_document_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownDocument, match=r"no document 'x.json'; there are event.schema.json, control"):
        documents.read("x.json")


@pytest.mark.parametrize(
    "name",
    [documents.EVENT_SCHEMA, documents.CONTROL_SCHEMA, documents.COMMAND_SCHEMA, documents.REPLY_SCHEMA],
)
def test_a_json_schema_is_one_of_draft_2020_12(name: str) -> None:
    schema = documents.load(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def test_the_event_schema_carries_the_control_schema_with_it() -> None:
    control = documents.load(documents.CONTROL_SCHEMA)
    del control["$schema"]
    assert documents.load(documents.EVENT_SCHEMA)["$defs"] == {"control": control}


def test_the_asyncapi_document_validates() -> None:
    AsyncAPI3.model_validate(ASYNCAPI)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("asyncapi",), "2.6.0"),
        (("info",), {"title": "no version"}),
        (("channels", "events", "adress"), "misspelt"),
        (("channels", "events", "bindings", "amqp", "exchange", "type"), "tropic"),
        (("operations", "publishEvent", "action"), "publish"),
        (("operations", "publishEvent", "bindings", "amqp", "deliveryMode"), 3),
        (("components", "messages", "EventJson", "contentTyp"), "application/json"),
        (("servers", "rabbitmq", "protocol"), None),
    ],
)
def test_a_spoilt_asyncapi_document_does_not_validate(path: tuple[str, ...], value: Any) -> None:
    spoilt = copy.deepcopy(ASYNCAPI)
    place = spoilt
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValidationError):
        AsyncAPI3.model_validate(spoilt)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from references(one)


def resolve(reference: str) -> Any:
    node = ASYNCAPI
    assert reference.startswith("#/"), f"{reference} points outside the document"
    for key in reference[2:].split("/"):
        node = node[key]
    return node


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    found = set(references(ASYNCAPI))
    assert len(found) > 20
    for reference in found:
        resolve(reference)


def test_every_operation_names_messages_of_its_own_channel() -> None:
    for operation in ASYNCAPI["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])


def test_channel_addresses_use_exactly_the_parameters_that_are_described() -> None:
    for channel in ASYNCAPI["channels"].values():
        used = {word[1:-1] for word in channel["address"].split(".") if word.startswith("{")}
        assert used == set(channel.get("parameters", {}))


def test_the_asyncapi_document_has_the_json_schemas_word_for_word() -> None:
    event = documents.load(documents.EVENT_SCHEMA)
    control = documents.load(documents.CONTROL_SCHEMA)
    for schema in (event, control):
        del schema["$schema"], schema["$id"]
    del event["$defs"]
    event["properties"]["control"] = {"$ref": "#/components/schemas/Control"}
    assert ASYNCAPI["components"]["schemas"]["Event"] == event
    assert ASYNCAPI["components"]["schemas"]["Control"] == control


def test_the_asyncapi_document_describes_the_exchanges_that_are_declared() -> None:
    channels = ASYNCAPI["channels"]
    for channel, spec in (("events", EVENTS), ("control", EVENTS), ("unrouted", UNROUTED)):
        exchange = channels[channel]["bindings"]["amqp"]["exchange"]
        assert (exchange["name"], exchange["type"], exchange["durable"]) == (spec.name, spec.type, True)
    assert EVENTS.name == EVENTS_EXCHANGE
    assert EVENTS.arguments["alternate-exchange"] == UNROUTED.name == UNROUTED_EXCHANGE
    assert (
        channels["unroutedQueue"]["bindings"]["amqp"]["queue"]["name"]
        == UNROUTED_BINDING.queue
        == UNROUTED_QUEUE
    )
    assert ASYNCAPI["defaultContentType"] == MSGPACK
    assert {message["contentType"] for message in ASYNCAPI["components"]["messages"].values()} == {
        MSGPACK,
        JSON,
    }
    assert ASYNCAPI["components"]["schemas"]["Headers"]["properties"]["CC"]["maxItems"] == MAX_EXTENSIONS - 1


@pytest.mark.parametrize("name", sorted(ASYNCAPI["components"]["messages"]))
def test_the_examples_are_messages_of_the_contract(name: str) -> None:
    message = ASYNCAPI["components"]["messages"][name]
    for example in message["examples"]:
        for part in ("headers", "payload"):
            Draft202012Validator({"components": ASYNCAPI["components"], **message[part]}).validate(
                example[part]
            )
        event = Event.from_map(example["payload"])
        assert event.to_map() == example["payload"]
        headers = example["headers"]
        assert (headers["pbx"], headers["epoch"], headers["seq"]) == (event.pbx, event.epoch, event.seq)
        assert headers["call"] == event.call
        keys = routing_keys(event.pbx, event.event, event.extensions)
        assert headers.get("CC", []) == list(keys[1:])


@pytest.mark.parametrize("name", sorted(vectors()))
def test_the_golden_vectors_are_what_the_code_gives(name: str) -> None:
    assert documents.read(name) == file_text(vectors()[name])


def test_the_golden_vectors_hold_when_read_as_another_language_would() -> None:
    for case in documents.load("vectors/tokens.json")["cases"]:
        assert escape_token(case["text"]) == case["token"]
    for case in documents.load("vectors/routing.json")["cases"]:
        keys = [case["routing_key"], *case["CC"]]
        assert keys[0] == routing_key(case["pbx"], case["event"], (case["extensions"] or [""])[0])
        assert all(len(key.split(".")) == 3 for key in keys)
    for case in documents.load("vectors/routing.json")["control"]:
        assert TopicPattern(f"*.control.{case['kind']}").matches(control_key(case["pbx"], case["kind"]))
    topics = documents.load("vectors/topics.json")
    for pattern, matched in topics["matches"].items():
        assert matched == [key for key in topics["keys"] if takes(pattern, key)]
    for case in documents.load("vectors/envelopes.json")["cases"]:
        packed = bytes.fromhex(case["msgpack"])
        assert decode_map(MSGPACK, packed) == decode_map(JSON, case["json"].encode()) == case["body"]
        assert decode(MSGPACK, packed).to_map() == case["body"]
        Draft202012Validator(documents.load(documents.EVENT_SCHEMA)).validate(case["body"])
    for case in documents.load("vectors/packet_text.json")["cases"]:
        envelope = documents.load("vectors/envelopes.json")["cases"][0]["body"]
        assert packet_text(Event.from_map(envelope | case["body"])) == case["packet"]


def test_the_golden_commands_hold_when_read_as_another_language_would() -> None:
    golden = documents.load("vectors/commands.json")
    schema = Draft202012Validator(documents.load(documents.COMMAND_SCHEMA))
    for case in golden["cases"]:
        schema.validate(case["given"])
        schema.validate(case["body"])
        for data, given_signature in (
            (bytes.fromhex(case["msgpack"]), case["msgpack_signature"]),
            (case["json"].encode(), case["json_signature"]),
        ):
            lines = ["amibus-command-1", golden["pbx"], case["body"]["id"], golden["at"], golden["ttl"]]
            text = "".join(f"{line}\n" for line in lines).encode() + data
            assert hmac.new(golden["token"].encode(), text, "sha256").hexdigest() == given_signature
            assert Command.decode(data).to_map() == case["body"]
            assert Command.from_map(case["given"]) == Command.decode(data)
    for case in golden["refused"]:
        with pytest.raises(CommandError) as caught:
            Command.from_map(case["given"])
        assert caught.value.field == case["field"]
    for case in golden["refused_bytes"]:
        with pytest.raises(CommandError):
            Command.decode(bytes.fromhex(case["bytes"]))
