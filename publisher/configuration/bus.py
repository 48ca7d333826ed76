"""`[bus]`: where the events go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field

from publisher.configuration.quantities import Seconds, Whole
from publisher.configuration.secrets import SecretUrl, refused
from publisher.configuration.section import EMBEDDED as EMBEDDED
from publisher.configuration.section import ServerTls
from publisher.configuration.url_holder import UrlHolder
from schemas.message import JSON, MSGPACK


class BusSettings(UrlHolder):
    """Where the events go."""

    url: SecretUrl = Field(
        default=SecretUrl(EMBEDDED),
        description="embedded, or amqp://user:password@host:5672/vhost, or amqps://…",
    )
    url_file: Path | None = Field(
        default=None,
        examples=["bus.url"],
        description="File that holds the URL; must not be readable by every user.",
    )
    url_env: str | None = Field(
        default=None, examples=["AMQP_URL"], description="Environment variable that holds the URL."
    )
    tls: ServerTls = Field(
        default=ServerTls(), description="How to check the broker's certificate (amqps only)."
    )
    window: Whole = Field(
        default=2000,
        ge=1,
        le=65535,
        description="Messages sent and not yet confirmed, at most; bounds duplicates after a fault.",
    )
    content_type: Literal["msgpack", "json"] = Field(default="msgpack", description="How bodies are encoded.")
    heartbeat_secs: Whole = Field(
        default=5,
        ge=1,
        le=600,
        description="AMQP heartbeat; a frozen broker is noticed after about four of them.",
    )
    connect_timeout_secs: Seconds = Field(
        default=10.0, ge=0.1, le=300, description="How long to wait for the broker."
    )

    @classmethod
    def check_url(cls, url: SecretUrl) -> SecretUrl:
        text = url.reveal()
        if text == EMBEDDED or re.match(r"amqps?://[^/?#\s]", text):
            return url
        raise refused("is no bus; allowed: embedded, amqp://user:password@host:port/vhost, amqps://…")

    @property
    def media_type(self) -> str:
        """The content type of the messages."""
        return MSGPACK if self.content_type == "msgpack" else JSON
