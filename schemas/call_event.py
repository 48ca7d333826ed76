"""Call events: what happens to one call, in one shape for Asterisk 1.8 to 22 (see call.schema.json).

They stand on the topic exchange `ami.calls` under `<pbx>.<state>.<extension>`, with the further extensions'
keys in `CC`, as events do. Keys of a body, in this order: v, id, pbx, epoch, seq, event, call, state, at,
begun_at, extensions, uniqueids, and then only where they apply the others, in the order of `CallEvent`.

Invariants
* `id` is the raw event's id with the state and a number: `main-1a2079d841a-2b.answered.0`. A raw event that
  is delivered again gives the same ids.
* A call has one last event, `ended` or `missed`, and none after it. `missed`: it was for somebody, and nobody
  took it. `reason` says how, and a last event has it always.
* `callee` is whom this event is about, `callees` all that were called so far; `by` who held or passed on.
  `original_caller` never changes; `caller` does when a transfer leaves somebody else on the caller's side.
* Unknown keys are ignored and not kept: adding a key is not a new version. So are words of a later release in
  `reason`, `kind`, `result` and `direction`; another `state` is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from schemas.envelope import MAX_NUMBER, kind_of
from schemas.errors import EnvelopeError
from schemas.routing import routing_keys
from schemas.timestamps import parse_timestamp

VERSION: Final = 1
CALLS_EXCHANGE: Final = "ami.calls"


class CallState(StrEnum):
    """What happened."""

    RINGING = "ringing"
    ANSWERED = "answered"
    HELD = "held"
    RESUMED = "resumed"
    TRANSFERRED = "transferred"
    ENDED = "ended"
    MISSED = "missed"

    @property
    def last(self) -> bool:
        """True where nothing comes after it."""
        return self in (CallState.ENDED, CallState.MISSED)


@dataclass(slots=True, frozen=True)
class Party:
    """One side of a call: its extension or number, its name, its channel; each empty where not known."""

    number: str = ""
    name: str = ""
    channel: str = ""

    def to_map(self) -> dict[str, str]:
        return {"number": self.number, "name": self.name, "channel": self.channel}


@dataclass(slots=True, frozen=True)
class Callee:
    """One that was called. `result`: ringing, answered, no_answer, busy, rejected, congestion, unreachable,
    cancelled (the caller gave up) or elsewhere (another took the call)."""

    party: Party
    result: str

    def to_map(self) -> dict[str, str]:
        return {**self.party.to_map(), "result": self.result}


@dataclass(slots=True, frozen=True)
class Transfer:
    """How a call passed on. `kind`: blind, attended, pickup, park (taken from a parking lot), or redirect (by
    a command, or the dialplan went on). `by`: who did it; `source`: who left; `transferee`: who stays;
    `target`: who takes it, of a blind one only its number; `call`: the key of a call that became part of it.
    """

    kind: str
    at: str
    by: Party | None = None
    source: Party | None = None
    transferee: Party | None = None
    target: Party | None = None
    call: str = ""

    def to_map(self) -> dict[str, Any]:
        body: dict[str, Any] = {"kind": self.kind, "at": self.at}
        parties = (("by", self.by), ("from", self.source), ("transferee", self.transferee))
        for key, party in (*parties, ("to", self.target)):
            if party is not None:
                body[key] = party.to_map()
        if self.call:
            body["call"] = self.call
        return body


@dataclass(slots=True, frozen=True, kw_only=True)
class CallEvent:
    """One call event. Texts that are not there are empty, parties and times that are not there None.

    `epoch`, `seq` and `event` are the number and name of the raw event that it was made of, `at` the time of
    its receipt. `begun_at`: when the call was first seen.
    """

    v: int = VERSION
    id: str
    pbx: str
    epoch: int
    seq: int
    event: str
    call: str
    state: CallState
    at: str
    begun_at: str
    extensions: tuple[str, ...] = ()
    uniqueids: tuple[str, ...] = ()
    linkedid: str = ""
    direction: str = ""
    dialled: str = ""
    queue: str = ""
    parked: str = ""
    caller: Party | None = None
    original_caller: Party | None = None
    callee: Party | None = None
    by: Party | None = None
    callees: tuple[Callee, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    answered_by: str = ""
    answered_at: str = ""
    ring_secs: float | None = None
    talk_secs: float | None = None
    reason: str = ""
    cause: int | None = None
    cause_text: str = ""
    into: str = ""
    originated: bool = False
    begun_unseen: bool = False
    after_gap: bool = False

    def __hash__(self) -> int:
        return hash(self.id)

    def to_map(self) -> dict[str, Any]:
        """The body's map, keys in the order of the contract, those that do not apply left out."""
        body: dict[str, Any] = {
            "v": self.v,
            "id": self.id,
            "pbx": self.pbx,
            "epoch": self.epoch,
            "seq": self.seq,
            "event": self.event,
            "call": self.call,
            "state": self.state.value,
            "at": self.at,
            "begun_at": self.begun_at,
            "extensions": list(self.extensions),
            "uniqueids": list(self.uniqueids),
        }
        for key in _OPTIONAL:
            value = getattr(self, key)
            if isinstance(value, Party):
                body[key] = value.to_map()
            elif isinstance(value, tuple):
                if value:
                    body[key] = [one.to_map() for one in value]
            elif value or (value is not None and key in _NUMBERS):
                body[key] = value
        return body

    @classmethod
    def from_map(cls, body: Mapping[str, Any]) -> CallEvent:
        """The call event of a decoded body. Raises `EnvelopeError` that names the first key that is wrong."""
        read: dict[str, Any] = {}
        for key, check in _CHECKS.items():
            if key in body:
                read[key] = check(key, body[key])
            elif key in _REQUIRED:
                raise EnvelopeError(key, f"call event key {key!r} is missing")
        return cls(**read)


def call_event_id(raw_id: str, state: CallState, number: int) -> str:
    """The id of the `number`th call event that a raw event gave, counted from 0."""
    return f"{raw_id}.{state.value}.{number}"


def call_keys(event: CallEvent) -> tuple[str, ...]:
    """The routing keys of a call event: the first is the routing key, the others go into `CC`."""
    return routing_keys(event.pbx, event.state.value, event.extensions)


# -- reading ----------------------------------------------------------------


def _wrong(key: str, allowed: str, value: object) -> EnvelopeError:
    return EnvelopeError(key, f"call event key {key!r} must be {allowed}, not {kind_of(value)}")


def _version(key: str, value: object) -> int:
    if _number(key, value) != VERSION:
        raise EnvelopeError(key, f"call event key 'v' is {value}, but only version {VERSION} can be read")
    return VERSION


def _number(key: str, value: object) -> int:
    if type(value) is not int:
        raise _wrong(key, "a whole number", value)
    if not 0 <= value <= MAX_NUMBER:
        raise EnvelopeError(key, f"call event key {key!r} must be from 0 to {MAX_NUMBER}")
    return value


def _seconds(key: str, value: object) -> float:
    if type(value) is not float and type(value) is not int:
        raise _wrong(key, "a number of seconds", value)
    if not 0 <= value <= MAX_NUMBER:
        raise EnvelopeError(key, f"call event key {key!r} must be from 0 to {MAX_NUMBER}")
    return float(value)


def _text(key: str, value: object) -> str:
    if type(value) is not str:
        raise _wrong(key, "text", value)
    return value


def _name(key: str, value: object) -> str:
    if not _text(key, value):
        raise EnvelopeError(key, f"call event key {key!r} must not be empty")
    return str(value)


def _time(key: str, value: object) -> str:
    text = _name(key, value)
    try:
        parse_timestamp(text)
    except ValueError:
        raise EnvelopeError(
            key, f"call event key {key!r} must be a time such as 2026-11-23T08:54:53.850601Z"
        ) from None
    return text


def _flag(key: str, value: object) -> bool:
    if type(value) is not bool:
        raise _wrong(key, "true or false", value)
    return value


def _state(key: str, value: object) -> CallState:
    try:
        return CallState(_text(key, value))
    except ValueError:
        raise EnvelopeError(
            key, f"call event key {key!r} must be one of {', '.join(state.value for state in CallState)}"
        ) from None


def _list(key: str, value: object) -> list[Any]:
    if type(value) is not list:
        raise _wrong(key, "a list", value)
    return value


def _texts(key: str, value: object) -> tuple[str, ...]:
    return tuple(_text(key, one) for one in _list(key, value))


def _map(key: str, value: object) -> dict[str, Any]:
    if type(value) is not dict:
        raise _wrong(key, "a map", value)
    return value


def read_party(key: str, value: object) -> Party:
    """A party's map. Raises `EnvelopeError` that names the key."""
    body = _map(key, value)
    return Party(*(_text(f"{key}.{name}", body.get(name, "")) for name in ("number", "name", "channel")))


def _callees(key: str, value: object) -> tuple[Callee, ...]:
    return tuple(read_callee(key, one) for one in _list(key, value))


def read_callee(key: str, value: object) -> Callee:
    """A callee's map. Raises `EnvelopeError` that names the key."""
    party = read_party(key, value)
    return Callee(party, _text(f"{key}.result", _map(key, value).get("result", "")))


def read_transfer(key: str, value: object) -> Transfer:
    """A transfer's map. Raises `EnvelopeError` that names the key."""
    body = _map(key, value)

    def party(name: str) -> Party | None:
        return read_party(f"{key}.{name}", body[name]) if name in body else None

    return Transfer(
        kind=_name(f"{key}.kind", body.get("kind", "")),
        at=_time(f"{key}.at", body.get("at", "")),
        by=party("by"),
        source=party("from"),
        transferee=party("transferee"),
        target=party("to"),
        call=_text(f"{key}.call", body.get("call", "")),
    )


def _transfers(key: str, value: object) -> tuple[Transfer, ...]:
    return tuple(read_transfer(key, one) for one in _list(key, value))


_CHECKS: Final[dict[str, Callable[[str, object], Any]]] = {
    "v": _version,
    **dict.fromkeys(("id", "pbx"), _name),
    **dict.fromkeys(("epoch", "seq"), _number),
    **dict.fromkeys(("event", "call"), _name),
    "state": _state,
    **dict.fromkeys(("at", "begun_at"), _time),
    **dict.fromkeys(("extensions", "uniqueids"), _texts),
    **dict.fromkeys(("linkedid", "direction", "dialled", "queue", "parked"), _text),
    **dict.fromkeys(("caller", "original_caller", "callee", "by"), read_party),
    "callees": _callees,
    "transfers": _transfers,
    "answered_by": _text,
    "answered_at": _time,
    **dict.fromkeys(("ring_secs", "talk_secs"), _seconds),
    "reason": _text,
    "cause": _number,
    **dict.fromkeys(("cause_text", "into"), _text),
    **dict.fromkeys(("originated", "begun_unseen", "after_gap"), _flag),
}
_NUMBERS: Final = frozenset({"ring_secs", "talk_secs", "cause"})
_REQUIRED: Final = tuple(_CHECKS)[:12]
_OPTIONAL: Final = tuple(_CHECKS)[12:]
