"""The parking lot on RabbitMQ: the queue `ami.parked` behind the exchange `ami.dead`.

What a consumer parks is published there with confirms; what the broker itself takes off a binding's queue
(too many waiting, delivered too often) comes the same way, as a dead letter. A replay publishes to the
binding's own queue, so no other binding gets the event again.

Looking through the queue takes messages and gives them back; at most `MOST_LOOKED_AT`. The queue takes
1,000,000 messages; beyond, the broker refuses ours (`LotFull`), and drops dead letters of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, Final

from consumers.adapters.rabbitmq.driver import (
    Channel,
    Connection,
    Fetched,
    MessageRefused,
    Properties,
    SourceSettings,
    Translating,
    acknowledge,
    close_connection,
    confirming_channel,
    fetch_one,
    messages_in,
    open_connection,
    publish,
)
from consumers.adapters.rabbitmq.subscription import FIRST_CC, FIRST_KEY, message_of
from consumers.errors import BusRefused, LotFull
from consumers.ports import ParkedEvent
from schemas.broker_topology import DEAD, PARKED, binding_of, partition_exchange, queue_name
from schemas.message import Message
from schemas.timestamps import timestamp_text

MOST_LOOKED_AT: Final = 20_000

_BINDING: Final = "amibus-binding"
_REASON: Final = "amibus-reason"
_TRIES: Final = "amibus-tries"
_AT: Final = "amibus-parked-at"
_DEATHS: Final = {
    "maxlen": "too many events were waiting for this binding",
    "delivery_limit": "it was delivered again and again and never settled: its consumer may die of it",
    "expired": "it waited for too long",
    "rejected": "a consumer rejected it",
}


class RabbitLot:
    """Implements `consumers.ports.ParkingLot`. Connects when first used, and anew after a loss."""

    def __init__(self, settings: SourceSettings, now_us: Callable[[], int]) -> None:
        self._settings = settings
        self._now_us = now_us
        self._connection: Connection | None = None
        self._publishing: Channel | None = None
        self._connecting = asyncio.Lock()

    async def park(self, binding: str, message: Message, reason: str, tries: int) -> None:
        said = {_BINDING: binding, _REASON: reason, _TRIES: tries, _AT: timestamp_text(self._now_us())}
        try:
            async with self._on_channel() as channel:
                await publish(channel, DEAD.name, binding, message.body, _properties(message, said))
        except MessageRefused as error:
            raise LotFull(f"the parking lot takes no more: {error}; replay or drop some") from error

    async def parked(self, binding: str = "", limit: int = 1000) -> list[ParkedEvent]:
        found = [event async for _, event in self._look() if binding in ("", event.binding)]
        # What was looked at goes back in any order.
        found.sort(key=lambda event: event.parked_at)
        return found[:limit]

    async def replay(self, keys: Collection[str]) -> int:
        wanted, count = set(keys), 0
        async for fetched, event in self._look():
            if event.key in wanted:
                # Each once: what a sink refuses again comes back at once, behind the others.
                wanted.discard(event.key)
                await self._deliver(event)
                await fetched.settle()
                count += 1
        return count

    async def drop(self, keys: Collection[str]) -> int:
        wanted, count = set(keys), 0
        async for fetched, event in self._look():
            if event.key in wanted:
                await fetched.settle()
                count += 1
        return count

    async def close(self) -> None:
        connection, self._connection, self._publishing = self._connection, None, None
        if connection is not None:
            await close_connection(connection)

    async def _look(self) -> AsyncIterator[tuple[_Standing, ParkedEvent]]:
        """All that stands there, the oldest first; what is not settled goes back when the channel closes."""
        connection = await self._connected()
        async with Translating(self._settings.url), connection.channel(publisher_confirms=False) as channel:
            for _ in range(MOST_LOOKED_AT):
                fetched = await fetch_one(channel, PARKED.name)
                if fetched is None:
                    return
                yield _Standing(channel, fetched.tag), _event(fetched)

    async def _deliver(self, event: ParkedEvent) -> None:
        """To the binding's queue or, where it is partitioned, to the exchange that divides it."""
        connection = await self._connected()
        queue = queue_name(event.binding)
        plain = await messages_in(connection, queue) is not None
        exchange, key = ("", queue) if plain else (partition_exchange(event.binding).name, "")
        try:
            async with self._on_channel() as channel:
                await publish(channel, exchange, key, event.message.body, _properties(event.message, {}))
        except MessageRefused as error:
            raise BusRefused(f"the binding {event.binding!r} has no queue any more: {error}") from error

    @asynccontextmanager
    async def _on_channel(self) -> AsyncIterator[Channel]:
        connection = await self._connected()
        async with Translating(self._settings.url):
            if self._publishing is None or self._publishing.is_closed:
                self._publishing = await confirming_channel(connection)
            yield self._publishing

    async def _connected(self) -> Connection:
        async with self._connecting:
            if self._connection is None or not self._connection.alive:
                await self.close()
                self._connection = await open_connection(self._settings)
            return self._connection


class _Standing:
    """A fetched message's way to be settled."""

    def __init__(self, channel: Channel, tag: int) -> None:
        self._channel = channel
        self._tag = tag

    async def settle(self) -> None:
        await acknowledge(self._channel, self._tag)


def _properties(message: Message, said: dict[str, Any]) -> Properties:
    headers = message.headers
    table = {"pbx": headers.pbx, "epoch": headers.epoch, "seq": headers.seq, "call": headers.call}
    return Properties(
        {
            **table,
            "linkedid": headers.linkedid,
            FIRST_KEY: message.routing_key,
            FIRST_CC: list(headers.cc),
            **said,
        },
        content_type=message.content_type,
        message_id=message.message_id,
        type=message.type,
        timestamp=message.timestamp,
    )


def _event(fetched: Fetched) -> ParkedEvent:
    message = message_of(fetched.key, fetched.properties, fetched.body)
    table: dict[str, Any] = dict(fetched.properties.headers or {})
    binding, reason, at = (str(table.get(name) or "") for name in (_BINDING, _REASON, _AT))
    tries = table.get(_TRIES)
    deaths = table.get("x-death")
    if not binding and isinstance(deaths, list) and deaths and isinstance(deaths[0], dict):
        death = deaths[0]
        binding = binding_of(str(death.get("queue") or ""))
        word = str(death.get("reason") or "")
        reason = _DEATHS.get(word, f"the broker took it off the queue: {word}")
        moment = death.get("time")
        at = timestamp_text(int(moment.timestamp() * 1e6)) if moment is not None else ""
    return ParkedEvent(
        key=f"{binding}:{message.message_id}",
        binding=binding,
        reason=reason,
        tries=tries if isinstance(tries, int) else 0,
        parked_at=at,
        message=message,
    )
