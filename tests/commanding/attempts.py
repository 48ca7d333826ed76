"""Attempts to make a client's text into more than text, and the whole way of a command to the PBX's bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgpack

from publisher.ami.actions import encode_action
from publisher.commanding.headers import action_of
from publisher.commanding.outcomes import Outcome
from publisher.services.intake import Intake
from schemas.reply import Reason, State
from tests.commanding.asterisk import Request, requests
from tests.commanding.generous import NOW_MS, intake, queued
from tests.schemas.action_examples import CONTROLS, EVALUATED, SURROGATES

MARKER = "INJECTED"
VERSIONS = ("1.3", "9.0.0")
INTAKES: dict[str, Intake] = {encoding: intake(encoding=encoding) for encoding in ("utf-8", "cp1251")}

# No field and no name may hold any of these, alone or among what is right.
NEVER = [
    *CONTROLS,
    *SURROGATES,
    *EVALUATED,
    f"\r\nAction: Originate\r\nChannel: SIP/{MARKER}\r\n\r\n",
    f"\r\n\r\nAction: Command\r\nCommand: {MARKER}\r\n\r\n",
    f"\nAction: {MARKER}",
    f"\rAction: {MARKER}",
    f"\u2028Action: {MARKER}",
    "x" * 2_000,
]
# What joins a second channel, file, argument or command to the first somewhere in Asterisk.
JOINERS = [
    *(
        "&SIP/300",
        "&",
        ",x",
        ",",
        "|x",
        "|",
        "(x)",
        "[x]",
        "{x}",
        "\\",
        "\\x",
        '"',
        "'",
        "`id`",
        "$(id)",
        "$",
        "!",
    ),
    *(" ", " x", "?x", "%0a", "^x", "é", "я", "\u200b", "\xa0", "\u3000", "\ufeff", "\u0661"),
]
# And what does so where no channel, device, provider or mailbox stands.
SEPARATORS = [";rm", ";", "/x", "/", "../x", "@x", "=x", "<x>", ">", ":x", "~x"]
WRONG_TYPES: list[Any] = [
    *(1.5, float("nan"), float("inf"), 10**30, -(10**30), b"x", [], [MARKER], [[MARKER]], [{}], [None]),
    *({MARKER: {MARKER: {}}}, {MARKER: 1.5}, {"": MARKER}, [True], {"A": b"x"}),
]


def spoilt(value: str, parts: list[str]) -> list[str]:
    """The value with each part alone, before it, behind it and in it."""
    middle = len(value) // 2
    return [
        made
        for part in parts
        for made in (part, part + value, value + part, value[:middle] + part + value[middle:])
        if made != value
    ]


def written(body: Any) -> list[bytes]:
    """The body as careless writers make it, who check nothing: MessagePack and JSON, where they can."""
    found: list[bytes] = []
    # No number of MessagePack is as large as some are here.
    with suppress(OverflowError):
        found.append(msgpack.packb(body, unicode_errors="surrogatepass"))
    # JSON has no bytes.
    with suppress(TypeError):
        found.append(json.dumps(body).encode())
    assert found
    return found


def executed(
    body: bytes | Mapping[str, Any], encoding: str = "utf-8", **changes: Any
) -> list[Request] | Outcome:
    """What Asterisk of each age would read; or the outcome of a command that never gets so far."""
    _, verdict = INTAKES[encoding].admit(queued(body, **changes), NOW_MS, 0.0)
    if isinstance(verdict, Outcome):
        assert verdict.state is State.REJECTED
        assert verdict.reason in (Reason.INVALID, Reason.NOT_ALLOWED, Reason.UNAUTHENTICATED)
        assert verdict.message.isprintable()
        assert len(verdict.message) < 1_000
        return verdict
    read = []
    for version in VERSIONS:
        name, headers, _ = action_of(verdict.command, verdict.fields, version)
        (request,) = requests(encode_action(name, headers, verdict.id, encoding))
        first, second, *others = request.pairs()
        assert first == (b"Action", name.encode())
        assert second == (b"ActionID", verdict.id.encode())
        assert not [header for header, _ in others if header.lower() in (b"action", b"actionid")]
        assert b"${" not in b"\n".join(request.lines)
        assert b"$[" not in b"\n".join(request.lines)
        read.append(request)
    return read
