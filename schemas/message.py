"""A message as it stands on the bus: what a publisher sends and what a subscriber receives.

Both buses (RabbitMQ and the embedded one) carry exactly this. The AMQP mapping is the one of the
AsyncAPI document: properties `content_type`, `type`, `message_id`, `timestamp`, `app_id`, and the
headers named in `Headers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EVENTS_EXCHANGE: Final = "ami.events"
UNROUTED_EXCHANGE: Final = "ami.unrouted"
UNROUTED_QUEUE: Final = "ami.unrouted"
MSGPACK: Final = "application/msgpack"
JSON: Final = "application/json"
MAX_EXTENSIONS: Final = 8


# Frozen classes would cost a microsecond each to make, once an event: nobody changes one all the same.
@dataclass(slots=True, unsafe_hash=True)
class Headers:
    """The AMQP headers of one event: scalars only, except `cc`.

    `cc` holds the routing keys after the first one (RabbitMQ's sender-selected distribution, header `CC`).
    `linkedid` is empty where the event carries none; `call` is always set.
    """

    pbx: str
    epoch: int
    seq: int
    call: str
    linkedid: str = ""
    cc: tuple[str, ...] = ()


@dataclass(slots=True, unsafe_hash=True)
class Message:
    """One event, encoded. `timestamp` is in whole seconds since the Unix epoch, UTC."""

    routing_key: str
    headers: Headers
    message_id: str
    type: str
    timestamp: int
    body: bytes
    content_type: str = MSGPACK


@dataclass(slots=True, frozen=True)
class Delivery:
    """A message as a subscriber gets it; `tag` names it to `settle`, `retry` and `reject`."""

    tag: int
    message: Message
    redelivered: bool = False
