"""What the golden vectors are made of: the inputs; the answers come from the package.

The files in `schemas/vectors/` are frozen: a test regenerates them and compares, so that no change of the
contract slips by. Where a change is meant, `python -m tests.schemas.vector_cases` writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from schemas.codecs import json_body, pack_body
from schemas.envelope import Event, packet_text
from schemas.message import JSON, MSGPACK
from schemas.routing import control_key, escape_token, routing_keys
from schemas.topics import TopicPattern
from tests.schemas.command_vectors import command_vectors

TOKENS = [
    ["DialBegin", "VarSet", "200", "+74951234567", "trunk-out", "*8", "#1", "*21*200#", "810441234#"],
    [
        "",
        "-",
        "--",
        "*",
        "#",
        "**",
        "##",
        "a.b",
        ".",
        "100%",
        "%2E",
        "a b",
        " ",
        "a\tb",
        "a\r\nb",
        "\x00",
        "\x7f",
    ],
    [
        "a\x85b",
        "a\xa0b",
        "a\u2003b",
        "a\u2028b",
        "a\u3000b",
        "\u200b",
        "Отдел Продаж",
        "ÀÉÎ",
        "ẞ",
        "日本",
        "😀",
    ],
    ["a" * 60, "a" * 61, "a" * 200, "ё" * 30, "ё" * 31, "x" + "ё" * 40, "." * 20, "." * 21, "x" + "." * 40],
    ["x" * 49 + "\u3000" * 5, "x" * 42 + "\u3000" * 5, "😀" * 16, "Queue Member " * 6],
]

ROUTING: list[tuple[str, str, list[str]]] = [
    ("main", "DialBegin", ["202", "200"]),
    ("main", "Hangup", ["202"]),
    ("main", "Reload", []),
    ("main", "Newstate", ["Anna", "anna", "200"]),
    ("Main Office", "UserEvent", ["+74951234567", "100"]),
    ("pbx.1", "Hangup", ["*8", "*", "#"]),
    ("main", "QueueMemberStatus", [str(number) for number in range(200, 212)]),
    ("main", "control", ["gap"]),
    ("main", "Control", []),
    ("main", "control.gap", ["200"]),
    ("main", "E" * 70, ["2" * 70]),
]

CONTROL_KEYS = [("main", "gap"), ("main", "up"), ("main", "down"), ("Main.1", "gap")]

PATTERNS = [
    ["", "#", "*", "*.*", "*.*.*", "#.#", "#.*", "*.#", "#.*.#", "main", "main.#", "main.*", "main.*.200"],
    ["*.*.200", "#.200", "*.dialbegin.*", "main.dialbegin.200", "main.#.200", "*.*.*8", "*.control.*", "*."],
    [".", ".*", "main..200", "*.hangup.#.200", "#.hangup.#", "*.dial*.*", "a.#.a.#.a"],
]

KEYS = [
    [
        "",
        "main",
        "main.dialbegin",
        "main.dialbegin.200",
        "main.dialbegin.202",
        "main.hangup.200",
        "main.hangup",
    ],
    [
        "main..200",
        ".",
        "..",
        "main.",
        ".200",
        "main.newexten.*8",
        "main.control.gap",
        "main.dial*.200",
        "*.*.*",
    ],
    ["a.a", "a.a.a", "a.b.a.b.a", "main.hangup.x.y.200"],
]

_HEAD: dict[str, Any] = {"v": 1, "pbx": "main", "epoch": 1795424093210}


def _event(seq: int, event: str, extensions: list[str], fields: dict[str, Any], **optional: Any) -> Event:
    return Event.from_map(
        {
            **_HEAD,
            "id": f"main-1a2079d841a-{seq:x}",
            "seq": seq,
            "received_at": f"2026-11-23T08:54:55.{seq % 1_000_000:06d}Z",
            "event": event,
            "extensions": extensions,
            "fields": fields,
            **optional,
        }
    )


_GAP = {
    "kind": "gap",
    "from": "2026-11-23T08:54:50.000000Z",
    "to": "2026-11-23T08:54:55.000000Z",
    "cause": "the connection to the PBX was lost",
    "count": None,
}

ENVELOPES = [
    _event(
        1, "FullyBooted", [], {"Event": "FullyBooted", "Privilege": "system,all", "Status": "Fully Booted"}
    ),
    _event(
        2,
        "DialBegin",
        ["202", "200"],
        {
            "Event": "DialBegin",
            "Privilege": "call,all",
            "Channel": "SIP/202-00000001",
            "CallerIDName": "Анна Сидорова",
            "DestChannel": "SIP/200-00000002",
            "DestChanVariable": ["a=1", "b=", "c=x: y"],
            "DialString": "200",
            "AccountCode": "",
        },
        privilege="call,all",
        linkedid="1795424095.1",
        call="1795424095.1",
    ),
    _event(
        3,
        "Hangup",
        ["200"],
        {"Event": "Hangup", "Channel": "SIP/200-00000002"},
        synthetic=True,
        snapshot=True,
        call="1795424095.1",
    ),
    _event(
        255,
        "UserEvent",
        [],
        {"Event": "UserEvent", "Note": 'tab\t "quoted" \\ 😀 \ufffd'},
        suspect=True,
        undecodable=True,
        text='Event: UserEvent\r\nNote:tab\t "quoted" \\ 😀 \ufffd\r\n',
        call="main",
    ),
    _event(
        65536,
        "control.up",
        [],
        {},
        call="main",
        control={"kind": "up", "version": "9.0.0", "boot": "b1", "boot_us": 0},
    ),
    _event(
        65537,
        "control.down",
        [],
        {},
        call="main",
        control={"kind": "down", "cause": "lost", "reason": "The PBX closed the connection."},
    ),
    _event(4294967296, "control.gap", [], {}, call="main", control=_GAP),
    _event(
        2**53 - 1, "control.gap", [], {}, call="main", control=_GAP | {"count": 3, "from_seq": 7, "to_seq": 9}
    ),
]


def vectors() -> dict[str, Any]:
    """The vectors of each file, by its name in the package."""
    routing: list[dict[str, Any]] = []
    for pbx, event, extensions in ROUTING:
        key, *cc = routing_keys(pbx, event, extensions)
        routing.append({"pbx": pbx, "event": event, "extensions": extensions, "routing_key": key, "CC": cc})
    return {
        "vectors/tokens.json": {
            "about": "text: what is escaped; token: the word of a routing key that it is written as.",
            "cases": [{"text": text, "token": escape_token(text)} for group in TOKENS for text in group],
        },
        "vectors/routing.json": {
            "about": "an event's pbx, event and extensions; its routing key and the keys in the header CC.",
            "cases": routing,
            "control": [
                {"pbx": pbx, "kind": kind, "routing_key": control_key(pbx, kind)}
                for pbx, kind in CONTROL_KEYS
            ],
        },
        "vectors/topics.json": {
            "about": "matches: for each pattern those of the keys that it takes, on RabbitMQ too.",
            "keys": [key for group in KEYS for key in group],
            "matches": {
                pattern: [key for keys in KEYS for key in keys if TopicPattern(pattern).matches(key)]
                for group in PATTERNS
                for pattern in group
            },
        },
        "vectors/envelopes.json": {
            "about": "body: the map, keys in their order; msgpack (in hexadecimal) and json: as ami-bus "
            "writes it. A reader must get the map from either.",
            "content_types": {"msgpack": MSGPACK, "json": JSON},
            "cases": [
                {"body": body, "msgpack": pack_body(body).hex(), "json": json_body(body).decode()}
                for body in map(Event.to_map, ENVELOPES)
            ],
        },
        "vectors/packet_text.json": {
            "about": "body: the keys that matter; packet: the packet's text, without the empty line.",
            "cases": [
                {
                    "body": {"fields": event.fields} | ({"text": event.text} if event.text else {}),
                    "packet": packet_text(event),
                }
                for event in ENVELOPES
            ],
        },
        "vectors/commands.json": command_vectors(),
    }


def file_text(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    package = Path(__file__).parents[2] / "schemas"
    for name, document in vectors().items():
        (package / name).write_text(file_text(document), encoding="utf-8")
