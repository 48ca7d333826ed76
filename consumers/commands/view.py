"""A command as it stands in the queue, for people who look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.command import Command
from schemas.errors import CommandError
from schemas.reply import Reply

_LAST_MS: Final = 253_402_300_799_999  # the end of the year 9999
_TIME_DIGITS: Final = 15


@dataclass(slots=True, frozen=True, kw_only=True)
class QueuedView:
    """A command as it stands in the queue, for people. Times are milliseconds by the queue's clock; 0 where
    what stands there is no time of the years up to 9999."""

    id: str
    pbx: str
    client: str
    action: str
    state: str
    priority: str
    queued_ms: int
    expires_ms: int
    command: Command | None = None
    reply: Reply | None = None


def view_of(pbx: str, id: str, found: Mapping[str, bytes]) -> QueuedView:
    """The view of a command's hash; what cannot be read of it is left out."""

    def text(name: str) -> str:
        return found.get(name, b"").decode("utf-8", "replace")

    def time_ms(name: str) -> int:
        digits = found.get(name, b"")
        moment = int(digits) if len(digits) <= _TIME_DIGITS and digits.isdigit() else 0
        return moment if moment <= _LAST_MS else 0

    try:
        command: Command | None = Command.decode(found.get("body", b""))
    except CommandError:
        command = None
    try:
        reply: Reply | None = Reply.decode(found["reply"]) if "reply" in found else None
    except CommandError:
        reply = None
    return QueuedView(
        id=id,
        pbx=pbx,
        client=text("client"),
        action=text("action"),
        state=text("state"),
        priority=text("priority"),
        queued_ms=time_ms("queued"),
        expires_ms=time_ms("expires"),
        command=command,
        reply=reply,
    )
