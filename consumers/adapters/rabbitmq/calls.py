"""RabbitMQ as the bus of call events: the exchange `ami.calls`, and the queue that holds the fold's state.

The state is one message in a queue of length 1: the next one drives it out. It is read by fetching and giving
back. Whoever was killed in between still holds it until the broker has noticed, which may be after it has
given the raw events to the next consumer; so an empty queue is looked at for some seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from consumers.adapters.rabbitmq.driver import (
    FIRST_WITH_DELIVERY_LIMIT,
    Channel,
    Connection,
    MessageRefused,
    Properties,
    Translating,
    confirming_channel,
    fetch_one,
    publish,
)
from consumers.adapters.rabbitmq.source import RabbitSource
from consumers.errors import BusLost
from schemas.broker_topology import CALLS, CALLS_STATE
from schemas.broker_url import BrokerUrl
from schemas.message import Message

_AT_ONCE: Final = 100
_LOOKS: Final = 8
_LOOK_SECS: Final = 0.25
_STATE_TYPE: Final = "application/octet-stream"


class RabbitCalls:
    """Implements `consumers.ports.CallBus` on the connection of `source`, which takes the raw events."""

    def __init__(self, source: RabbitSource, url: BrokerUrl) -> None:
        self._source = source
        self._url = url
        self._connection: Connection | None = None
        self._publishing: Channel | None = None

    async def begin(self) -> None:
        connection = await self._source.connection()
        arguments: dict[str, Any] = dict(CALLS_STATE.arguments)
        if connection.broker_major >= FIRST_WITH_DELIVERY_LIMIT:
            # Each look gives it back.
            arguments["x-delivery-limit"] = -1
        async with Translating(self._url):
            async with connection.channel() as channel:
                await channel.declare_queue(CALLS_STATE.name, durable=True, arguments=arguments)
            self._publishing = await confirming_channel(connection)
        self._connection = connection

    async def state(self) -> bytes:
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(_LOOK_SECS)
            async with Translating(self._url), self._tied().channel(publisher_confirms=False) as channel:
                fetched = await fetch_one(channel, CALLS_STATE.name)
                # It goes back when the channel closes.
                if fetched is not None:
                    return fetched.body
        return b""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Raises `BusLost` too where a queue refuses one: then all of them are to be published again."""
        for first in range(0, len(messages), _AT_ONCE):
            batch = messages[first : first + _AT_ONCE]
            # They go out in this order, and their confirms are waited for together.
            publishing = [
                asyncio.create_task(
                    self._put(CALLS.name, message.routing_key, message.body, _properties(message))
                )
                for message in batch
            ]
            try:
                await asyncio.gather(*publishing)
            finally:
                for task in publishing:
                    task.cancel()
                await asyncio.gather(*publishing, return_exceptions=True)

    async def save(self, state: bytes) -> None:
        properties = Properties({}, _STATE_TYPE, "", "calls.state", app_id="ami-bus")
        await self._put("", CALLS_STATE.name, state, properties, mandatory=True)

    async def forget(self) -> None:
        connection = await self._source.connection()
        async with Translating(self._url), connection.channel() as channel:
            await channel.queue_delete(CALLS_STATE.name)

    async def _put(
        self, exchange: str, key: str, body: bytes, properties: Properties, *, mandatory: bool = False
    ) -> None:
        self._tied()
        channel = self._publishing
        assert channel is not None
        try:
            async with Translating(self._url):
                await publish(channel, exchange, key, body, properties, mandatory=mandatory)
        except MessageRefused as error:
            raise BusLost(f"{self._url.shown}: {error}") from error

    def _tied(self) -> Connection:
        """The connection since `begin`. Raises `BusLost` once that is gone, whatever the source has now."""
        connection, channel = self._connection, self._publishing
        if connection is None or not connection.alive or channel is None or channel.is_closed:
            raise BusLost(f"{self._url.shown}: the connection is gone")
        return connection


def _properties(message: Message) -> Properties:
    headers = message.headers
    table: dict[str, Any] = {
        "pbx": headers.pbx,
        "epoch": headers.epoch,
        "seq": headers.seq,
        "call": headers.call,
    }
    if headers.linkedid:
        table["linkedid"] = headers.linkedid
    if headers.cc:
        table["CC"] = list(headers.cc)
    return Properties(
        table, message.content_type, message.message_id, message.type, message.timestamp, "ami-bus"
    )
