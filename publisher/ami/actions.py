"""Writes actions, and refuses what would break out of its header or its packet.

Limits are Asterisk's own (main/manager.c: a line buffer of 1,024 bytes, 128 headers a message) and the
length of an ActionID that its smallest buffers carry through unharmed. A longer ActionID loses its line end
there and swallows the next header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from publisher.ami.errors import ActionRefused

MAX_LINE_BYTES: Final = 1024  # with its CRLF
MAX_HEADERS: Final = 128
MAX_ACTION_ID_CHARS: Final = 60

_NAME = re.compile(r"[!-9;-~]+(?: [!-9;-~]+)*")
_ACTION_ID = re.compile(r"[!-~]+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BYTE = re.compile(rb"[\x00-\x1f\x7f]")
# Big5, GBK and Shift JIS have letters whose second byte is a backslash or a bracket to Asterisk, which reads
# bytes: it would take from, or give to, what stands around it.
_SIGN_BYTE = re.compile(rb"[!-/:-@\[-`{-~]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def encode_action(
    action: str, headers: Iterable[tuple[str, str]], action_id: str, encoding: str = "utf-8"
) -> bytes:
    """The action's bytes: `Action`, `ActionID`, then the headers in order; a name may repeat.

    Raises `publisher.ami.errors.ActionRefused` for a name that is not printable ASCII or holds a colon, a
    control character anywhere, what the encoding cannot write or writes with signs of ASCII, a header
    `Action` or `ActionID` besides the first two, and for what is too long. The error names the header, never
    its value.
    """
    if not _ACTION_ID.fullmatch(action_id) or len(action_id) > MAX_ACTION_ID_CHARS:
        raise ActionRefused(
            f"an ActionID must be 1 to {MAX_ACTION_ID_CHARS} printable ASCII characters without spaces"
        )
    if not action:
        raise ActionRefused("an action must have a name")
    lines = [_line("Action", action, encoding), _line("ActionID", action_id, encoding)]
    for name, value in headers:
        if name.lower() in ("action", "actionid"):
            raise ActionRefused(f"header {name} is given apart and must not stand among the headers")
        lines.append(_line(name, value, encoding))
        if len(lines) > MAX_HEADERS:
            raise ActionRefused(f"action {action} has more headers than the {MAX_HEADERS} that are allowed")
    return b"".join(lines) + b"\r\n"


def action_ids(prefix: str) -> Iterator[str]:
    """ActionIDs without end: the prefix, a hyphen, and 1, 2, 3 …

    The prefix should be unguessable, so that a forged packet in the stream cannot answer a request.
    Raises `publisher.ami.errors.ActionRefused` for a prefix over 40 characters or not printable ASCII.
    """
    if not _ACTION_ID.fullmatch(prefix) or len(prefix) > 40:
        raise ActionRefused("an ActionID prefix must be 1 to 40 printable ASCII characters without spaces")
    return _numbered(prefix)


def _numbered(prefix: str) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"{prefix}-{number}"


def _line(name: str, value: str, encoding: str) -> bytes:
    if not _NAME.fullmatch(name):
        shown = ascii(name[:40])
        raise ActionRefused(f"header name {shown} must be printable ASCII without a colon")
    if _CONTROL.search(value):
        raise ActionRefused(f"header {name[:40]} holds a control character, and none is allowed")
    try:
        encoded = value.encode(encoding)
    except UnicodeEncodeError:
        raise ActionRefused(f"header {name[:40]} holds a character that {encoding} cannot express") from None
    if _CONTROL_BYTE.search(encoded):
        raise ActionRefused(f"header {name[:40]} becomes a control character in {encoding}")
    if not value.isascii() and any(
        _SIGN_BYTE.search(one.encode(encoding)) for one in _BEYOND_ASCII.findall(value)
    ):
        raise ActionRefused(f"header {name[:40]} holds a character that {encoding} writes with an ASCII sign")
    line = name.encode() + b": " + encoded + b"\r\n"
    if len(line) > MAX_LINE_BYTES:
        raise ActionRefused(
            f"header {name[:40]} makes a line of {len(line)} bytes, and {MAX_LINE_BYTES} are allowed"
        )
    return line
