"""What consumers need from a bus, as Protocols: RabbitMQ and the embedded bus both give it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.message import Delivery, Message

MAX_WAITING: Final = 5_000_000
# Below what RabbitMQ 4 takes as one message.
MAX_STATE_BYTES: Final = 15 * 2**20


@dataclass(slots=True, frozen=True)
class Binding:
    """A named, durable place on the bus: every message that one of the topic patterns matches, once.

    `start` says where a new binding begins: "new" (from now on) or "oldest" (all that is still kept; on
    RabbitMQ a queue can only hold what came after it was declared). `max_waiting`: how many messages may
    wait on the broker; beyond, the oldest are parked. `partitions`: among so many queues, which consumers
    share, the calls are divided; 0 is one queue without order among its consumers. `single`: one consumer
    takes, the others stand by.
    """

    name: str
    keys: tuple[str, ...]
    start: str = "new"
    durable: bool = True
    max_waiting: int = MAX_WAITING
    partitions: int = 0
    single: bool = False


@dataclass(slots=True, frozen=True)
class ParkedEvent:
    """An event that was put aside. `key` names it in its parking lot; `parked_at` is RFC 3339, UTC."""

    key: str
    binding: str
    reason: str
    tries: int
    parked_at: str
    message: Message


class ParkingLot(Protocol):
    """Where events stand that a sink would not take, until somebody decides. It outlives the process.

    Every method raises `consumers.errors.ConsumerError` when the lot cannot be reached.
    """

    async def park(self, binding: str, message: Message, reason: str, tries: int) -> None:
        """Put it aside; when this returns it stands there for good. Raises `LotFull` beyond its bound."""
        ...

    async def parked(self, binding: str = "", limit: int = 1000) -> Sequence[ParkedEvent]:
        """The oldest first, of one binding or of all."""
        ...

    async def replay(self, keys: Collection[str]) -> int:
        """Deliver these to their bindings again; how many there were."""
        ...

    async def drop(self, keys: Collection[str]) -> int:
        """Forget these; how many there were."""
        ...

    async def close(self) -> None: ...


class Subscription(Protocol):
    """Takes deliveries of one binding. Deliveries may be settled in any order."""

    async def receive(self, limit: int = 500) -> Sequence[Delivery]:
        """Wait for at least one delivery, return at most `limit`. Raises `consumers.errors.BusLost`."""
        ...

    def settle(self, tag: int) -> None:
        """The sink has taken it."""
        ...

    def retry(self, tag: int) -> None:
        """Deliver it again."""
        ...

    async def consumers(self) -> int:
        """How many take from this place now, this one included. Raises as `receive` does."""
        ...

    async def close(self) -> None:
        """Say what was settled, then end; what was not settled is delivered again, to whoever is next."""
        ...


class BusSource(Protocol):
    """A bus seen from the consumers' side."""

    async def bind(self, binding: Binding) -> None:
        """Make the binding, or bring an existing one to these keys. Idempotent."""
        ...

    async def unbind(self, name: str) -> None:
        """Remove the binding and what waits in it."""
        ...

    async def places(self, name: str) -> Sequence[str]:
        """What to subscribe to for a binding: its own name, or its partitions, each taken by one consumer at
        a time. Also those that are left from an earlier definition, until they are empty."""
        ...

    async def subscribe(self, name: str, prefetch: int = 500) -> Subscription: ...

    async def close(self) -> None: ...


class CallBus(Protocol):
    """Where call events go, and where what is known of the calls that go on outlives the process.

    Every method raises `consumers.errors.ConsumerError` when the bus cannot be used.
    """

    async def begin(self) -> None:
        """Called before a subscription to the raw events: what follows is tied to the connection of now, and
        fails once that is lost, so that nobody whose place was given to another goes on telling."""
        ...

    async def state(self) -> bytes:
        """What was saved last; empty where nothing was."""
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """In order; when this returns every binding has them for good. What no binding takes is dropped."""
        ...

    async def save(self, state: bytes) -> None:
        """In place of what was saved before; at most `MAX_STATE_BYTES`."""
        ...

    async def forget(self) -> None:
        """Nothing is saved any more."""
        ...
