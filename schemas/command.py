"""A command: what a client wants a PBX to do, as it stands in the queue.

The body is a map, as MessagePack or JSON (one that begins with `{`): `v` 1, `id`, `client`, `action`,
`fields`, and where they apply `raw: true`, `priority: "bulk"`. Unknown keys are ignored. Beside the body
stand, and are signed with it: the PBX, the id, `at` (when the client made it, milliseconds since the Unix
epoch) and `ttl` (for how long it may be begun, milliseconds, counted by Redis from when it is queued).

* The id is the idempotency key: the same id with the same body is the same command, however often it is
  sent; with another body it is refused. It becomes the ActionID and the channel's Uniqueid on the PBX, where
  others can see it and forge answers to one they can guess: let it be random where that matters.
* The signature is the hexadecimal HMAC-SHA256, keyed with the client's token, of `signed_text`. So nobody who
  merely reaches the queue can command a PBX, change a command, or learn a token from it.
* `at` bounds replays: a command much older than ids are remembered for is refused.
"""

from __future__ import annotations

import difflib
import hmac
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from schemas.action_fields import ACTION, HEADER, TextMap
from schemas.actions import ACTIONS, ActionSpec, action_named
from schemas.codecs import decode_map, pack_body
from schemas.envelope import kind_of
from schemas.errors import CommandError, DecodeError
from schemas.message import JSON, MSGPACK

VERSION: Final = 1
MAX_BODY_BYTES: Final = 64 << 10
MAX_ID_CHARS: Final = 60
MIN_TTL_MS: Final = 100
MAX_TTL_MS: Final = 24 * 3600 * 1000
DEFAULT_TTL_MS: Final = 30_000

ID_FORM: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}"
CLIENT_FORM: Final = r"[a-z0-9][a-z0-9_.-]{0,39}"
_ID_ALLOWED: Final = "letters, digits and _ . -, at most 60 of them, a letter or digit first"
CLIENT_ALLOWED: Final = "a-z, 0-9 and _ . -, at most 40 of them, a letter or digit first"
# They would change or end the session that all commands share.
SESSION_ACTIONS: Final = frozenset({"login", "logoff", "challenge", "events", "filter", "waitevent"})
RAW_FIELDS: Final = TextMap(HEADER, most=100, many=True)


class Priority(StrEnum):
    """Interactive commands (a person waits) go before bulk ones."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(slots=True, frozen=True, kw_only=True)
class Command:
    """One command, checked. `action` is the name in the table, or for a raw one the name as given."""

    id: str
    client: str
    action: str
    fields: dict[str, Any] = field(default_factory=dict)
    raw: bool = False
    priority: Priority = Priority.INTERACTIVE

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def spec(self) -> ActionSpec | None:
        """The entry in the table of actions; None for a raw command."""
        return None if self.raw else action_named(self.action)

    @property
    def changes(self) -> bool:
        """Whether it does something on the PBX, as far as that is known."""
        spec = self.spec
        return spec is None or spec.changes

    @classmethod
    def make(
        cls,
        action: str,
        fields: Mapping[str, Any] | None = None,
        *,
        client: str,
        id: str = "",
        raw: bool = False,
        priority: str = Priority.INTERACTIVE,
    ) -> Command:
        """A command of a client of ours; without `id` a random one. Raises `CommandError`."""
        body: dict[str, Any] = {"v": VERSION, "id": id or uuid.uuid4().hex, "client": client}
        body |= {"action": action, "fields": dict(fields or {}), "priority": priority, "raw": raw}
        return cls.from_map(body)

    @classmethod
    def from_map(cls, body: Mapping[str, Any]) -> Command:
        """The command of a decoded body. Raises `CommandError` that names the first field that is wrong."""
        version = body.get("v")
        if type(version) is not int or version != VERSION:
            raise CommandError("v", f"must be {VERSION}; no other version can be read")
        identity = check_id(body.get("id"))
        client = body.get("client")
        if type(client) is not str or not re.fullmatch(CLIENT_FORM, client):
            raise CommandError("client", f"has a form that is not allowed; allowed: {CLIENT_ALLOWED}")
        priority = body.get("priority", Priority.INTERACTIVE)
        if not isinstance(priority, str) or priority not in set(Priority):
            raise CommandError("priority", f"allowed: {', '.join(Priority)}")
        raw = body.get("raw", False)
        if type(raw) is not bool:
            raise CommandError("raw", f"must be true or false, not {kind_of(raw)}")
        action = ACTION.check("action", body.get("action"))
        fields = body.get("fields", {})
        if type(fields) is not dict:
            raise CommandError("fields", f"must be a map, not {kind_of(fields)}")
        name, checked = _raw(action, fields) if raw else _typed(action, fields)
        return cls(
            id=identity, client=client, action=name, fields=checked, raw=raw, priority=Priority(priority)
        )

    def to_map(self) -> dict[str, Any]:
        """The body's map."""
        body: dict[str, Any] = {"v": VERSION, "id": self.id, "client": self.client}
        body |= {"action": self.action, "fields": self.fields}
        if self.raw:
            body["raw"] = True
        if self.priority is not Priority.INTERACTIVE:
            body["priority"] = str(self.priority)
        return body

    def encode(self) -> bytes:
        """The body as MessagePack. Raises `CommandError` for one over `MAX_BODY_BYTES`."""
        body = pack_body(self.to_map())
        _check_size(body)
        return body

    @classmethod
    def decode(cls, body: bytes) -> Command:
        """The command of a body, MessagePack or JSON. Raises `CommandError`."""
        return cls.from_map(decode_body(body))


def decode_body(body: bytes) -> dict[str, Any]:
    """The map of a body, not yet a command. Raises `CommandError`."""
    _check_size(body)
    try:
        return decode_map(JSON if body.startswith(b"{") else MSGPACK, body)
    except DecodeError as error:
        raise CommandError("", str(error)) from None


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BODY_BYTES:
        raise CommandError("", f"the body has {len(body)} bytes, at most {MAX_BODY_BYTES} are allowed")


def check_id(value: Any) -> str:
    """An id, if it has the form of one. Raises `CommandError`."""
    if type(value) is not str or not re.fullmatch(ID_FORM, value):
        raise CommandError("id", f"has a form that is not allowed; allowed: {_ID_ALLOWED}")
    return value


def check_ttl(ttl_ms: Any) -> int:
    """A time to live in milliseconds, if it is one. Raises `CommandError`."""
    if type(ttl_ms) is not int or not MIN_TTL_MS <= ttl_ms <= MAX_TTL_MS:
        raise CommandError("ttl", f"must be a whole number from {MIN_TTL_MS} to {MAX_TTL_MS} milliseconds")
    return ttl_ms


def _typed(action: str, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    spec = action_named(action)
    if spec is None:
        close = difflib.get_close_matches(action.capitalize(), ACTIONS, n=1, cutoff=0.75)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise CommandError(
            "action", f"is no typed action{hint}; others can only be sent raw, if the policy names them"
        )
    return spec.name, spec.check(fields)


def _raw(action: str, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if action.lower() in SESSION_ACTIONS:
        raise CommandError("action", "concerns the session that all commands share, and cannot be sent")
    checked = RAW_FIELDS.check("fields", fields)
    for name in checked:
        if name.lower() in ("action", "actionid"):
            raise CommandError(f"fields.{name}", "is given apart and must not stand among the fields")
    return action, checked


def signed_text(pbx: str, id: str, at_ms: int, ttl_ms: int, body: bytes) -> bytes:
    """What the signature covers."""
    return f"amibus-command-1\n{pbx}\n{id}\n{at_ms}\n{ttl_ms}\n".encode() + body


def signature(token: str, text: bytes) -> str:
    """The signature of a signed text, in lower-case hexadecimal digits."""
    return hmac.new(token.encode(), text, "sha256").hexdigest()


def is_signed(token: str, text: bytes, given: str) -> bool:
    """Whether the signature is right; takes as long for a wrong one."""
    return hmac.compare_digest(signature(token, text).encode(), given.encode("utf-8", "replace"))
