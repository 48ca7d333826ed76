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

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NotRequired, TypedDict, cast

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
    """The PBX is connected and logged in. `version`: what the greeting said."""

    kind: Literal["up"]
    cause: NotRequired[str]
    version: NotRequired[str]


class DownControl(TypedDict):
    """The connection to the PBX ended. `cause`: why, in one sentence."""

    kind: Literal["down"]
    cause: NotRequired[str]


def gap_control(
    begin: str, end: str, cause: str, count: int | None = None, from_seq: int = 0, to_seq: int = 0
) -> GapControl:
    """A gap's control map; the times as `timestamps.timestamp_text` writes them, numbers only where given."""
    gap: GapControl = {"kind": "gap", "from": begin, "to": end, "cause": cause, "count": count}
    if from_seq:
        gap["from_seq"] = from_seq
        gap["to_seq"] = to_seq
    return gap


def up_control(cause: str = "", version: str = "") -> UpControl:
    """The control map that says that events flow (again)."""
    up: UpControl = {"kind": "up"}
    if cause:
        up["cause"] = cause
    if version:
        up["version"] = version
    return up


def down_control(cause: str = "") -> DownControl:
    """The control map that says that no events can come."""
    down: DownControl = {"kind": "down"}
    if cause:
        down["cause"] = cause
    return down


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
        version = _number(body, "v")
        if version != VERSION:
            raise EnvelopeError("v", f"envelope key 'v' is {version}, but only version {VERSION} can be read")
        return cls(
            v=version,
            id=_name(body, "id"),
            pbx=_name(body, "pbx"),
            epoch=_number(body, "epoch"),
            seq=_number(body, "seq"),
            received_at=_timestamp(body, "received_at"),
            event=_name(body, "event"),
            extensions=_extensions(body),
            fields=_fields(body),
            privilege=_text(body, "privilege"),
            snapshot=_flag(body, "snapshot"),
            synthetic=_flag(body, "synthetic"),
            suspect=_flag(body, "suspect"),
            undecodable=_flag(body, "undecodable"),
            text=_text(body, "text"),
            linkedid=_text(body, "linkedid"),
            call=_text(body, "call"),
            control=_control(body),
        )


_FLAGS: Final = ("snapshot", "synthetic", "suspect", "undecodable")
_OPTIONAL_KEYS: Final = ("privilege", *_FLAGS, "text", "linkedid", "call", "control")


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


def _text(body: Mapping[str, Any], key: str, prefix: str = "") -> str:
    value = body.get(key, "")
    if type(value) is not str:
        raise _wrong(prefix + key, "text", value)
    return value


def _flag(body: Mapping[str, Any], key: str) -> bool:
    value = body.get(key, False)
    if type(value) is not bool:
        raise _wrong(key, "true or false", value)
    return value


def _extensions(body: Mapping[str, Any]) -> tuple[str, ...]:
    value = _required(body, "extensions", "extensions")
    if type(value) is not list:
        raise _wrong("extensions", "a list of texts", value)
    for one in value:
        if type(one) is not str:
            raise _wrong("extensions", "a list of texts", one)
    return tuple(value)


_TEXT: Final = {str}


def _fields(body: Mapping[str, Any]) -> Fields:
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
    return cast(Fields, value)


def _control(body: Mapping[str, Any]) -> dict[str, Any] | None:
    control = body.get("control")
    if control is None:
        if "control" in body:
            raise _wrong("control", "a map", control)
        return None
    if type(control) is not dict:
        raise _wrong("control", "a map", control)
    kind = _name(control, "kind", "control.")
    if body["event"] != f"control.{kind}":
        raise EnvelopeError(
            "control.kind", "envelope key 'control.kind' must be the kind that 'event' names: control.<kind>"
        )
    if kind == GAP:
        _check_gap(control)
    elif kind in (UP, DOWN):
        # Other kinds may come with later releases; a reader of today passes them on as they are.
        _text(control, "cause", "control.")
        _text(control, "version", "control.")
    return control


def _check_gap(control: Mapping[str, Any]) -> None:
    _timestamp(control, "from", "control.")
    _timestamp(control, "to", "control.")
    _name(control, "cause", "control.")
    if _required(control, "count", "control.count") is not None:
        _number(control, "count", "control.")
    for key in ("from_seq", "to_seq"):
        if key in control:
            _number(control, key, "control.")
