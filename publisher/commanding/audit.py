"""Lines of the audit: what was sent for whom, and how each command ended. Pure.

A line is a JSON object: `time` (RFC 3339, UTC), `pbx`, `id`, `client`, `action`, `state`; `fields` as the
client gave them where the command is sent or was refused; `reason`, `message` and `took_ms` at its end. With
masking on, digits are cut to their last four wherever five or more follow each other, grouped or not, in
every text and every field's name; `time`, `pbx` and `id` stay whole, so that a line can be found again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from publisher.commanding.outcomes import Outcome
from publisher.escaping import escape_json
from publisher.masking import mask_strictly
from schemas.command import Command
from schemas.timestamps import timestamp_text

_SHORT: Final = 100
_LONG: Final = 1000
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_WHOLE: Final = ("time", "pbx", "id")


@dataclass(slots=True, frozen=True)
class Audit:
    """Writes the lines of one PBX."""

    pbx: str
    mask: bool = True

    def sent(self, command: Command, now_us: int) -> bytes:
        """A command goes to the PBX."""
        line = self._line(now_us, command.id, command.client, command.action, "sending")
        return self._bytes(line | {"fields": command.fields})

    def ended(
        self,
        id: str,
        client: str,
        action: str,
        outcome: Outcome,
        now_us: int,
        took_ms: int,
        command: Command | None,
    ) -> bytes:
        """A command has its final reply. `command` where it was never sent, if it could be read."""
        line = self._line(now_us, id, client, action, str(outcome.state))
        if outcome.reason:
            line["reason"] = str(outcome.reason)
        if outcome.message:
            line["message"] = outcome.message[:_LONG]
        if command is not None:
            line["fields"] = command.fields
        return self._bytes(line | {"took_ms": took_ms})

    def _line(self, now_us: int, id: str, client: str, action: str, state: str) -> dict[str, Any]:
        # Of a command that could not be read these three are whatever somebody wrote into the queue.
        line = {"time": timestamp_text(now_us), "pbx": self.pbx, "id": id[:_SHORT], "client": client[:_SHORT]}
        return line | {"action": action[:_SHORT], "state": state}

    def _bytes(self, line: dict[str, Any]) -> bytes:
        if self.mask:
            line = {key: value if key in _WHOLE else _masked(value) for key, value in line.items()}
        return escape_json(_encode(line)).encode("utf-8", "replace")


def _masked(value: Any) -> Any:
    match value:
        case str():
            return mask_strictly(value)
        case list():
            return [_masked(one) for one in value]
        case dict():
            return _masked_map(value)
        case _:
            return value


def _masked_map(value: dict[str, Any]) -> dict[str, Any]:
    masked: dict[str, Any] = {}
    for key, one in value.items():
        name = mask_strictly(key)
        # Two names may be alike once they are cut.
        while name in masked:
            name += "'"
        masked[name] = _masked(one)
    return masked
