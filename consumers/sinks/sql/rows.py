"""Events as rows. Of a call event `event` is the state, `received_at` its `at`, and what has no column of its
own is in `fields`.

PostgreSQL's text cannot hold a NUL character, nor can any UTF-8 a lone surrogate: both are written as U+FFFD,
and `replaced` says so. The same in SQLite, so that one table can be copied to the other.
"""

from __future__ import annotations

from typing import Any, Final

from consumers.plugin import AnyEvent
from schemas.call_event import CallEvent
from schemas.codecs import decodable
from schemas.timestamps import parse_timestamp

_NUL: Final = "\0"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def row_of(event: AnyEvent) -> dict[str, Any]:
    """The row's values by column."""
    body = event.to_map()
    replaced = not _is_storable(body)
    if replaced:
        body = _without_nul(decodable(body))
    if isinstance(event, CallEvent):
        return _call_row(body) | {"replaced": replaced}
    return {
        "id": body["id"],
        "pbx": body["pbx"],
        "epoch": body["epoch"],
        "seq": body["seq"],
        "received_at": event.received,
        "event": body["event"],
        "call": body.get("call", ""),
        "linkedid": body.get("linkedid", ""),
        "extensions": body["extensions"],
        "fields": body["fields"],
        "control": body.get("control"),
        "snapshot": event.snapshot,
        "synthetic": event.synthetic,
        "replaced": replaced,
    }


def _call_row(body: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "pbx", "epoch", "seq", "call", "extensions")
    return {
        **{name: body[name] for name in names},
        "received_at": parse_timestamp(body["at"]),
        "event": body["state"],
        "linkedid": body.get("linkedid", ""),
        "fields": {name: value for name, value in body.items() if name not in names},
        "control": None,
        "snapshot": False,
        "synthetic": False,
    }


def _is_storable(value: Any) -> bool:
    if isinstance(value, str):
        if _NUL in value:
            return False
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
        return True
    if isinstance(value, dict):
        return all(_is_storable(name) and _is_storable(one) for name, one in value.items())
    return all(map(_is_storable, value)) if isinstance(value, list) else True


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_NUL, _REPLACEMENT)
    if isinstance(value, dict):
        # Names that become alike are kept apart.
        clean: dict[str, Any] = {}
        for name, one in value.items():
            name = name.replace(_NUL, _REPLACEMENT)
            while name in clean:
                name += _REPLACEMENT
            clean[name] = _without_nul(one)
        return clean
    return [_without_nul(one) for one in value] if isinstance(value, list) else value
