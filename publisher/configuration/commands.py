"""`[commands]`: the command queue."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from publisher.configuration.quantities import Seconds, Whole
from publisher.configuration.secrets import SecretUrl, refused
from publisher.configuration.section import EMBEDDED, ServerTls
from publisher.configuration.url_holder import UrlHolder
from schemas.redis_url import FORMS, RedisUrl


class CommandsSettings(UrlHolder):
    """The command queue: where clients put their commands, and how they are executed."""

    url: SecretUrl = Field(
        default=SecretUrl(EMBEDDED),
        description="embedded, or redis://user:password@host:6379/0, rediss://…, redis+sentinel://host1,host2/"
        "name, redis+cluster://host1,host2",
    )
    url_file: Path | None = Field(
        default=None,
        examples=["redis.url"],
        description="File that holds the URL; must not be readable by every user.",
    )
    url_env: str | None = Field(
        default=None, examples=["REDIS_URL"], description="Environment variable that holds the URL."
    )
    tls: ServerTls = Field(
        default=ServerTls(), description="How to check the server's certificate (rediss only)."
    )
    timeout_secs: Seconds = Field(
        default=5.0, ge=0.1, le=300, description="How long to wait for the server, for each answer."
    )
    max_depth: Whole = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="Commands that may stand in a PBX's queue; more are refused to the client.",
    )
    lease_secs: Seconds = Field(
        default=15.0,
        ge=1,
        le=600,
        description="After how long without news from a collector another one may take a PBX's queue over.",
    )
    keep_replies_hours: Seconds = Field(
        default=24.0,
        ge=0.01,
        le=720,
        description="How long a command and its reply are kept in the queue after its end.",
    )
    keep_days: Seconds = Field(
        default=7.0,
        ge=3,
        le=3650,
        description="How long the command journal remembers ids; an older one would be new again.",
    )
    max_calls: Whole = Field(
        default=100, ge=1, le=500, description="Calls of a PBX that may ring at a time; more wait."
    )
    max_in_flight: Whole = Field(
        default=200, ge=1, le=500, description="Other actions of a PBX that may be under way; more wait."
    )
    rate: Seconds = Field(
        default=100.0, ge=0, le=100_000, description="Commands a second to a PBX; more wait; 0: any number."
    )
    burst: Whole = Field(default=100, ge=1, le=100_000, description="Commands to a PBX at once beyond that.")
    answer_timeout_secs: Seconds = Field(
        default=30.0, ge=1, le=600, description="How long to wait for the PBX's answer to an action."
    )

    @classmethod
    def check_url(cls, url: SecretUrl) -> SecretUrl:
        if url.reveal() != EMBEDDED:
            try:
                RedisUrl.parse(url.reveal())
            except ValueError:
                raise refused(f"is no command queue; allowed: {EMBEDDED}, {FORMS}") from None
        return url
