"""Packets as Asterisk writes them: `Name: value` lines with CRLF, closed by an empty line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

Fields = Iterable[tuple[str, object]]

ALL_CLASSES: Final = frozenset(
    {
        "system",
        "call",
        "log",
        "verbose",
        "command",
        "agent",
        "user",
        "config",
        "dtmf",
        "reporting",
        "cdr",
        "dialplan",
        "originate",
        "agi",
        "cc",
        "aoc",
        "test",
        "security",
        "message",
    }
)
# The name of a "field" whose value is written as it is: the command output of old servers.
RAW: Final = ""
_PRIVILEGE: Final = re.compile(rb"^Privilege: ([^\r\n]*)", re.MULTILINE)


def packet(fields: Fields, encoding: str = "utf-8") -> bytes:
    """One packet with its closing empty line. Values are written raw, as Asterisk does."""
    text = "".join(f"{name}: {value}\r\n" if name else f"{value}\r\n" for name, value in fields)
    return (text + "\r\n").encode(encoding, "surrogateescape")


def response(kind: str, action_id: str, fields: Fields = ()) -> list[tuple[str, object]]:
    """A response's fields: the ActionID follows the first line, where the client gave one."""
    head: list[tuple[str, object]] = [("Response", kind)]
    if action_id:
        head.append(("ActionID", action_id))
    return head + list(fields)


def classes_of(event: bytes) -> frozenset[str]:
    """The classes a client must read to get an event; none for a packet without a Privilege line."""
    match = _PRIVILEGE.search(event)
    if match is None:
        return frozenset()
    return frozenset(name.strip() for name in match[1].decode("latin-1").lower().split(",")) & ALL_CLASSES


def parse_classes(text: str) -> frozenset[str]:
    """The classes of an `EventMask` or of a user's `read =`: on, off, all, or a list."""
    lowered = text.strip().lower()
    if lowered in {"on", "all", "yes", "true", "-1"}:
        return ALL_CLASSES
    if lowered in {"", "off", "none", "no", "false", "0"}:
        return frozenset()
    names = frozenset(name.strip() for name in lowered.split(","))
    return ALL_CLASSES if "all" in names else names & ALL_CLASSES
