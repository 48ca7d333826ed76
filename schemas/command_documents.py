"""The JSON Schemas of commands and replies, made from the table of actions. Pure.

Names of actions and fields are taken in any case. The schemas say in full what a command holds whose fields
are spelled as in the table; of one that spells them otherwise they know the names alone, and the collector
says the rest. They allow whatever the collector can read, and a little more: what a policy allows, and where
text holds something that the dialplan would evaluate, only the collector knows.
"""

from __future__ import annotations

from typing import Any, Final

from schemas.action_fields import ACTION, any_case
from schemas.actions import ACTIONS, ActionSpec
from schemas.command import CLIENT_FORM, ID_FORM, RAW_FIELDS, SESSION_ACTIONS, VERSION, Priority
from schemas.reply import FINAL, Reason
from schemas.reply import VERSION as REPLY_VERSION

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_TIME: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$"


def command_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a command's body."""
    names = [name for spec in ACTIONS.values() for name in (spec.name, spec.ami) if name]
    session = "|".join(map(any_case, sorted(SESSION_ACTIONS)))
    return {
        "$schema": _DRAFT,
        "$id": "urn:ami-bus:command:1",
        "title": "Command",
        "description": "The body of a command, in MessagePack or JSON. Unknown keys are ignored. Names of "
        "actions and fields are taken in any case; here they are spelled as in the AMI.",
        "type": "object",
        "required": ["v", "id", "client", "action"],
        "properties": {
            "v": {"description": "The version of the contract.", "type": "integer", "const": VERSION},
            "id": {
                "description": "The idempotency key, the ActionID and the channel's Uniqueid: random where "
                "that matters.",
                "type": "string",
                "pattern": f"^{ID_FORM}$",
                "examples": ["7f3c9a52e0d14b0c8a6f5b1d2e3f4a5b"],
            },
            "client": {
                "description": "The client's name in the policy; its token signs the command.",
                "type": "string",
                "pattern": f"^{CLIENT_FORM}$",
                "examples": ["crm"],
            },
            "action": {
                "description": f"The typed actions are {', '.join(names)}.",
                "type": "string",
                "pattern": f"^{ACTION.pattern}$",
                "examples": ["Originate"],
            },
            "fields": {"type": "object"},
            "raw": {
                "description": "Send the action as it stands; the policy must name it.",
                "type": "boolean",
                "default": False,
            },
            "priority": {"enum": [str(priority) for priority in Priority], "default": "interactive"},
        },
        "if": {"required": ["raw"], "properties": {"raw": {"const": True}}},
        "then": {
            "properties": {
                "action": {"not": {"pattern": f"^(?:{session})$"}},
                "fields": {"$ref": "#/$defs/raw"},
            }
        },
        "else": {
            "properties": {"action": {"pattern": f"^(?:{'|'.join(map(any_case, names))})$"}},
            "allOf": [_when(spec) for spec in ACTIONS.values()],
        },
        "$defs": {spec.name: _fields(spec) for spec in ACTIONS.values()}
        | {
            "raw": RAW_FIELDS.schema()
            | {"description": "The headers as they stand, but Action and ActionID."}
        },
    }


def _when(spec: ActionSpec) -> dict[str, Any]:
    """What holds for a typed command of this action."""
    names = "|".join(any_case(name) for name in (spec.name, spec.ami) if name)
    then: dict[str, Any] = {"properties": {"fields": {"$ref": f"#/$defs/{spec.name}"}}}
    if any(field.required for field in spec.fields.values()):
        then["required"] = ["fields"]
    return {
        "if": {"required": ["action"], "properties": {"action": {"pattern": f"^(?:{names})$"}}},
        "then": then,
    }


def _fields(spec: ActionSpec) -> dict[str, Any]:
    """The map of an action's fields: in full where all names are spelled as in the table."""
    schema: dict[str, Any] = {"title": spec.name, "description": spec.about, "type": "object"}
    if not spec.fields:
        return schema | {"maxProperties": 0}
    properties: dict[str, Any] = {}
    for name, field in spec.fields.items():
        kind = field.kind.schema()
        allowed = kind.pop("description", "")
        about = f"{field.about} Allowed: {allowed}." if allowed else field.about
        # A field that need not be there may be null as well.
        taken = kind if field.required else {"anyOf": [kind, {"type": "null"}]}
        properties[name] = {"description": about, **taken}
    full: dict[str, Any] = {"properties": properties}
    if required := [name for name, field in spec.fields.items() if field.required]:
        full["required"] = required
    spelled = "|".join(map(any_case, spec.fields))
    return schema | {
        "if": {"propertyNames": {"enum": list(spec.fields)}},
        "then": full,
        "else": {"propertyNames": {"pattern": f"^(?:{spelled})$"}},
    }


def reply_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a reply."""
    headers = {
        "type": "object",
        "additionalProperties": {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        },
    }
    return {
        "$schema": _DRAFT,
        "$id": "urn:ami-bus:reply:1",
        "title": "Reply",
        "description": "How a command went: exactly one final reply each, in MessagePack or JSON. Unknown "
        "keys are to be ignored.",
        "type": "object",
        "required": ["v", "id", "pbx", "action", "state", "at"],
        "properties": {
            "v": {"description": "The version of the contract.", "type": "integer", "const": REPLY_VERSION},
            "id": {"description": "The command's id.", "type": "string", "pattern": f"^{ID_FORM}$"},
            "pbx": {"description": "The PBX's name in the configuration.", "type": "string"},
            "action": {"description": "The command's action.", "type": "string"},
            "state": {
                "description": "succeeded: the PBX did it. failed: it was asked and did not. rejected and "
                "expired: it was never asked. unknown: it may have been done, and nobody can tell.",
                "enum": sorted(map(str, FINAL)),
            },
            "at": {
                "description": "When the command ended: RFC 3339, UTC, microseconds.",
                "type": "string",
                "format": "date-time",
                "pattern": _TIME,
            },
            "reason": {
                "description": "Why, in a word for programs; a later release may have more.",
                "type": "string",
                "examples": [str(reason) for reason in Reason],
            },
            "message": {"description": "Why, in a sentence, or the PBX's own words.", "type": "string"},
            "fields": headers
            | {
                "description": "The headers of the PBX's answer; for an Originate those of OriginateResponse."
            },
            "events": {
                "description": "The list that was asked for, each a map of headers.",
                "type": "array",
                "items": headers,
            },
            "output": {
                "description": "The lines of a CLI command.",
                "type": "array",
                "items": {"type": "string"},
            },
            "truncated": {"description": "The list was longer than is kept.", "type": "boolean"},
        },
    }
