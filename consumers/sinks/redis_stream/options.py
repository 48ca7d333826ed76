"""What a binding says about its stream."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from consumers.plugin import SinkOptions


class RedisStreamOptions(SinkOptions):
    """Events added to a stream of a Redis: fields `id`, `key`, `type`, `body`."""

    url: str = Field(
        "",
        description="The server: `redis[s]://user@host:port/db`, `redis+sentinel://…`, `redis+cluster://…`, "
        "`unix:///path`. One with a password goes elsewhere:",
    )
    url_file: Path | None = Field(None, description="The file that holds the URL.")
    url_env: str | None = Field(None, description="The environment variable that holds the URL.")
    stream: str = Field(min_length=1, max_length=1000, description="The stream's key.")
    max_length: int = Field(
        100_000,
        ge=1,
        description="The stream keeps about so many entries (`MAXLEN ~`); the oldest go.",
    )
    window: int = Field(
        10_000,
        ge=0,
        le=10_000_000,
        description="An event is not added again while its id is among so many added last; 0: it may be.",
    )
    format: Literal["json", "msgpack"] = Field(
        "json", description="The body: the event as JSON or MessagePack."
    )
    batch: int = Field(200, ge=1, le=500, description="How many events are added at once at most.")
    timeout_secs: float = Field(
        5.0, ge=0.1, le=300, description="How long connecting, and an answer, may take."
    )
    verify: bool = Field(True, description="Whether the server's certificate must be valid, for `rediss`.")
    ca_file: Path | None = Field(
        None, description="The authorities to trust (PEM), instead of the system's, for `rediss`."
    )
