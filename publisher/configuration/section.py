"""What every table of the file is, and the tables that stand inside several others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from publisher.configuration.secrets import refused, resolve

EMBEDDED: Final = "embedded"
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]


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
