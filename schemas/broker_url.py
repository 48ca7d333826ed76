"""A broker's URL, taken apart, and shown without its password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

_PORTS: Final = {"amqp": 5672, "amqps": 5671}


@dataclass(slots=True, frozen=True)
class BrokerUrl:
    """`amqp[s]://user:password@host:port/vhost`. `text` is all of it, with the secret: never show it."""

    text: str = field(repr=False)
    scheme: str
    host: str
    port: int
    user: str
    vhost: str

    @classmethod
    def parse(cls, text: str) -> BrokerUrl:
        """Raises `ValueError` with a sentence that holds no secret."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError(
                "the bus URL cannot be read: write amqp://user:password@host:port/vhost"
            ) from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("the bus URL is not of the form amqp[s]://user:password@host:port/vhost")
        return cls(
            text=text,
            scheme=parts.scheme,
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            user=unquote(parts.username or "guest"),
            vhost=unquote(parts.path[1:]) or "/",
        )

    @property
    def secure(self) -> bool:
        return self.scheme == "amqps"

    @property
    def shown(self) -> str:
        """Who, where and which virtual host: fit for messages and logs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        vhost = "" if self.vhost == "/" else f"/{self.vhost}"
        return f"{self.scheme}://{self.user}@{host}:{self.port}{vhost}"

    def __str__(self) -> str:
        return self.shown
