"""What a binding says about the exchange that it publishes to."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from consumers.plugin import SinkOptions


class AmqpOptions(SinkOptions):
    """Events published to an exchange of a RabbitMQ, the bus's own or another."""

    url: str = Field(
        "", description="The broker: `amqp[s]://user@host:port/vhost`. One with a password goes elsewhere:"
    )
    url_file: Path | None = Field(None, description="The file that holds the URL.")
    url_env: str | None = Field(None, description="The environment variable that holds the URL.")
    exchange: str | None = Field(
        None,
        max_length=255,
        description='The exchange; `wazo-headers` where `format = "wazo"`, else to be given.',
    )
    exchange_type: Literal["", "topic", "fanout", "direct", "headers"] = Field(
        "", description="Make the exchange (durable) if it is not there; without it, it must be there."
    )
    format: Literal["json", "msgpack", "wazo"] = Field(
        "json", description="The body: the event as JSON or MessagePack, or the message that wazo-amid sends."
    )
    routing_key: str = Field(
        "{key}",
        max_length=1000,
        description="The routing key. `{key}` is the event's own, `{pbx}`, `{event}` and `{extension}` its "
        "parts, `{call}` and `{linkedid}` the event's headers. With `{key}` alone an event reaches queues "
        'bound for any of its extensions. `format = "wazo"` has its own: `ami.<event>`.',
    )
    mandatory: bool = Field(
        True,
        description="Whether an event that no queue is bound for counts as not taken; else it is dropped.",
    )
    other_bus: bool = Field(
        False,
        description="Allows the exchange `ami.events`. Only for another broker: on the bus itself events "
        "would go round for ever.",
    )
    origin_uuid: str = Field(
        "",
        max_length=255,
        description='What `format = "wazo"` gives as `origin_uuid`; empty: the PBX\'s name.',
    )
    batch: int = Field(100, ge=1, le=500, description="How many events are under way in one take at most.")
    timeout_secs: float = Field(
        10.0,
        ge=0.1,
        le=300,
        description="How long connecting, and the broker's confirm of an event, may take.",
    )
    verify: bool = Field(True, description="Whether the broker's certificate must be valid, for `amqps`.")
    ca_file: Path | None = Field(
        None, description="The authorities to trust (PEM), instead of the system's, for `amqps`."
    )
