"""Actions as a client sends them, read as Asterisk reads them.

Lines end with CRLF or LF; an empty line ends an action. A line has at most 1,024 bytes and an action 128
lines: what is longer is refused with Asterisk's own words. So nothing a client sends is held without bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

MAX_LINE_BYTES: Final = 1024
MAX_LINES: Final = 128
TOO_LONG: Final = "Failed to parse message: line too long"
TOO_MANY: Final = "Too many lines in message or allocation failure"
_WHOLE: Final = re.compile(r"\s*([+-]?[0-9]{1,18})")


@dataclass(slots=True)
class Request:
    """One action. `headers` keeps order and repeats; `problem` is why Asterisk would not read it."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    problem: str = ""

    def get(self, name: str, default: str = "") -> str:
        """The first header of that name, case aside."""
        lowered = name.lower()
        found = next((value for key, value in self.headers if key.lower() == lowered), default)
        return found.lstrip(" \t")

    def all(self, name: str) -> list[str]:
        """The values of every header of that name, in order."""
        lowered = name.lower()
        return [value for key, value in self.headers if key.lower() == lowered]

    def has(self, name: str) -> bool:
        lowered = name.lower()
        return any(key.lower() == lowered for key, _ in self.headers)

    @property
    def action(self) -> str:
        return self.get("Action").lower()

    @property
    def action_id(self) -> str:
        return self.get("ActionID")


class RequestReader:
    """Sans-IO: bytes in, actions out. Holds at most one line and one action."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._encoding = encoding
        self._line = bytearray()
        self._skipping = False
        self._request = Request()

    def receive_data(self, data: bytes) -> list[Request]:
        """Take bytes as they come; returns the actions that they complete."""
        requests: list[Request] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._take(data[start:end])
            start = end + 1
            self._end_line(requests)
        self._take(data[start:])
        return requests

    def _take(self, piece: bytes) -> None:
        if self._skipping:
            return
        self._line += piece
        if len(self._line) > MAX_LINE_BYTES:
            self._line.clear()
            self._skipping = True
            self._request.problem = TOO_LONG

    def _end_line(self, requests: list[Request]) -> None:
        if self._skipping:
            self._skipping = False
            return
        line = bytes(self._line).removesuffix(b"\r")
        self._line.clear()
        if not line:
            requests.append(self._request)
            self._request = Request()
            return
        if len(self._request.headers) >= MAX_LINES:
            self._request.problem = TOO_MANY
            return
        # A line without a colon is kept under its own name: Asterisk ignores it too.
        name, _, value = line.decode(self._encoding, "surrogateescape").partition(":")
        self._request.headers.append((name.strip(), value.removeprefix(" ")))


def is_true(text: str) -> bool:
    """A yes as Asterisk reads one (`ast_true`)."""
    return text.lower() in ("yes", "true", "y", "t", "1", "on")


def whole_number(text: str) -> int | None:
    """The whole number that a value begins with, as Asterisk reads one; None if it begins with none."""
    match = _WHOLE.match(text)
    return int(match[1]) if match else None
