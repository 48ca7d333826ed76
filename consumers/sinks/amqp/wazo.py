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
from schemas.codecs import json_body

EXCHANGE: Final = "wazo-headers"
EXCHANGE_TYPE: Final = "headers"
_VARIABLE: Final = "ChanVariable"


def wazo_message(event: SinkEvent, origin_uuid: str) -> tuple[str, dict[str, Any], bytes]:
    """Routing key, headers and body. Raises `EncodeError`."""
    name = event.event.event.encode(errors="replace").decode()
    headers = {
        "name": name,
        "required_access": f"event.{name}",
        "origin_uuid": origin_uuid or event.event.pbx,
        "timestamp": event.event.received_at,
    }
    return f"ami.{name}", headers, json_body({**headers, "data": _data(event)})


def _data(event: SinkEvent) -> dict[str, Any]:
    if event.event.control is not None:
        return event.event.control
    data: dict[str, Any] = {}
    for name, value in event.event.fields.items():
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
