"""The reply: how a command went, exactly one final one each.

States: queued → claimed → sending → succeeded | failed | rejected | expired | unknown.

* `succeeded`: the PBX did it. For an Originate: the phone was answered.
* `failed`: the PBX was asked and did not do it (busy, not answered, no such channel, no permission).
* `rejected`: it was never sent: malformed, not allowed by the policy, too many, or cancelled.
* `expired`: it was never sent: its time was over first.
* `unknown`: it may have been done, and nobody can tell. It is never sent again.

A reply's map: `v` 1, `id`, `pbx`, `action`, `state`, `at` (RFC 3339, UTC, microseconds), and where they apply
`reason` (a word of `Reason`), `message` (a sentence, or the PBX's own words), `fields` (the headers of the
PBX's answer; for an Originate those of OriginateResponse, with Uniqueid and Channel), `events` (the list that
was asked for, each a map of headers), `output` (the lines of a CLI command), `truncated` (the list was longer
than is kept). Unknown keys are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from schemas.codecs import decode_map, pack_body
from schemas.command import check_id
from schemas.envelope import Fields, kind_of
from schemas.errors import CommandError, DecodeError
from schemas.message import JSON, MSGPACK
from schemas.timestamps import parse_timestamp

VERSION: Final = 1
MAX_REPLY_BYTES: Final = 1 << 20


class State(StrEnum):
    """Where a command stands."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        return self in FINAL


FINAL: Final = frozenset(
    {State.SUCCEEDED, State.FAILED, State.REJECTED, State.EXPIRED, State.UNKNOWN},
)


class Reason(StrEnum):
    """Why, in one word for programs."""

    # rejected
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    NOT_ALLOWED = "not_allowed"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_WAITING = "too_many_waiting"
    CANCELLED = "cancelled"
    # expired
    EXPIRED = "expired"
    # failed
    REFUSED_BY_PBX = "refused_by_pbx"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CONGESTION = "congestion"
    UNREACHABLE = "unreachable"
    HUNG_UP = "hung_up"
    CALL_FAILED = "call_failed"
    NOTHING_HEARD = "nothing_heard"
    # unknown
    LINK_LOST = "link_lost"
    CRASHED = "crashed"
    QUEUE_ROLLED_BACK = "queue_rolled_back"
    NO_REPLY = "no_reply"


class Step(StrEnum):
    """What happens before the final reply; for people who wait."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    ACCEPTED = "accepted"  # the PBX has taken it
    DIALLING = "dialling"  # the phone's channel is there
    RINGING = "ringing"
    ANSWERED = "answered"


@dataclass(slots=True, frozen=True, kw_only=True)
class Reply:
    """One final reply. Texts that are not there are empty."""

    id: str
    pbx: str
    action: str
    state: State
    at: str
    reason: str = ""
    message: str = ""
    fields: Fields = field(default_factory=dict)
    events: tuple[Fields, ...] = ()
    output: tuple[str, ...] = ()
    truncated: bool = False

    def __hash__(self) -> int:
        return hash((self.id, self.state))

    @property
    def succeeded(self) -> bool:
        return self.state is State.SUCCEEDED

    def field(self, name: str) -> str:
        """The PBX's header of that name, in any case; the first of several; empty where there is none."""
        lowered = name.lower()
        for known, value in self.fields.items():
            if known.lower() == lowered:
                return value if type(value) is str else value[0]
        return ""

    def to_map(self) -> dict[str, Any]:
        """The reply's map; keys that do not apply are left out."""
        body: dict[str, Any] = {"v": VERSION, "id": self.id, "pbx": self.pbx, "action": self.action}
        body |= {"state": str(self.state), "at": self.at}
        if self.reason:
            body["reason"] = str(self.reason)
        if self.message:
            body["message"] = self.message
        if self.fields:
            body["fields"] = self.fields
        if self.events:
            body["events"] = list(self.events)
        if self.output:
            body["output"] = list(self.output)
        if self.truncated:
            body["truncated"] = True
        return body

    @classmethod
    def from_map(cls, body: Mapping[str, Any]) -> Reply:
        """The reply of a decoded map. Raises `CommandError` that names the first key that is wrong."""
        version = body.get("v")
        if type(version) is not int or version != VERSION:
            raise CommandError("v", f"must be {VERSION}; no other version can be read")
        state = _text(body, "state")
        if state not in FINAL:
            raise CommandError("state", f"allowed: {', '.join(sorted(FINAL))}")
        at = _text(body, "at")
        try:
            parse_timestamp(at)
        except ValueError as error:
            raise CommandError("at", str(error)) from None
        return cls(
            id=check_id(body.get("id")),
            pbx=_text(body, "pbx"),
            action=_text(body, "action"),
            state=State(state),
            at=at,
            reason=_text(body, "reason", ""),
            message=_text(body, "message", ""),
            fields=_headers(body.get("fields", {}), "fields"),
            events=tuple(_headers(one, "events") for one in _list(body, "events")),
            output=tuple(_line(one) for one in _list(body, "output")),
            truncated=_flag(body, "truncated"),
        )

    def encode(self) -> bytes:
        """The reply as MessagePack. Raises `EncodeError` only for a map that no code of ours makes."""
        return pack_body(self.to_map())

    @classmethod
    def decode(cls, body: bytes) -> Reply:
        """The reply of bytes, MessagePack or JSON. Raises `CommandError`."""
        if len(body) > MAX_REPLY_BYTES:
            raise CommandError("", f"the reply has {len(body)} bytes, at most {MAX_REPLY_BYTES} are allowed")
        try:
            return cls.from_map(decode_map(JSON if body.startswith(b"{") else MSGPACK, body))
        except DecodeError as error:
            raise CommandError("", str(error)) from None


def _text(body: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = body.get(key, default)
    if type(value) is not str:
        raise CommandError(key, f"must be text, not {kind_of(value)}")
    return value


def _flag(body: Mapping[str, Any], key: str) -> bool:
    value = body.get(key, False)
    if type(value) is not bool:
        raise CommandError(key, f"must be true or false, not {kind_of(value)}")
    return value


def _list(body: Mapping[str, Any], key: str) -> list[Any]:
    value = body.get(key, [])
    if type(value) is not list:
        raise CommandError(key, f"must be a list, not {kind_of(value)}")
    return value


def _line(value: Any) -> str:
    if type(value) is not str:
        raise CommandError("output", f"must be a list of texts, not of {kind_of(value)}")
    return value


def _headers(value: Any, key: str) -> Fields:
    if type(value) is not dict:
        raise CommandError(key, f"must be a map, not {kind_of(value)}")
    for one in value.values():
        if type(one) is not str and not (
            type(one) is list and one and all(type(item) is str for item in one)
        ):
            raise CommandError(key, "must have as values texts, or lists of one text or more")
    return value
