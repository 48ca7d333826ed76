"""RabbitMQ as the consumers' bus: a queue for each binding, and batches of deliveries from it.

Bindings that can change. AMQP 0-9-1 has no way to ask which keys a queue is bound with, so a key that left
the configuration could never be taken off again. Therefore a durable binding's keys do not bind the queue
itself but a small fanout exchange in front of it, one of three slots `amibus.<name>.0` to `.2`. To
(re)bind: find the slots that exist, make a free one with the wanted keys and the queue behind it, then
delete the ones that were found. A message that meanwhile matches both arrives once (RabbitMQ delivers once
to a queue, however many ways lead there), and none is missed. A crash in between leaves two slots, which the
next bind replaces. Processes that bind the same name at once do it in turns (turn.py): else one could delete
the slot that another has just made, and leave none.

A durable queue is a quorum queue unless the settings say classic. It holds `max_waiting` messages; beyond,
the oldest go to the parking lot, and so does one that was delivered 1,000 times (it seems to kill its
consumers). A queue that is there already with other arguments stays as it is.

Partitions. The slot leads to an exchange that hashes the header `call`, and that to N queues with a single
active consumer each. What an earlier definition had more of is bound no longer, and is taken from until it
is empty; then it goes. A binding that is not durable has an exclusive queue, which ends with the
connection and is made anew by `subscribe` after a loss.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Final

from consumers.adapters.rabbitmq.driver import (
    Channel,
    Connection,
    DoesNotFit,
    SourceSettings,
    Translating,
    Unknown,
    close_connection,
    exchange_exists,
    join,
    messages_in,
    open_connection,
)
from consumers.adapters.rabbitmq.subscription import RabbitSubscription
from consumers.adapters.rabbitmq.turn import turn
from consumers.errors import BusRefused
from consumers.ports import Binding
from schemas.broker_topology import (
    DEAD,
    EVENTS,
    QUEUE_PREFIX,
    ExchangeSpec,
    members_queue,
    partition_exchange,
    queue_name,
)

_SLOTS: Final = 3
_WEIGHT: Final = "1"
_DELIVERIES: Final = 1_000


class RabbitSource:
    """Implements `consumers.ports.BusSource`. Connects when first used, and anew after a loss.

    `exchange` is where the bindings take from. A binding's name is of one source only: two of the same name
    on different exchanges would be one queue.
    """

    def __init__(self, settings: SourceSettings, exchange: ExchangeSpec = EVENTS) -> None:
        self._settings = settings
        self._exchange = exchange.name
        self._connection: Connection | None = None
        self._wanted: dict[str, list[str]] = {}
        self._joined: dict[str, Channel] = {}
        self._joining = asyncio.Lock()
        self._transient: dict[str, Binding] = {}
        self._transient_queues: dict[str, str] = {}
        self._subscriptions: list[RabbitSubscription] = []
        self._connecting = asyncio.Lock()
        self._binding = asyncio.Lock()

    async def bind(self, binding: Binding) -> None:
        """Make the binding, or bring it to these keys without losing or repeating a message meanwhile."""
        connection = await self.connection()
        async with Translating(self._settings.url):
            if binding.durable:
                # A turn is one connection's: two tasks of ours have to wait for each other here.
                async with self._binding, turn(connection, binding.name):
                    await self._bind_durable(connection, binding)
            else:
                await self._bind_transient(connection, binding)

    async def unbind(self, name: str) -> None:
        """Remove the binding's queue with what waits in it, and its exchanges."""
        connection = await self.connection()
        self._transient.pop(name, None)
        transient = self._transient_queues.pop(name, None)
        async with Translating(self._settings.url), connection.channel() as channel:
            for queue in [transient] if transient else await self._queues(connection, name):
                await channel.queue_delete(queue)
            if (joined := self._joined.pop(name, None)) is not None:
                await joined.close()
            for exchange in (*_slots(name), partition_exchange(name).name):
                await channel.exchange_delete(exchange)

    async def places(self, name: str) -> list[str]:
        """As the port says; what is left from before goes when it is empty."""
        if name in self._transient:
            return [name]
        connection = await self.connection()
        wanted = self._wanted.get(name)
        async with Translating(self._settings.url):
            queues = await self._queues(connection, name)
            for queue in list(queues):
                if wanted and queue not in wanted and not await messages_in(connection, queue):
                    try:
                        async with connection.channel() as channel:
                            await channel.queue_delete(queue, if_empty=True, if_unused=True)
                        queues.remove(queue)
                    except DoesNotFit:
                        # Somebody still takes from it, or something came.
                        continue
        return [queue.removeprefix(QUEUE_PREFIX) for queue in queues]

    async def _counted(self, connection: Connection, place: str) -> str:
        """The queue in which the processes that share a binding's partitions count each other: of a quorum
        queue with a single active consumer the broker tells that one alone. Empty without partitions."""
        name, colon, _ = place.partition(":")
        if not colon:
            return ""
        async with self._joining:
            if name not in self._joined:
                self._joined[name] = await join(connection, members_queue(name))
        return members_queue(name)

    async def _queues(self, connection: Connection, name: str) -> list[str]:
        """The queues that a durable binding has, whatever it was defined as."""
        found = [queue_name(name)] if await messages_in(connection, queue_name(name)) is not None else []
        index = 0
        while await messages_in(connection, queue := queue_name(f"{name}:{index}")) is not None:
            found.append(queue)
            index += 1
        return found

    async def subscribe(self, name: str, prefetch: int = 500) -> RabbitSubscription:
        """Begin to take deliveries. Raises `BusRefused` when there is no such binding."""
        connection = await self.connection()
        if name in self._transient and name not in self._transient_queues:
            await self.bind(self._transient[name])
        queue = self._transient_queues.get(name) or queue_name(name)
        async with Translating(self._settings.url):
            channel = connection.channel(publisher_confirms=False)
            await channel.initialize()
            subscription = RabbitSubscription(
                self._settings.url, await channel.get_underlay_channel(), channel
            )
            try:
                await subscription.begin(queue, prefetch, await self._counted(connection, name))
            except BaseException:
                # Half made it would take events that nobody gets.
                await subscription.close()
                raise
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

    async def connection(self) -> Connection:
        """The connection of now. Raises `BusRefused` and `BusUnreachable`."""
        async with self._connecting:
            if self._connection is not None and self._connection.alive:
                return self._connection
            await self.close()
            # Exclusive queues ended with the connection.
            self._transient_queues.clear()
            self._joined.clear()
            self._connection = await open_connection(self._settings)
            return self._connection

    async def _bind_durable(self, connection: Connection, binding: Binding) -> None:
        parts = [f"{binding.name}:{index}" for index in range(binding.partitions)] or [binding.name]
        queues = [queue_name(part) for part in parts]
        for queue in queues:
            await self._declare_queue(connection, queue, binding)
        if binding.partitions:
            await self._divide(connection, binding, queues)
        self._wanted[binding.name] = queues
        found = [slot for slot in _slots(binding.name) if await exchange_exists(connection, slot)]
        free = next((slot for slot in _slots(binding.name) if slot not in found), None)
        async with connection.channel() as channel:
            if free is None:
                # Only a crash within a crash leaves all three: make room.
                free = found.pop()
                await channel.exchange_delete(free)
            exchange = await channel.declare_exchange(free, "fanout", durable=True)
            for key in dict.fromkeys(binding.keys):
                await exchange.bind(self._exchange, key)
            if binding.partitions:
                divided = await channel.get_exchange(partition_exchange(binding.name).name, ensure=False)
                await divided.bind(free)
            else:
                await (await channel.get_queue(queues[0], ensure=False)).bind(free)
            for slot in found:
                await channel.exchange_delete(slot)

    async def _divide(self, connection: Connection, binding: Binding, queues: Sequence[str]) -> None:
        """The exchange that divides the calls among the queues, and among no others."""
        spec = partition_exchange(binding.name)
        try:
            async with connection.channel() as channel:
                exchange = await channel.declare_exchange(
                    spec.name, spec.type, durable=True, arguments=dict(spec.arguments)
                )
                for queue in await self._queues(connection, binding.name):
                    bound = await channel.get_queue(queue, ensure=False)
                    if queue in queues:
                        await bound.bind(exchange, _WEIGHT)
                    elif ":" in queue:
                        await bound.unbind(exchange, _WEIGHT)
        except Unknown as error:
            raise BusRefused(
                f"{self._settings.url.shown}: partitions need the broker's plugin"
                " rabbitmq_consistent_hash_exchange; enable it with rabbitmq-plugins"
            ) from error

    async def _declare_queue(self, connection: Connection, queue: str, binding: Binding) -> None:
        arguments: dict[str, str | int | bool] = {
            "x-queue-type": self._settings.queue_type,
            "x-max-length": binding.max_waiting,
            "x-overflow": "drop-head",
            "x-dead-letter-exchange": DEAD.name,
        }
        if self._settings.queue_type == "quorum":
            arguments["x-delivery-limit"] = _DELIVERIES
        if binding.partitions or binding.single:
            arguments["x-single-active-consumer"] = True
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
                await queue.bind(self._exchange, key)
            if before is not None and known is not None:
                for key in set(before.keys) - set(binding.keys):
                    await queue.unbind(self._exchange, key)
        self._transient[binding.name] = binding
        self._transient_queues[binding.name] = queue.name


def _slots(name: str) -> list[str]:
    return [f"{queue_name(name)}.{slot}" for slot in range(_SLOTS)]
