"""What the contract suite needs from a bus: a way to publish, the consumers' side, and a restart.

Another implementation joins by a `Harness` of its own in `HARNESSES` (see conftest.py): every test of the
suite then runs against it too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from consumers.ports import BusSource, Subscription
from schemas.message import Delivery, Headers, Message

PBXS = ("main", "branch")


class Harness(Protocol):
    """A bus with the PBXs `main` and `branch`, empty at the beginning."""

    name: str

    @property
    def source(self) -> BusSource: ...

    @property
    def lost(self) -> type[Exception]:
        """What `receive` raises when the subscription is over."""
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when the bus has the messages for good."""
        ...

    async def reopen(self) -> None:
        """End the consumers' side as a restart does, and open it anew. Bindings and messages stay."""
        ...

    async def close(self) -> None: ...


class Numbers:
    """Makes messages; `body` is the message's number on its PBX, so that order and loss can be seen."""

    def __init__(self) -> None:
        self._last = dict.fromkeys(PBXS, 0)

    def make(self, key: str, *cc: str) -> Message:
        pbx = key.split(".")[0]
        self._last[pbx] += 1
        number = self._last[pbx]
        return Message(
            routing_key=key,
            headers=Headers(pbx, 1_700_000_000_000, number, f"call-{number}", "", tuple(cc)),
            message_id=f"{pbx}-{number}",
            type=key.split(".")[1].capitalize(),
            timestamp=1_700_000_000,
            body=b"%d" % number,
        )


async def take(subscription: Subscription, count: int, secs: float = 20.0) -> list[Delivery]:
    """Exactly so many deliveries, unsettled."""
    found: list[Delivery] = []
    async with asyncio.timeout(secs):
        while len(found) < count:
            found += await subscription.receive(count - len(found))
    return found


async def drain(subscription: Subscription, count: int) -> list[Message]:
    """So many deliveries, each settled."""
    found: list[Message] = []
    while len(found) < count:
        for delivery in await take(subscription, 1):
            subscription.settle(delivery.tag)
            found.append(delivery.message)
    return found


async def nothing_waits(bus: Harness, subscription: Subscription, key: str, numbers: Numbers) -> None:
    """The binding holds nothing more: a marker published now is the very next delivery."""
    marker = numbers.make(key)
    await bus.publish([marker])
    (delivery,) = await take(subscription, 1)
    subscription.settle(delivery.tag)
    assert delivery.message.message_id == marker.message_id
