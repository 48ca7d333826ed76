"""What stands on the RabbitMQ broker, as data: both sides declare it, so neither has to start first.

Exchange `ami.events` (topic) takes every event. What no queue is bound for goes to its alternate exchange
`ami.unrouted` and from there to the queue of the same name, an operator's window on keys that nobody
takes. That queue keeps the newest 100,000 messages and drops the oldest ones beyond: nothing is lost by
it, because the journal still has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schemas.message import EVENTS_EXCHANGE, UNROUTED_EXCHANGE, UNROUTED_QUEUE

UNROUTED_MAX_MESSAGES: Final = 100_000
QUEUE_PREFIX: Final = "amibus."

Arguments = dict[str, str | int]


@dataclass(slots=True, frozen=True)
class ExchangeSpec:
    """A durable exchange."""

    name: str
    type: str
    arguments: Arguments = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class QueueSpec:
    """A durable queue."""

    name: str
    arguments: Arguments = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class BindingSpec:
    """A queue's binding to an exchange."""

    queue: str
    exchange: str
    key: str


EVENTS: Final = ExchangeSpec(EVENTS_EXCHANGE, "topic", {"alternate-exchange": UNROUTED_EXCHANGE})
UNROUTED: Final = ExchangeSpec(UNROUTED_EXCHANGE, "fanout")
UNROUTED_KEPT: Final = QueueSpec(
    UNROUTED_QUEUE, {"x-max-length": UNROUTED_MAX_MESSAGES, "x-overflow": "drop-head"}
)
UNROUTED_BINDING: Final = BindingSpec(UNROUTED_QUEUE, UNROUTED_EXCHANGE, "")


def queue_name(binding: str) -> str:
    """The queue in which a named binding's messages wait."""
    return QUEUE_PREFIX + binding
