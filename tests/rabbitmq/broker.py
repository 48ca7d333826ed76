"""What a test does on the broker's own side: queues of its own, and what stands in them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aio_pika

from publisher.adapters.rabbitmq.bus import RabbitBus, RabbitSettings
from schemas.broker_url import BrokerUrl
from schemas.message import EVENTS_EXCHANGE
from tests.services.choice import RabbitmqServer

Arguments = dict[str, str | int]


def bus_on(
    server: RabbitmqServer, port: int | None = None, pbx: str = "main", **changes: float | str
) -> RabbitBus:
    """The adapter under test; through another port (a proxy) or with other settings where asked."""
    user = str(changes.pop("user", server.user))
    password = str(changes.pop("password", server.password))
    vhost = str(changes.pop("vhost", ""))
    url = BrokerUrl.parse(f"amqp://{user}:{password}@{server.host}:{port or server.port}/{vhost}")
    return RabbitBus(RabbitSettings(url, **changes), pbx)  # type: ignore[arg-type]


@dataclass(slots=True, frozen=True)
class Stored:
    """A message as it stood on a queue."""

    seq: int
    message_id: str
    redelivered: bool


@asynccontextmanager
async def channel_on(server: RabbitmqServer) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    connection = await aio_pika.connect(server.amqp_url)
    async with connection:
        yield await connection.channel()


async def new_queue(server: RabbitmqServer, key: str = "#", arguments: Arguments | None = None) -> str:
    """A durable queue bound to the events' exchange (which the adapter has declared before)."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    async with channel_on(server) as channel:
        queue = await channel.declare_queue(name, durable=True, arguments=dict(arguments or {}))
        await queue.bind(EVENTS_EXCHANGE, key)
    return name


async def drain(server: RabbitmqServer, queue_name: str) -> list[Stored]:
    """Take everything that stands on the queue, in order."""
    found: list[Stored] = []
    async with channel_on(server) as channel:
        queue = await channel.get_queue(queue_name)
        count = queue.declaration_result.message_count or 0
        await channel.set_qos(prefetch_count=1000)
        if not count:
            return []
        async with queue.iterator(no_ack=False) as messages:
            async for message in messages:
                seq = message.headers["seq"]
                assert isinstance(seq, int)
                found.append(Stored(seq, message.message_id or "", bool(message.redelivered)))
                await message.ack()
                if len(found) >= count:
                    break
    return found


async def delete_queue(server: RabbitmqServer, queue_name: str) -> None:
    async with channel_on(server) as channel:
        await channel.queue_delete(queue_name)
