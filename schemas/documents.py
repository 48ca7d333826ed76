"""The machine-readable side of the contract: JSON Schemas, the AsyncAPI document, the scripts that clients of
the command queue run, and the golden vectors.

They are files of this package, so that `amibus schema` and a test in any language read the same bytes. A
script is given whole, with what stands before each of them.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

from schemas.command_queue import CLIENT_SCRIPTS, client_script
from schemas.errors import UnknownDocument

EVENT_SCHEMA: Final = "event.schema.json"
CONTROL_SCHEMA: Final = "control.schema.json"
CALL_SCHEMA: Final = "call.schema.json"
COMMAND_SCHEMA: Final = "command.schema.json"
REPLY_SCHEMA: Final = "reply.schema.json"
ASYNCAPI: Final = "asyncapi.json"
VECTORS: Final = ("tokens", "routing", "topics", "envelopes", "packet_text", "calls", "commands")

_DOCUMENTS: Final = {
    EVENT_SCHEMA: "JSON Schema (draft 2020-12) of an event's body",
    CONTROL_SCHEMA: "JSON Schema (draft 2020-12) of the control key of control events",
    CALL_SCHEMA: "JSON Schema (draft 2020-12) of a call event's body",
    COMMAND_SCHEMA: "JSON Schema (draft 2020-12) of a command's body",
    REPLY_SCHEMA: "JSON Schema (draft 2020-12) of a command's reply",
    ASYNCAPI: "AsyncAPI 3.0: exchanges, routing keys, headers, content types",
    "vectors/tokens.json": "golden vectors: text and the token it is written as",
    "vectors/routing.json": "golden vectors: events and their routing keys",
    "vectors/topics.json": "golden vectors: patterns, keys and whether they match",
    "vectors/envelopes.json": "golden vectors: bodies as map, MessagePack and JSON",
    "vectors/packet_text.json": "golden vectors: bodies and the packet's text",
    "vectors/calls.json": "golden vectors: call events as map, MessagePack and JSON, and their routing keys",
    "vectors/commands.json": "golden vectors: commands, their signatures, and what is refused",
    "enqueue.lua": "script for Redis: puts a command into the queue, once",
    "expire.lua": "script for Redis: ends a command whose time is over while no collector is there",
    "cancel.lua": "script for Redis: asks that a command be not sent",
}


def names() -> dict[str, str]:
    """Each document's name and what it is, in one line."""
    return dict(_DOCUMENTS)


def read(name: str) -> str:
    """A document's text; a script whole. Raises `UnknownDocument` that names those there are."""
    if name not in _DOCUMENTS:
        raise UnknownDocument(f"there is no document {name!r}; there are {', '.join(_DOCUMENTS)}")
    script, _, ending = name.rpartition(".")
    if ending == "lua":
        assert script in CLIENT_SCRIPTS
        return client_script(script)
    return files("schemas").joinpath(name).read_text(encoding="utf-8")


def load(name: str) -> Any:
    """A JSON document, parsed. Raises `UnknownDocument` as `read` does."""
    return json.loads(read(name))
