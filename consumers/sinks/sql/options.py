"""What a binding says about its table."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from consumers.plugin import SinkOptions

_NAME = "^[A-Za-z_][A-Za-z0-9_]{0,62}$"


class SqlOptions(SinkOptions):
    """Events as rows of a table, in PostgreSQL or SQLite."""

    url: str = Field(
        "",
        description="The database: `postgresql://user@host:port/name`, `sqlite:///path`, or by a socket "
        "`postgresql:///name?host=/run/postgresql`. One with a password goes elsewhere:",
    )
    url_file: Path | None = Field(None, description="The file that holds the URL.")
    url_env: str | None = Field(None, description="The environment variable that holds the URL.")
    table: str = Field("amibus_events", pattern=_NAME, description="The table.")
    db_schema: str | None = Field(
        None,
        alias="schema",
        pattern=_NAME,
        description="PostgreSQL's schema; without it the search path decides.",
    )
    create: bool = Field(True, description="Make the table if it is not there.")
    batch: int = Field(100, ge=1, le=500, description="How many events one transaction has at most.")
    connections: int = Field(
        4, ge=1, le=50, description="How many connections at most. SQLite has one writer, so one."
    )
    timeout_secs: float = Field(
        10.0,
        ge=0.1,
        le=300,
        description="How long connecting, a statement, or waiting for SQLite's lock may take.",
    )
    tls: Literal["prefer", "require", "off"] = Field(
        "prefer",
        description="PostgreSQL: TLS where the server has it, whatever its certificate; TLS always; never.",
    )
    verify: bool = Field(
        True, description='Whether the server\'s certificate must be valid, with `tls = "require"`.'
    )
    ca_file: Path | None = Field(
        None, description='The authorities to trust (PEM), instead of the system\'s, with `tls = "require"`.'
    )
