"""Events as lines of JSON, or as the packets that Asterisk sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from consumers.plugin import DONE, Outcome, Reject, SinkEvent
from schemas.call_event import CallEvent
from schemas.codecs import json_body
from schemas.errors import EncodeError

_LINE_ENDS: Final = re.compile("[\r\n]+")
_OTHER_LINE_ENDS: Final = {chr(code).encode(): b"\\u%04x" % code for code in (0x85, 0x2028, 0x2029)}


def json_line(event: SinkEvent) -> bytes:
    """The event's body, in a line. Raises `EncodeError`.

    Characters that some readers take for a line's end stand there as escapes.
    """
    line = json_body(event.event.to_map())
    for character, escape in _OTHER_LINE_ENDS.items():
        if character in line:
            line = line.replace(character, escape)
    return line + b"\n"


def packet(event: SinkEvent) -> bytes:
    """The packet and the empty line after it. What no PBX sent, a control event or a call event, is written
    as one; of a call event what is a text or a number, and of each party its number."""
    text = event.text
    if not text:
        told = {"Event": event.name, **_told(event)}
        text = "".join(f"{name}: {_LINE_ENDS.sub(' ', str(value))}\r\n" for name, value in told.items())
    return f"{text}\r\n".encode(errors="replace")


def _told(event: SinkEvent) -> dict[str, Any]:
    if not isinstance(event.event, CallEvent):
        return event.event.control or {}
    told: dict[str, Any] = {}
    for name, value in event.event.to_map().items():
        if isinstance(value, dict):
            told[name] = value["number"]
        elif not isinstance(value, list) and name not in ("event", "state"):
            told[name] = value
    return told


def written(
    events: Sequence[SinkEvent], write: Callable[[SinkEvent], bytes]
) -> tuple[bytes, Sequence[Outcome]]:
    """The events written one after another, and what becomes of each once that has been taken."""
    parts: list[bytes] = []
    outcomes: list[Outcome] = []
    for event in events:
        try:
            parts.append(write(event))
        except EncodeError as error:
            outcomes.append(Reject(str(error)))
        else:
            outcomes.append(DONE)
    return b"".join(parts), outcomes
