"""Routing keys made from a template."""

from __future__ import annotations

import string
from typing import Final

from consumers.plugin import SinkEvent

MAX_KEY_BYTES: Final = 255
AS_IS: Final = "{key}"
PARTS: Final = ("key", "pbx", "event", "extension", "call", "linkedid")


class KeyTemplate:
    """Raises `ValueError` with a sentence for a template that cannot be understood."""

    def __init__(self, template: str) -> None:
        try:
            pieces = list(string.Formatter().parse(template))
        except ValueError:
            raise ValueError(
                "a { without its }, or a } without its {; write {{ and }} for the characters"
            ) from None
        allowed = ", ".join(f"{{{part}}}" for part in PARTS)
        for _, name, form, conversion in pieces:
            if name is not None and (name not in PARTS or form or conversion):
                raise ValueError(f"{{{name}}} is not known; allowed are {allowed}")
        self._template = template
        self.as_is = template == AS_IS

    def key(self, event: SinkEvent) -> str:
        """Raises `ValueError` when the event gives a key that is too long."""
        message = event.message
        if self.as_is:
            return message.routing_key
        pbx, _, rest = message.routing_key.partition(".")
        name, _, extension = rest.rpartition(".")
        key = self._template.format(
            key=message.routing_key,
            pbx=pbx,
            event=name,
            extension=extension,
            call=message.headers.call,
            linkedid=message.headers.linkedid,
        )
        written = key.encode(errors="replace")
        if len(written) > MAX_KEY_BYTES:
            raise ValueError(
                f"its routing key would have {len(written)} bytes; at most {MAX_KEY_BYTES} are allowed"
            )
        return written.decode()
