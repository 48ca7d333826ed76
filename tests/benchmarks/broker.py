"""The broker of the benchmarks: a private RabbitMQ with one durable queue that takes every event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aio_pika

from schemas.broker_topology import EVENTS, UNROUTED, UNROUTED_BINDING, UNROUTED_KEPT
from tests.benchmarks.machine import pid_with
from tests.services.choice import RabbitmqServer, kind_here, new_rabbitmq
from tests.services.guard import Guard
from tests.services.private_rabbitmq import PrivateRabbitmq

QUEUE: Final = "benchmark.all"
WINDOW: Final = 2000
"""Messages that the compared publishers have unconfirmed at most, as in `[bus] window`'s default."""


class Broker:
    """A fresh node, not started yet."""

    def __init__(self, guard: Guard) -> None:
        self.server: RabbitmqServer = new_rabbitmq(kind_here(), guard)

    @property
    def url(self) -> str:
        return self.server.amqp_url

    @property
    def pid(self) -> int:
        """The broker's process; 0 where it runs in a container."""
        if not isinstance(self.server, PrivateRabbitmq):
            return 0
        return pid_with(f"-home {self.server.folder}".replace(" ", "\0")) or pid_with(str(self.server.folder))

    def version(self) -> str:
        return self.server.rabbitmqctl("eval", "io:format(rabbit_misc:version()).").split("ok")[0].strip()

    async def prepare(self) -> None:
        """Declare what the publisher declares, and the queue that takes everything."""
        async with self.channel() as channel:
            for spec in (UNROUTED, EVENTS):
                await channel.declare_exchange(
                    spec.name, spec.type, durable=True, arguments=dict(spec.arguments)
                )
            unrouted = await channel.declare_queue(
                UNROUTED_KEPT.name, durable=True, arguments=dict(UNROUTED_KEPT.arguments)
            )
            await unrouted.bind(UNROUTED_BINDING.exchange, UNROUTED_BINDING.key)
            queue = await channel.declare_queue(QUEUE, durable=True)
            await queue.bind(EVENTS.name, "#")

    async def depth(self) -> int:
        """How many messages stand on the queue."""
        async with self.channel() as channel:
            queue = await channel.declare_queue(QUEUE, durable=True, passive=True)
            return queue.declaration_result.message_count or 0

    async def purge(self) -> int:
        """Empty the queue; how many messages stood on it."""
        async with self.channel() as channel:
            queue = await channel.get_queue(QUEUE, ensure=False)
            return (await queue.purge()).message_count or 0

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
        connection = await aio_pika.connect(self.url)
        async with connection:
            yield await connection.channel()
