"""What consumers need from a bus, as Protocols: RabbitMQ and the embedded bus both give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.message import Delivery


@dataclass(slots=True, frozen=True)
class Binding:
    """A named, durable place on the bus: every message that one of the topic patterns matches, once.

    `start` says where a new binding begins: "new" (from now on) or "oldest" (all that is still kept;
    on RabbitMQ a queue can only hold what came after it was declared).
    """

    name: str
    keys: tuple[str, ...]
    start: str = "new"
    durable: bool = True


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

    async def close(self) -> None: ...


class BusSource(Protocol):
    """A bus seen from the consumers' side."""

    async def bind(self, binding: Binding) -> None:
        """Make the binding, or bring an existing one to these keys. Idempotent."""
        ...

    async def unbind(self, name: str) -> None:
        """Remove the binding and what waits in it."""
        ...

    async def subscribe(self, name: str, prefetch: int = 500) -> Subscription: ...

    async def close(self) -> None: ...
