"""What the golden vectors of commands are made of: what is taken, how it is signed, and what is refused."""

from __future__ import annotations

from typing import Any

from schemas.codecs import json_body
from schemas.command import Command, signature, signed_text
from schemas.errors import CommandError

PBX = "main"
TOKEN = "an-obviously-fake-token"
AT_MS = 1_795_424_093_210
TTL_MS = 30_000

# As a client may write them: names in any case, numbers as texts.
TAKEN: list[dict[str, Any]] = [
    {
        "action": "Originate",
        "fields": {
            "Phone": "200",
            "Exten": "+74951234567",
            "CallerID": "Отдел продаж <200>",
            "Timeout": "20000",
            "Variable": {"CRM_ID": 15, "__NOTE": 'a,b "c" \\ (d) [e] 😀'},
        },
    },
    {"action": "hangup", "fields": {"channel": "PJSIP/200-0000001a", "cause": 16}},
    {"action": "Atxfer", "fields": {"Channel": "SIP/200-0000001a", "Exten": "201", "Context": None}},
    {"action": "QueuePause", "fields": {"Interface": "PJSIP/200", "Paused": "Yes", "Reason": "обед"}},
    {"action": "Setvar", "fields": {"Channel": "PJSIP/200-0000001a", "Variable": "CRM_ID", "Value": ""}},
    {"action": "UserEvent", "fields": {"UserEvent": "CrmNote", "Headers": {"Line": ["one", "two"]}}},
    {"action": "CoreShowChannels", "priority": "bulk"},
    {"action": "DBGet", "fields": {"Family": "cidname", "Key": "200"}, "raw": True},
]

REFUSED: list[dict[str, Any]] = [
    {"v": 2},
    {"id": "with space"},
    {"client": "Crm"},
    {"priority": "urgent"},
    {"raw": 1},
    {"action": "Command"},
    {"action": "Login", "raw": True},
    {"fields": ["Channel"]},
    {"action": "Hangup", "fields": {}},
    {"action": "Hangup", "fields": {"Channel": "/.*/"}},
    {"action": "Hangup", "fields": {"Channel": "SIP/200", "channel": "SIP/201"}},
    {"action": "Hangup", "fields": {"Channel": "SIP/200&SIP/201"}},
    {"action": "Hangup", "fields": {"Channel": "SIP/200", "Cause": 128}},
    {"action": "Hangup", "fields": {"Channel": "SIP/200", "Reason": "x"}},
    {"action": "Originate", "fields": {"Phone": "200", "Exten": "201\r\nAction: Originate"}},
    {"action": "Originate", "fields": {"Phone": "200", "Exten": "201", "Variable": {"A B": "1"}}},
    {"action": "Originate", "fields": {"Phone": "200", "Exten": "201", "Variable": {"A": "${SHELL(id)}"}}},
    {"action": "Originate", "fields": {"Phone": "200", "Exten": "201", "CallerID": '"A"B" <200>'}},
    {"action": "MixMonitor", "fields": {"Channel": "SIP/200-1", "File": "../x.wav"}},
    {"action": "Setvar", "fields": {"Variable": "A", "Value": "line\u2028end"}},
    {"action": "DBGet", "fields": {"ActionID": "x"}, "raw": True},
    {"action": "DBGet", "fields": {"Fam: ily": "x"}, "raw": True},
]

# Bytes that hold no map of this contract.
REFUSED_BYTES: list[tuple[str, bytes]] = [
    ("a key that stands twice", b"\x82\xa1v\x01\xa1v\x01"),
    ("a key that stands twice", b'{"v":1,"v":1}'),
    ("an extension type", b"\x81\xa1v\xd4\x05x"),
    ("bytes that are no text", b"\x81\xa1v\xc4\x01x"),
    ("a list", b"\x91\x01"),
    ("a map and one byte more", b"\x80\x00"),
    ("half a character", b'{"id":"\\ud800"}'),
    ("no number", b'{"v":NaN}'),
]


def _body(number: int, changes: dict[str, Any]) -> dict[str, Any]:
    return {"v": 1, "id": f"vector-{number}", "client": "crm", "action": "Ping", "fields": {}} | changes


def _taken(number: int, changes: dict[str, Any]) -> dict[str, Any]:
    given = _body(number, changes)
    command = Command.from_map(given)
    read = command.to_map()
    packed, text = command.encode(), json_body(read)
    return {
        "given": given,
        "body": read,
        "msgpack": packed.hex(),
        "msgpack_signature": _signature(command, packed),
        "json": text.decode(),
        "json_signature": _signature(command, text),
    }


def _signature(command: Command, body: bytes) -> str:
    return signature(TOKEN, signed_text(PBX, command.id, AT_MS, TTL_MS, body))


def _refusal(number: int, changes: dict[str, Any]) -> dict[str, Any]:
    given = _body(number, changes)
    try:
        Command.from_map(given)
    except CommandError as error:
        return {"given": given, "field": error.field}
    raise AssertionError(f"{changes} is taken")


def command_vectors() -> dict[str, Any]:
    """The vectors of commands."""
    return {
        "about": "given: a body as a client may write it; body: how it is read; msgpack (in hexadecimal) and "
        "json: as ami-bus writes it, with the signature of those bytes for this pbx, token, at and ttl. "
        "refused: bodies that are no commands, with the field that the error names; refused_bytes: in "
        "hexadecimal.",
        "pbx": PBX,
        "token": TOKEN,
        "at": AT_MS,
        "ttl": TTL_MS,
        "cases": [_taken(number, changes) for number, changes in enumerate(TAKEN, 1)],
        "refused": [_refusal(number, changes) for number, changes in enumerate(REFUSED, 1)],
        "refused_bytes": [{"about": about, "bytes": data.hex()} for about, data in REFUSED_BYTES],
    }
