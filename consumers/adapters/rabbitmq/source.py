"""RabbitMQ as the consumers' bus: a queue for each binding, and batches of deliveries from it.

Bindings that can change. AMQP 0-9-1 has no way to ask which keys a queue is bound with, so a key that left
the configuration could never be taken off again. Therefore a durable binding's keys do not bind the queue
itself but a small fanout exchange in front of it, one of three slots `amibus.<name>.0` to `.2`. To
(re)bind: find the slots that exist, make a free one with the wanted keys and the queue behind it, then
delete the ones that were found. A message that meanwhile matches both arrives once (RabbitMQ delivers once
to a queue, however many ways lead there), and none is missed. A crash in between leaves two slots, which the
next bind replaces; two processes that bind the same name at once with the same keys agree.

A durable queue is a quorum queue unless the settings say classic. One that is there already with other
arguments stays as it is. A binding that is not durable has an exclusive queue, which ends with the
connection and is made anew by `subscribe` after a loss.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Final

from consumers.adapters.rabbitmq.driver import (
    Connection,
    DoesNotFit,
    SourceSettings,
    Translating,
    close_connection,
    exchange_exists,
    open_connection,
)
from consumers.adapters.rabbitmq.subscription import RabbitSubscription
from consumers.ports import Binding
from schemas.broker_topology import EVENTS, queue_name

_SLOTS: Final = 3
_FIRST_WITH_DELIVERY_LIMIT: Final = 4


class RabbitSource:
    """Implements `consumers.ports.BusSource`. Connects when first used, and anew after a loss."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self._transient: dict[str, Binding] = {}
        self._transient_queues: dict[str, str] = {}
        self._subscriptions: list[RabbitSubscription] = []
        self._connecting = asyncio.Lock()

    async def bind(self, binding: Binding) -> None:
        """Make the binding, or bring it to these keys without losing or repeating a message meanwhile."""
        connection = await self._connected()
        async with Translating(self._settings.url):
            if binding.durable:
                await self._bind_durable(connection, binding)
            else:
                await self._bind_transient(connection, binding)

    async def unbind(self, name: str) -> None:
        """Remove the binding's queue with what waits in it, and its exchanges."""
        connection = await self._connected()
        self._transient.pop(name, None)
        transient = self._transient_queues.pop(name, None)
        async with Translating(self._settings.url), connection.channel() as channel:
            await channel.queue_delete(transient or queue_name(name))
            for slot in _slots(name):
                await channel.exchange_delete(slot)

    async def subscribe(self, name: str, prefetch: int = 500) -> RabbitSubscription:
        """Begin to take deliveries. Raises `BusRefused` when there is no such binding."""
        connection = await self._connected()
        if name in self._transient and name not in self._transient_queues:
            await self.bind(self._transient[name])
        queue = self._transient_queues.get(name) or queue_name(name)
        async with Translating(self._settings.url):
            channel = connection.channel(publisher_confirms=False)
            await channel.initialize()
            subscription = RabbitSubscription(
                self._settings.url, await channel.get_underlay_channel(), channel
            )
            await subscription.begin(queue, prefetch)
        self._subscriptions = [known for known in self._subscriptions if not known.ended]
        self._subscriptions.append(subscription)
        return subscription

    async def close(self) -> None:
        """End the subscriptions, each with what it has settled said, then the connection."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            await close_connection(connection)

    async def _connected(self) -> Connection:
        async with self._connecting:
            if self._connection is not None and self._connection.alive:
                return self._connection
            await self.close()
            # Exclusive queues ended with the connection.
            self._transient_queues.clear()
            self._connection = await open_connection(self._settings)
            return self._connection

    async def _bind_durable(self, connection: Connection, binding: Binding) -> None:
        queue = queue_name(binding.name)
        await self._declare_queue(connection, queue)
        found = [slot for slot in _slots(binding.name) if await exchange_exists(connection, slot)]
        free = next((slot for slot in _slots(binding.name) if slot not in found), None)
        async with connection.channel() as channel:
            if free is None:
                # Only a crash within a crash leaves all three: make room.
                free = found.pop()
                await channel.exchange_delete(free)
            exchange = await channel.declare_exchange(free, "fanout", durable=True)
            for key in dict.fromkeys(binding.keys):
                await exchange.bind(EVENTS.name, key)
            await (await channel.get_queue(queue, ensure=False)).bind(free)
            for slot in found:
                await channel.exchange_delete(slot)

    async def _declare_queue(self, connection: Connection, queue: str) -> None:
        arguments: dict[str, str | int] = {"x-queue-type": self._settings.queue_type}
        if self._settings.queue_type == "quorum" and connection.broker_major >= _FIRST_WITH_DELIVERY_LIMIT:
            # From 4.0 on a quorum queue drops what was delivered 20 times; parking is the sink's business.
            arguments["x-delivery-limit"] = -1
        try:
            async with connection.channel() as channel:
                await channel.declare_queue(queue, durable=True, arguments=dict(arguments))
        except DoesNotFit:
            async with connection.channel() as channel:
                await channel.declare_queue(queue, passive=True)

    async def _bind_transient(self, connection: Connection, binding: Binding) -> None:
        before = self._transient.get(binding.name)
        known = self._transient_queues.get(binding.name)
        async with connection.channel() as channel:
            queue = await channel.declare_queue(
                known or f"{queue_name(binding.name)}.{uuid.uuid4().hex}", exclusive=True, auto_delete=False
            )
            for key in dict.fromkeys(binding.keys):
                await queue.bind(EVENTS.name, key)
            if before is not None and known is not None:
                for key in set(before.keys) - set(binding.keys):
                    await queue.unbind(EVENTS.name, key)
        self._transient[binding.name] = binding
        self._transient_queues[binding.name] = queue.name


def _slots(name: str) -> list[str]:
    return [f"{queue_name(name)}.{slot}" for slot in range(_SLOTS)]
