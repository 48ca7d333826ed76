"""What every table of the file is, and the tables that stand inside several others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from publisher.configuration.secrets import refused, resolve

EMBEDDED: Final = "embedded"


def form(pattern: str, allowed: str, most: int = 1000) -> AfterValidator:
    """Text of a fixed form, at most so many characters: the error says in words what is allowed."""

    def check(text: str) -> str:
        if len(text) > most:
            raise refused(f"is too long; allowed: {most} characters")
        if not re.fullmatch(pattern, text):
            raise refused(f"has a form that is not allowed; allowed: {allowed}")
        return text

    return AfterValidator(check)


Line = Annotated[str, form(r"[^\x00-\x1f\x7f]+", "a line of text without control characters", 200)]
# A PBX's name is a token of the routing key, a file name and a Redis key: no character needs escaping.
PbxName = Annotated[str, form(r"[a-z0-9_][a-z0-9_-]*", "a-z, 0-9, _ and -, no hyphen first", 40)]


class Section(BaseModel):
    """Any table of the file."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
        use_attribute_docstrings=False,
    )


class ServerTls(Section):
    """`tls = { … }` of a broker or a Redis."""

    verify: bool = Field(
        default=True, description="Check the certificate and its host name; `false` only encrypts."
    )
    ca_file: Path | None = Field(
        default=None,
        examples=["/etc/ssl/certs/pbx.pem"],
        description="PEM file of the authorities to trust instead of the system's, or the certificate.",
    )

    @field_validator("ca_file")
    @classmethod
    def _existing(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is None:
            return None
        resolved = resolve(path, info)
        if not resolved.is_file():
            raise refused(f"no such file: {resolved}")
        return resolved


class TlsSettings(ServerTls):
    """`tls = { … }` where plain `tls = true` is not enough."""

    server_name: str | None = Field(
        default=None,
        examples=["pbx.example.org"],
        description="The name in the certificate where it is not `host`.",
    )
