"""What stands on the RabbitMQ broker, as data: both sides declare it, so neither has to start first.

Exchange `ami.events` (topic) takes every event. What no queue is bound for goes to its alternate exchange
`ami.unrouted` and from there to the queue of the same name, an operator's window on keys that nobody
takes. That queue keeps the newest 100,000 messages and drops the oldest ones beyond: nothing is lost by
it, because the journal still has them.

A binding is a queue `amibus.<name>`, or so many partitions `amibus.<name>:<n>` behind the exchange
`amibus.<name>:calls`, which hashes the header `call`. What a sink would not take, and what the broker takes
off a binding's queue by itself, goes by the exchange `ami.dead` to the queue `ami.parked`.

Exchange `ami.calls` (topic) takes call events. It has no alternate: what no queue is bound for is dropped on
purpose, because the raw events say the same. They are made of what waits in the queue `amibus._calls`, by one
consumer at a time; what that knows of the calls that go on is the one message in `ami.calls.state`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schemas.call_event import CALLS_EXCHANGE
from schemas.message import EVENTS_EXCHANGE, UNROUTED_EXCHANGE, UNROUTED_QUEUE

UNROUTED_MAX_MESSAGES: Final = 100_000
PARKED_MAX_MESSAGES: Final = 1_000_000
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


DEAD: Final = ExchangeSpec("ami.dead", "fanout")
PARKED: Final = QueueSpec(
    "ami.parked",
    {"x-queue-type": "quorum", "x-max-length": PARKED_MAX_MESSAGES, "x-overflow": "reject-publish"},
)
PARKED_BINDING: Final = BindingSpec(PARKED.name, DEAD.name, "")

CALLS: Final = ExchangeSpec(CALLS_EXCHANGE, "topic")
# The newest message drives out the one before it.
CALLS_STATE: Final = QueueSpec(
    f"{CALLS_EXCHANGE}.state", {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "drop-head"}
)


def partition_exchange(binding: str) -> ExchangeSpec:
    """Where a partitioned binding's calls are divided among its queues."""
    return ExchangeSpec(f"{QUEUE_PREFIX}{binding}:calls", "x-consistent-hash", {"hash-header": "call"})


def members_queue(binding: str) -> str:
    """The queue without messages in which those who share a binding's partitions count each other."""
    return f"{QUEUE_PREFIX}{binding}:members"


def binding_of(queue: str) -> str:
    """The binding whose queue, or partition, this is; empty for any other queue."""
    if not queue.startswith(QUEUE_PREFIX):
        return ""
    # A binding's name has no colon.
    return queue[len(QUEUE_PREFIX) :].partition(":")[0]


def queue_name(binding: str) -> str:
    """The queue in which a named binding's messages wait; of a partition, where `binding` is `<name>:<n>`."""
    return QUEUE_PREFIX + binding
