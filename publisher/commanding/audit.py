"""Lines of the audit: what was sent for whom, and how each command ended. Pure.

A line is a JSON object: `time` (RFC 3339, UTC), `pbx`, `id`, `client`, `action`, `state`; `fields` as the
client gave them where the command is sent or was refused; `reason`, `message` and `took_ms` at its end. With
masking on, numbers of five digits and more are cut to their last four in every text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from publisher.commanding.outcomes import Outcome
from publisher.masking import mask_numbers
from schemas.command import Command
from schemas.timestamps import timestamp_text

_SHORT: Final = 100
_LONG: Final = 1000
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# JSON lets them stand; a reader could take them for the end of the line, a terminal for a command.
_ODD = re.compile("[\x7f-\x9f\u2028\u2029]")


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
            # The id is how a line is found again; it stays whole.
            line = {key: value if key in ("time", "id") else _masked(value) for key, value in line.items()}
        return _ODD.sub(_escaped, _encode(line)).encode("utf-8", "replace")


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _masked(value: Any) -> Any:
    match value:
        case str():
            return mask_numbers(value)
        case list():
            return [_masked(one) for one in value]
        case dict():
            return {key: _masked(one) for key, one in value.items()}
        case _:
            return value
