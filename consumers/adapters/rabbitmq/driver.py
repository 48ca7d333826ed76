"""The one door to aio-pika and aiormq: connections with the topology declared, and errors as ours.

The plain connection is used, not the robust one: what is lost is replaced, never repaired.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import aio_pika
import aiormq
from aiormq.abc import ChannelFrame
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp import commands
from pamqp.base import Frame
from yarl import URL

from consumers.errors import BusLost, BusRefused, BusUnreachable, ConsumerError
from schemas.broker_topology import (
    CALLS,
    DEAD,
    EVENTS,
    PARKED,
    PARKED_BINDING,
    UNROUTED,
    UNROUTED_BINDING,
    UNROUTED_KEPT,
)
from schemas.broker_url import BrokerUrl
from schemas.broker_words import Handshake, Kind, Verdict, ended, not_opened

_CLOSE_SECS: Final = 2.0
# From 4.0 on quorum queues have a limit of deliveries of their own, 20.
FIRST_WITH_DELIVERY_LIMIT: Final = 4

Channel = aio_pika.abc.AbstractChannel
AmqpChannel = aiormq.abc.AbstractChannel


@dataclass(slots=True, frozen=True)
class Properties:
    """What goes with a body. Headers are scalars, or lists of texts."""

    headers: Mapping[str, Any]
    content_type: str
    message_id: str
    type: str = ""
    timestamp: int = 0
    app_id: str = ""


class MessageRefused(ConsumerError):
    """The broker took the message into no queue."""


class MessageReturned(MessageRefused):
    """No queue is bound for the message."""


DRIVER_ERRORS: Final = (aiormq.exceptions.AMQPError, RuntimeError, OSError)
DoesNotFit: Final = aiormq.exceptions.ChannelPreconditionFailed
# Another connection has the queue to itself.
Locked: Final = aiormq.exceptions.ChannelLockedResource
# What the broker closes a connection with when it knows no such type of exchange.
Unknown: Final = aiormq.exceptions.ConnectionCommandInvalid

# They log tracebacks and whole frames; what they know is told by our own errors.
for _name in ("aio_pika", "aiormq"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


@dataclass(slots=True, frozen=True)
class SourceSettings:
    """How to reach the broker. `tls` is used with amqps URLs; None means the system's authorities."""

    url: BrokerUrl
    name: str = "ami-bus consumers"
    queue_type: Literal["quorum", "classic"] = "quorum"
    heartbeat_secs: int = 5
    connect_timeout_secs: float = 10.0
    tls: ssl.SSLContext | None = None


class _Transport(TransportFactory):
    """Opens the socket as the driver would, listens to the handshake, and can drop the socket at once."""

    def __init__(self, secure: bool) -> None:
        self._factory: TransportFactory = TLSTransportFactory() if secure else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None
        self.handshake = Handshake()
        self.opening = True

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._factory.create(url, **kwargs)
        read = reader.readexactly

        async def reading(n: int) -> bytes:
            data = await read(n)
            if self.opening:
                self.handshake.hear(data)
            return data

        reader.readexactly = reading  # type: ignore[method-assign]
        return reader, self._writer

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class Connection(aio_pika.Connection):
    """aio-pika's plain connection with a transport of ours."""

    def __init__(self, url: URL, transport: _Transport, tls: ssl.SSLContext | None) -> None:
        super().__init__(url, ssl_context=tls)
        self.kwargs["transport_factory"] = transport
        self.socket = transport

    @property
    def alive(self) -> bool:
        return self.transport is not None and not self.transport.connection.is_closed

    @property
    def broker_major(self) -> int:
        """The first number of the broker's version; 3 where it does not say."""
        assert self.transport is not None
        connection: Any = self.transport.connection
        first = str(connection.server_properties.get("version", "")).partition(".")[0]
        return int(first) if first.isdigit() else 3


async def open_connection(settings: SourceSettings, *, declare: bool = True) -> Connection:
    """A connection. `declare`: it is the bus, which gets its exchanges; any other broker is left as it is.

    Raises `BusRefused` and `BusUnreachable`.
    """
    whole = URL(settings.url.text).update_query(heartbeat=str(settings.heartbeat_secs), name=settings.name)
    transport = _Transport(settings.url.secure)
    connection = Connection(whole, transport, settings.tls)
    try:
        async with asyncio.timeout(settings.connect_timeout_secs):
            await connection.connect()
            transport.opening = False
            if declare:
                await _declare(connection)
    except BaseException as error:
        transport.abort()
        await close_connection(connection)
        task = asyncio.current_task()
        # The driver cancels its callers when a connection is stuck: that is no cancellation of ours.
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        if not isinstance(error, Exception | asyncio.CancelledError):
            raise
        verdict = not_opened(
            settings.url, transport.handshake, reply_text(error), error, settings.connect_timeout_secs
        )
        if verdict.kind is Kind.REFUSED:
            raise BusRefused(verdict.sentence) from error
        raise BusUnreachable(verdict.sentence) from error
    return connection


async def _declare(connection: Connection) -> None:
    """The same exchanges as the publisher's, so that neither side must start first; and the parking lot."""
    async with connection.channel() as channel:
        for spec in (UNROUTED, EVENTS, DEAD, CALLS):
            await channel.declare_exchange(spec.name, spec.type, durable=True, arguments=dict(spec.arguments))
        for kept, binding in ((UNROUTED_KEPT, UNROUTED_BINDING), (PARKED, PARKED_BINDING)):
            arguments: dict[str, Any] = dict(kept.arguments)
            if kept is PARKED and connection.broker_major >= FIRST_WITH_DELIVERY_LIMIT:
                # Looking through it gives messages back, again and again.
                arguments["x-delivery-limit"] = -1
            queue = await channel.declare_queue(kept.name, durable=True, arguments=arguments)
            await queue.bind(binding.exchange, binding.key)


async def confirming_channel(connection: Connection) -> Channel:
    """A channel for `publish`."""
    channel = connection.channel(publisher_confirms=True, on_return_raises=True)
    await channel.initialize()
    return channel


async def publish(
    channel: Channel, exchange: str, key: str, body: bytes, properties: Properties, *, mandatory: bool = True
) -> None:
    """Publish one persistent message on a channel with confirms; when this returns a queue has it.

    Raises `MessageRefused` when the broker has no queue for it or a full queue refuses it, and what the
    driver raises when the channel ends. `exchange` "" is the default one: the key is a queue's name.
    """
    message = aio_pika.Message(
        body,
        headers=dict(properties.headers),
        content_type=properties.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=properties.message_id,
        timestamp=properties.timestamp or None,
        type=properties.type,
        app_id=properties.app_id,
    )
    target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    try:
        await target.publish(message, key, mandatory=mandatory)
    except aio_pika.exceptions.DeliveryError as error:
        if isinstance(error.frame, commands.Basic.Nack):
            raise MessageRefused(f"a full queue behind the exchange {exchange!r} refuses messages") from error
        raise MessageReturned(f"no queue is bound to the exchange {exchange!r} for {key!r}") from error
    except aio_pika.exceptions.PublishError as error:
        raise MessageReturned(f"no queue is bound to the exchange {exchange!r} for {key!r}") from error


@dataclass(slots=True, frozen=True)
class Fetched:
    """A message that was fetched from a queue and is not settled."""

    tag: int
    key: str
    properties: commands.Basic.Properties
    body: bytes


async def fetch_one(channel: Channel, queue: str) -> Fetched | None:
    """The queue's next message; None when it is empty."""
    answer = await (await channel.get_underlay_channel()).basic_get(queue)
    if answer.delivery_tag is None:
        return None
    return Fetched(answer.delivery_tag, answer.routing_key or "", answer.header.properties, answer.body)


async def acknowledge(channel: Channel, tag: int) -> None:
    await (await channel.get_underlay_channel()).basic_ack(tag)


async def write_frames(channel: AmqpChannel, frames: Sequence[Frame]) -> None:
    """Methods without an answer, in one write. Waits while the connection's writer is behind."""
    writer: Any = channel
    await writer.write_queue.put(ChannelFrame.marshall(channel.number, frames))


async def exchange_exists(connection: Connection, name: str) -> bool:
    try:
        async with connection.channel() as channel:
            await channel.declare_exchange(name, passive=True)
    except aiormq.exceptions.ChannelNotFoundEntity:
        return False
    return True


async def declare_exchange(connection: Connection, name: str, kind: str) -> None:
    """Make a durable exchange; one that is there with another type raises `DoesNotFit`."""
    async with connection.channel() as channel:
        await channel.declare_exchange(name, kind, durable=True)


async def join(connection: Connection, queue: str) -> Channel:
    """Be one more consumer of a queue that holds nothing: its consumers are counted. It is over with the
    channel, which the caller keeps."""
    channel = connection.channel(publisher_confirms=False)
    await channel.initialize()
    declared = await channel.declare_queue(queue, durable=True, auto_delete=True)
    await declared.consume(_nothing, no_ack=True)
    return channel


async def _nothing(_: object) -> None:
    """Nobody publishes to such a queue."""


async def messages_in(connection: Connection, queue: str) -> int | None:
    """How many messages are ready in a queue; None when there is no such queue."""
    try:
        async with connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
    except aiormq.exceptions.ChannelNotFoundEntity:
        return None
    return declared.declaration_result.message_count or 0


async def close_connection(connection: Connection) -> None:
    """Close in good manners within 2 s, else by dropping the socket. Never raises."""
    closing = asyncio.create_task(connection.close())
    await asyncio.wait([closing], timeout=_CLOSE_SECS)
    connection.socket.abort()
    if not closing.done():
        closing.cancel()
        await asyncio.wait([closing], timeout=_CLOSE_SECS)
    if closing.done() and not closing.cancelled():
        closing.exception()


class Translating:
    """The driver's errors as ours, around work on a connection that stands."""

    def __init__(self, url: BrokerUrl) -> None:
        self._url = url

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            return
        if isinstance(error, aiormq.exceptions.AMQPError | RuntimeError | OSError | asyncio.CancelledError):
            raise consumer_error(ended(self._url, reply_text(error), error)) from error


def consumer_error(verdict: Verdict) -> ConsumerError:
    return BusRefused(verdict.sentence) if verdict.kind is Kind.REFUSED else BusLost(verdict.sentence)


def reply_text(error: BaseException | None) -> str:
    """The broker's own words, or an empty text."""
    exceptions = aiormq.exceptions
    if not isinstance(
        error,
        exceptions.ChannelClosed | exceptions.ConnectionClosed | exceptions.ProbableAuthenticationError,
    ):
        return ""
    words = [arg for arg in error.args if isinstance(arg, str)]
    return words[-1] if words else ""
