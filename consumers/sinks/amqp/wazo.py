"""Messages as wazo-amid sends them, for consumers that were written for it (wazo-bus).

    exchange wazo-headers (type headers, durable), routing key ami.<event>
    headers  name, required_access "event.<event>", origin_uuid, timestamp
    body     JSON: the same keys, and data: the packet's headers as a map

As there, of a repeated header the last value counts, and ChanVariable is a map, where the first one does.
A control event's data is its control map.
"""

from __future__ import annotations

from typing import Any, Final

from consumers.plugin import SinkEvent
from schemas.call_event import CallEvent
from schemas.codecs import json_body
from schemas.envelope import Event
from schemas.errors import EncodeError

EXCHANGE: Final = "wazo-headers"
EXCHANGE_TYPE: Final = "headers"
_VARIABLE: Final = "ChanVariable"


def wazo_message(event: SinkEvent, origin_uuid: str) -> tuple[str, dict[str, Any], bytes]:
    """Routing key, headers and body. Raises `EncodeError`."""
    told = event.event
    if isinstance(told, CallEvent):
        raise EncodeError('format = "wazo" has no form for call events; json and msgpack have')
    name = told.event.encode(errors="replace").decode()
    headers = {
        "name": name,
        "required_access": f"event.{name}",
        "origin_uuid": origin_uuid or told.pbx,
        "timestamp": told.received_at,
    }
    return f"ami.{name}", headers, json_body({**headers, "data": _data(told)})


def _data(event: Event) -> dict[str, Any]:
    if event.control is not None:
        return event.control
    data: dict[str, Any] = {}
    for name, value in event.fields.items():
        values = [value] if isinstance(value, str) else value
        if name == _VARIABLE:
            data[name] = _variables(values)
        else:
            data[name] = values[-1]
    return data


def _variables(values: list[str]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for value in values:
        name, _, text = value.partition("=")
        variables.setdefault(name, text)
    return variables
