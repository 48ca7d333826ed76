"""What a binding says about its webhook."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from consumers.plugin import SinkOptions


class WebhookOptions(SinkOptions):
    """Events posted as JSON to a URL."""

    url: str = Field(
        "", description="Where to post: `https://host/path`. One with a password goes elsewhere:"
    )
    url_file: Path | None = Field(None, description="The file that holds the URL.")
    url_env: str | None = Field(None, description="The environment variable that holds the URL.")
    secret_file: Path | None = Field(
        None, description="The file with the secret that requests are signed with."
    )
    secret_env: str | None = Field(None, description="The environment variable with that secret.")
    token_file: Path | None = Field(
        None, description="The file with a token, sent as `Authorization: Bearer <token>`."
    )
    token_env: str | None = Field(None, description="The environment variable with that token.")
    batch: int = Field(
        1,
        ge=1,
        le=1000,
        description="1: one event a request, as an object. More: at most so many, as a list.",
    )
    batch_bytes: int = Field(
        1_000_000, ge=1, le=64 * 2**20, description="A request of several events has at most so many bytes."
    )
    answers: Literal["status", "per_event"] = Field(
        "status",
        description="Whether the status speaks for all events of a list, or the answer's body for each.",
    )
    timeout_secs: float = Field(
        10.0, ge=0.1, le=300, description="How long a request may take, from connecting to the answer."
    )
    verify: bool = Field(True, description="Whether the server's certificate must be valid.")
    ca_file: Path | None = Field(
        None, description="The authorities to trust (PEM), instead of the system's, for `https`."
    )
