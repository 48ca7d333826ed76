"""`[bus]`: where the events go."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from publisher.configuration.quantities import Seconds, Whole
from publisher.configuration.secrets import (
    SecretUrl,
    checked_env,
    checked_file,
    read_secret_env,
    read_secret_file,
    refused,
)
from publisher.configuration.section import EMBEDDED as EMBEDDED
from publisher.configuration.section import Section, TlsSettings
from publisher.errors import ConfigurationError
from schemas.message import JSON, MSGPACK


class BusSettings(Section):
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
    tls: TlsSettings = Field(
        default=TlsSettings(), description="How to check the broker's certificate (amqps only)."
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

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: SecretUrl) -> SecretUrl:
        return check_bus_url(url)

    @field_validator("url_file")
    @classmethod
    def _usable_file(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return checked_file(path, info)

    @field_validator("url_env")
    @classmethod
    def _set_variable(cls, name: str | None, info: ValidationInfo) -> str | None:
        return checked_env(name, info)

    @model_validator(mode="after")
    def _one_url(self) -> BusSettings:
        given = [key for key in ("url", "url_file", "url_env") if key in self.model_fields_set]
        given = [key for key in given if getattr(self, key) is not None]
        if len(given) > 1:
            raise refused(f"needs one of url, url_file, url_env; found {' and '.join(given)}")
        return self

    def read_url(self, environ: Mapping[str, str] = os.environ) -> SecretUrl:
        """The URL as it is now. Raises `ConfigurationError`."""
        if self.url_file is None and self.url_env is None:
            return self.url
        if self.url_file is not None:
            origin, text = str(self.url_file), read_secret_file(self.url_file)
        else:
            assert self.url_env is not None
            origin, text = self.url_env, read_secret_env(self.url_env, environ)
        try:
            return check_bus_url(SecretUrl(text))
        except ValueError as error:
            raise ConfigurationError(f"{origin}: {error}") from None

    @property
    def media_type(self) -> str:
        """The content type of the messages."""
        return MSGPACK if self.content_type == "msgpack" else JSON


def check_bus_url(url: SecretUrl) -> SecretUrl:
    """The URL if its scheme is one that a bus is made for."""
    text = url.reveal()
    if text == EMBEDDED or re.match(r"amqps?://[^/?#\s]", text):
        return url
    raise refused("is no bus; allowed: embedded, amqp://user:password@host:port/vhost, amqps://…")
