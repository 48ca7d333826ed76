"""`[[binding]]`: one consumer's share of the events. The options of its sink stand in the same table; what
they may be is the sink's own, and is looked at where the sinks are known (`publisher.command.bindings`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from publisher.configuration.quantities import Seconds
from publisher.configuration.section import Section, form

Word = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class BindingSettings(Section):
    """One consumer's share of the events, and the sink that takes it; the sink's options stand beside."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, form(r"[a-z0-9][a-z0-9_.-]*", "a-z, 0-9, _ . and -", 60)] = Field(
        examples=["crm"], description="The binding's name, unique: a-z, 0-9, _ . and -."
    )
    sink: Word = Field(
        examples=["webhook"],
        description="What takes them: stdout, jsonl, webhook, amqp, redis-stream, sql, or one of your own.",
    )
    on: Literal["events", "calls"] = Field(
        default="events", description="What it takes: `events`, or the `calls` that are made of them."
    )
    keys: list[Word] = Field(
        default=["#"],
        min_length=1,
        max_length=1000,
        description="Topic patterns: * is one token, # any number of them.",
    )
    contains: str = Field(
        default="", max_length=4096, description="Only events in whose text this stands, case and all."
    )
    regex: str = Field(
        default="",
        max_length=4096,
        description="Only events in whose text this is found; a dot stands for line breaks too.",
    )
    where: dict[str, str] = Field(
        default={},
        max_length=1000,
        description="Only events whose headers hold these, a regular expression each.",
    )
    events: list[Word] = Field(
        default=[], max_length=1000, description="Only events of these names, whatever their case."
    )
    extensions: list[Word] = Field(
        default=[], max_length=1000, description="Only events that concern one of these extensions."
    )
    start: Literal["new", "oldest"] = Field(
        default="new",
        description="Where a new binding begins: `new`, or the `oldest` event that is kept (embedded bus).",
    )
    once: bool = Field(
        default=False,
        description="Do not give an id again that the sink took lately (of the last 20,000).",
    )
    prefetch: int = Field(
        default=500, ge=1, le=10_000, description="Events held in memory at most; a partition each."
    )
    concurrency: int = Field(
        default=8, ge=1, le=1000, description="How many calls' events may be with the sink at once."
    )
    tries: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Tries until an event is parked that the sink refuses while it takes others.",
    )
    retry_secs: Seconds = Field(
        default=1.0, ge=0.01, le=3600, description="Wait before the second try; doubles with each."
    )
    retry_most_secs: Seconds = Field(
        default=60.0, ge=0.01, le=3600, description="The longest of these waits."
    )
    timeout_secs: Seconds = Field(
        default=30.0, ge=0.1, le=3600, description="How long the sink may take for one try."
    )
    partitions: int = Field(
        default=0,
        ge=0,
        le=64,
        description="RabbitMQ: divide the calls among so many queues, which processes share; 0: one queue.",
    )
    max_waiting: int = Field(
        default=5_000_000,
        ge=1,
        description="RabbitMQ: events that may wait on a queue; beyond, the oldest are parked.",
    )

    @property
    def sink_options(self) -> dict[str, Any]:
        """What the sink makes of the rest of the table."""
        return dict(self.model_extra or {})
