"""`[[pbx]]`: one PBX to listen to."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from publisher.configuration.quantities import Seconds, Whole
from publisher.configuration.secret_holder import SecretHolder
from publisher.configuration.secrets import SecretText, refused
from publisher.configuration.section import Line, PbxName, TlsSettings, form

AMI_PORT: Final = 5038
AMI_TLS_PORT: Final = 5039

EventName = Annotated[
    str, form(r"[A-Za-z][A-Za-z0-9_]*", "an event's name: letters, digits and _, a letter first", 80)
]
Host = Annotated[str, form(r"[^\s/@]+", "a host name or an address alone, without a port", 253)]
EventClasses = Annotated[str, form(r"[a-z]+(,[a-z]+)*", "on, or classes with commas: call,agent,system")]


class PbxSettings(SecretHolder):
    """One PBX: where it is, who we are there, and what of its events we take."""

    name: PbxName = Field(
        default="main",
        description="The PBX's name, the first token of every routing key: at most 40 of a-z, 0-9, _ and -.",
    )
    host: Host = Field(
        default="127.0.0.1", description="Host name or address of Asterisk's manager interface."
    )
    port: Whole = Field(default=AMI_PORT, ge=1, le=65535, description="Manager port; 5039 where tls is on.")
    tls: bool | TlsSettings = Field(
        default=False,
        description="TLS to the manager: true, false, or a table with ca_file, verify, server_name.",
    )
    username: Line = Field(default="amibus", description="The user in manager.conf.")
    secret_file: Path | None = Field(
        default=None,
        examples=["amibus.secret"],
        description="File that holds the user's secret; must not be readable by every user.",
    )
    secret_env: str | None = Field(
        default=None, examples=["PBX_SECRET"], description="Environment variable that holds the secret."
    )
    secret: SecretText | None = Field(
        default=None,
        examples=["…"],
        description="The secret itself; refused where every user can read the configuration file.",
    )
    auth: Literal["md5", "plain"] = Field(
        default="md5", description="How to log in; plain sends the secret as it is."
    )
    encoding: str = Field(default="utf-8", description="Encoding of the PBX's text, such as utf-8 or cp1251.")
    trunks: list[Line] = Field(
        default=[],
        max_length=1000,
        description="Names of trunk peers: SIP/<trunk>-… is then not taken for an extension.",
    )
    leave_out: list[EventName] = Field(
        default=[],
        max_length=200,
        description="Events not to publish, such as VarSet: about 60 % of ordinary traffic.",
    )
    events: EventClasses = Field(
        default="on",
        description="Event classes to ask for at login: on (all), or a list such as call,agent,system.",
    )
    connect_timeout_secs: Seconds = Field(
        default=10.0,
        ge=0.1,
        le=300,
        description="How long to wait for the connection and for each answer of the login.",
    )
    ping_interval_secs: Seconds = Field(
        default=3.0, ge=0.1, le=300, description="Silence after which a Ping is sent."
    )
    ping_timeout_secs: Seconds = Field(
        default=5.0,
        ge=0.1,
        le=300,
        description="Silence after a Ping that means a dead connection; until then nothing is done.",
    )

    @model_validator(mode="before")
    @classmethod
    def _port_of_tls(cls, data: object) -> object:
        if (
            isinstance(data, dict)
            and "port" not in data
            and data.get("tls") not in (None, False, "false", "0")
        ):
            return {**data, "port": AMI_TLS_PORT}
        return data

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            encoded = "Event: \r\n".encode(name)
        except (LookupError, UnicodeError):
            raise refused(
                f'"{name}" is no text encoding that Python knows; allowed: utf-8, cp1251, koi8-r, …'
            ) from None
        if encoded != b"Event: \r\n":
            raise refused(f'"{name}" does not keep ASCII as it is; allowed: utf-8, cp1251, koi8-r, …')
        return codecs.lookup(name).name

    @property
    def tls_settings(self) -> TlsSettings | None:
        """The TLS settings, or None for a plain connection."""
        if isinstance(self.tls, TlsSettings):
            return self.tls
        return TlsSettings() if self.tls else None

    @property
    def address(self) -> str:
        """`host:port` for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
