"""The envelope: the map that is the body of every event, decoded (see event.schema.json).

Keys, in this order: v, id, pbx, epoch, seq, received_at, event, extensions, fields, and then only where they
apply: privilege, snapshot, synthetic, suspect, undecodable, text, linkedid, call, control.

Invariants
* `fields` holds all headers of the packet in order, `Event` and `Privilege` among them; a repeated header
  is a list at its first place. It is empty for control events, which no PBX sent.
* `text` is there only when joining `fields` would not give the packet's text back; so `packet_text` always
  gives the text as Asterisk sent it, but for undecodable bytes, which are U+FFFD (`undecodable` is set).
* `control` is there exactly when ami-bus made the event itself, and `event` is then `control.<kind>`. An AMI
  packet that merely calls itself so has no `control`.
* Unknown keys are ignored and not kept: adding a key is not a new version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NotRequired, TypedDict

from schemas.errors import EnvelopeError
from schemas.timestamps import parse_timestamp

VERSION: Final = 1
MAX_NUMBER: Final = 2**53 - 1  # the largest that every JSON reader keeps exactly

GAP: Final = "gap"
UP: Final = "up"
DOWN: Final = "down"

Fields = dict[str, str | list[str]]

# The functional form, because `from` cannot be an attribute's name.
GapControl = TypedDict(
    "GapControl",
    {
        "kind": Literal["gap"],
        "from": str,
        "to": str,
        "cause": str,
        "count": int | None,
        "from_seq": NotRequired[int],
        "to_seq": NotRequired[int],
    },
)
"""Events between two times (both RFC 3339) may be missing. `count`: how many, None where nobody can know.
`from_seq` and `to_seq`, both included: the numbers of our own records that were lost."""


class UpControl(TypedDict):
    """The PBX is connected and logged in. `version`: what its greeting said. `boot` tells one start of the
    PBX from another; `boot_us` is when it started (µs since the Unix epoch), 0 where it does not say."""

    kind: Literal["up"]
    version: NotRequired[str]
    boot: NotRequired[str]
    boot_us: NotRequired[int]


class DownControl(TypedDict):
    """The connection to the PBX ended. `cause`: a word, `reason`: a sentence."""

    kind: Literal["down"]
    cause: NotRequired[str]
    reason: NotRequired[str]


def event_id(pbx: str, epoch: int, seq: int) -> str:
    """The event's id, the same however often it is sent: `main-19f3a2c4d5e-1f`."""
    return f"{pbx}-{epoch:x}-{seq:x}"


@dataclass(slots=True, frozen=True, kw_only=True)
class Event:
    """One event, decoded. Texts that are not there are empty, flags that are not there are False.

    `epoch` is in milliseconds since the Unix epoch; `seq` counts from 1 within it. `received_at` is the
    time of receipt (RFC 3339, UTC, microseconds), as text; `received` the same as a datetime.
    """

    v: int = VERSION
    id: str
    pbx: str
    epoch: int
    seq: int
    received_at: str
    event: str
    extensions: tuple[str, ...] = ()
    fields: Fields = field(default_factory=dict)
    privilege: str = ""
    snapshot: bool = False
    synthetic: bool = False
    suspect: bool = False
    undecodable: bool = False
    text: str = ""
    linkedid: str = ""
    call: str = ""
    control: dict[str, Any] | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def received(self) -> datetime:
        """The time of receipt, aware, in UTC."""
        return parse_timestamp(self.received_at)

    def to_map(self) -> dict[str, Any]:
        """The body's map, keys in the order of the contract, those that do not apply left out."""
        body: dict[str, Any] = {
            "v": self.v,
            "id": self.id,
            "pbx": self.pbx,
            "epoch": self.epoch,
            "seq": self.seq,
            "received_at": self.received_at,
            "event": self.event,
            "extensions": list(self.extensions),
            "fields": self.fields,
        }
        for key in _OPTIONAL_KEYS:
            value = getattr(self, key)
            if value:
                body[key] = value
        return body

    @classmethod
    def from_map(cls, body: Mapping[str, Any]) -> Event:
        """The event of a decoded body. Raises `EnvelopeError` that names the first key that is wrong."""
        _check(body)
        get = body.get
        return cls(
            v=body["v"],
            id=body["id"],
            pbx=body["pbx"],
            epoch=body["epoch"],
            seq=body["seq"],
            received_at=body["received_at"],
            event=body["event"],
            extensions=tuple(body["extensions"]),
            fields=body["fields"],
            privilege=get("privilege", ""),
            snapshot=get("snapshot", False),
            synthetic=get("synthetic", False),
            suspect=get("suspect", False),
            undecodable=get("undecodable", False),
            text=get("text", ""),
            linkedid=get("linkedid", ""),
            call=get("call", ""),
            control=get("control"),
        )


_FLAGS: Final = ("snapshot", "synthetic", "suspect", "undecodable")
_OPTIONAL_KEYS: Final = ("privilege", *_FLAGS, "text", "linkedid", "call", "control")
_REQUIRED_KEYS: Final = ("v", "id", "pbx", "epoch", "seq", "received_at", "event", "extensions", "fields")
KEYS: Final = frozenset(_REQUIRED_KEYS + _OPTIONAL_KEYS)


def packet_text(event: Event) -> str:
    """The packet as Asterisk sent it, without the empty line that ends it; empty for a control event."""
    return event.text or join_fields(event.fields)


def join_fields(fields: Mapping[str, str | list[str]]) -> str:
    """Headers as AMI writes them, `Name: value` and CRLF each; a list gives a line a value, in place."""
    if list not in map(type, fields.values()):
        return "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    lines: list[str] = []
    for name, value in fields.items():
        if type(value) is str:
            lines.append(f"{name}: {value}\r\n")
        else:
            lines.extend([f"{name}: {one}\r\n" for one in value])
    return "".join(lines)


_KINDS: Final = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a fraction",
    list: "a list",
    dict: "a map",
    type(None): "null",
}


def kind_of(value: object) -> str:
    """What a decoded value is, in words, for error sentences that must not show the value itself."""
    return _KINDS.get(type(value), "something else")


def _wrong(key: str, allowed: str, value: object) -> EnvelopeError:
    return EnvelopeError(key, f"envelope key {key!r} must be {allowed}, not {kind_of(value)}")


def _check(body: Mapping[str, Any]) -> None:
    """Raise `EnvelopeError` for the first key that is wrong."""
    version = _number(body, "v")
    if version != VERSION:
        raise EnvelopeError("v", f"envelope key 'v' is {version}, but only version {VERSION} can be read")
    for key in ("id", "pbx", "event"):
        _name(body, key)
    _number(body, "epoch")
    _number(body, "seq")
    _timestamp(body, "received_at")
    _check_extensions(body)
    _check_fields(body)
    for key, check in _OPTIONAL_CHECKS.items():
        if key in body:
            check(body, key)


def _required(body: Mapping[str, Any], key: str, path: str) -> Any:
    try:
        return body[key]
    except KeyError:
        raise EnvelopeError(path, f"envelope key {path!r} is missing") from None


def _number(body: Mapping[str, Any], key: str, prefix: str = "") -> int:
    value = _required(body, key, prefix + key)
    if type(value) is not int:
        raise _wrong(prefix + key, "a whole number", value)
    if not 0 <= value <= MAX_NUMBER:
        raise EnvelopeError(prefix + key, f"envelope key {prefix + key!r} must be from 0 to {MAX_NUMBER}")
    return value


def _name(body: Mapping[str, Any], key: str, prefix: str = "") -> str:
    value = _required(body, key, prefix + key)
    if type(value) is not str:
        raise _wrong(prefix + key, "text", value)
    if not value:
        raise EnvelopeError(prefix + key, f"envelope key {prefix + key!r} must not be empty")
    return value


def _timestamp(body: Mapping[str, Any], key: str, prefix: str = "") -> str:
    value = _name(body, key, prefix)
    try:
        parse_timestamp(value)
    except ValueError:
        raise EnvelopeError(
            prefix + key,
            f"envelope key {prefix + key!r} must be a time such as 2026-11-23T08:54:53.850601Z "
            "(RFC 3339, UTC, six digits of a second)",
        ) from None
    return value


def _check_text(body: Mapping[str, Any], key: str, prefix: str = "") -> None:
    value = body.get(key, "")
    if type(value) is not str:
        raise _wrong(prefix + key, "text", value)


def _check_flag(body: Mapping[str, Any], key: str) -> None:
    value = body[key]
    if type(value) is not bool:
        raise _wrong(key, "true or false", value)


def _check_extensions(body: Mapping[str, Any]) -> None:
    value = _required(body, "extensions", "extensions")
    if type(value) is not list:
        raise _wrong("extensions", "a list of texts", value)
    for one in value:
        if type(one) is not str:
            raise _wrong("extensions", "a list of texts", one)


_TEXT: Final = {str}


def _check_fields(body: Mapping[str, Any]) -> None:
    value = _required(body, "fields", "fields")
    if type(value) is not dict:
        raise _wrong("fields", "a map of texts", value)
    # Most events repeat no header: one look at the types of all values settles those.
    if not (_TEXT.issuperset(map(type, value)) and _TEXT.issuperset(map(type, value.values()))):
        for name, one in value.items():
            if type(name) is not str:
                raise _wrong("fields", "a map with texts as keys", name)
            if type(one) is list:
                if not one:
                    raise EnvelopeError(
                        "fields", "envelope key 'fields' holds an empty list; a list has a value or more"
                    )
                for text in one:
                    if type(text) is not str:
                        raise _wrong("fields", "a map of texts and lists of texts", text)
            elif type(one) is not str:
                raise _wrong("fields", "a map of texts and lists of texts", one)


def _check_control(body: Mapping[str, Any], key: str) -> None:
    control = body[key]
    if type(control) is not dict:
        raise _wrong("control", "a map", control)
    # A later release may have more kinds; a reader of today passes them on as they are.
    kind = _name(control, "kind", "control.")
    if body["event"] != f"control.{kind}":
        raise EnvelopeError(
            "control.kind", "envelope key 'control.kind' must be the kind that 'event' names: control.<kind>"
        )
    if kind == GAP:
        _check_gap(control)
    elif kind == UP:
        _check_text(control, "version", "control.")
        _check_text(control, "boot", "control.")
        if "boot_us" in control:
            _number(control, "boot_us", "control.")
    elif kind == DOWN:
        _check_text(control, "cause", "control.")
        _check_text(control, "reason", "control.")


def _check_gap(control: Mapping[str, Any]) -> None:
    _timestamp(control, "from", "control.")
    _timestamp(control, "to", "control.")
    _name(control, "cause", "control.")
    if _required(control, "count", "control.count") is not None:
        _number(control, "count", "control.")
    for key in ("from_seq", "to_seq"):
        if key in control:
            _number(control, key, "control.")


_OPTIONAL_CHECKS: Final[dict[str, Callable[[Mapping[str, Any], str], None]]] = {
    **dict.fromkeys(("privilege", "text", "linkedid", "call"), _check_text),
    **dict.fromkeys(_FLAGS, _check_flag),
    "control": _check_control,
}
