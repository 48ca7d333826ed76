"""The one door to aio-pika and aiormq: a connection, a channel with confirms, and raw writing on it.

aio-pika connects and declares. Publishing goes around its `publish`, which costs a future, a lock and a
drain a message: whole batches of frames are handed to the connection's writer, and the channel's handlers
of confirms and returns are replaced by our own. aiormq's reader stays in charge of the socket, so its
heartbeat and close handling hold. This stands on parts of aiormq that are not its public interface
(`write_queue`, `_on_confirm_frame`, `_on_return_frame`, `_get_frame` and the handlers of
connection.blocked): the versions are pinned together, and the tests run it against a real broker.

The plain connection is used, not the robust one: a session that ends is never repaired, only replaced.

Invariants
* At most one piece of bytes is with aiormq's writer at a time; the next goes when the socket has drained.
  What waits meanwhile is bounded by the caller's window.
* `on_lost` is called once, whatever ends the link first.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aio_pika
import aiormq
from aiormq.abc import ChannelFrame
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp import commands
from pamqp.header import ContentHeader
from yarl import URL

from publisher.adapters.rabbitmq.refusals import bus_error, opening_error
from publisher.errors import BusError
from schemas.broker_topology import EVENTS, UNROUTED, UNROUTED_BINDING, UNROUTED_KEPT
from schemas.broker_url import BrokerUrl
from schemas.broker_words import Handshake, ended, not_opened

_CLOSE_SECS = 2.0

# They log tracebacks and whole frames; what they know is told by our own errors and reports.
for _name in ("aio_pika", "aiormq"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


@dataclass(slots=True, frozen=True)
class LinkEvents:
    """What a link tells, as calls from the event loop that must not wait."""

    on_confirm: Callable[[int, bool, bool], None]
    """Number, whether it means all up to it, whether it is an ack."""
    on_return: Callable[[], None]
    on_blocked: Callable[[str], None]
    """The broker's reason, or an empty text when it takes messages again."""
    on_lost: Callable[[BusError], None]


class _KeptTransport(TransportFactory):
    """Opens the socket as the driver would, and keeps hold of it, to be able to drop it at once."""

    def __init__(self, secure: bool) -> None:
        self._factory: TransportFactory = TLSTransportFactory() if secure else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None
        self._stop_listening: Callable[[], None] = lambda: None
        self.handshake = Handshake()

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._factory.create(url, **kwargs)
        self._listen(reader)
        return reader, self._writer

    def _listen(self, reader: asyncio.StreamReader) -> None:
        read = reader.readexactly

        async def reading(n: int) -> bytes:
            data = await read(n)
            self.handshake.hear(data)
            return data

        reader.readexactly = reading  # type: ignore[method-assign]
        self._stop_listening = lambda: setattr(reader, "readexactly", read)

    def handshake_done(self) -> None:
        self._stop_listening()

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class _Connection(aio_pika.Connection):
    """aio-pika's plain connection with a transport of ours."""

    def __init__(self, url: URL, transport: _KeptTransport, tls: ssl.SSLContext | None) -> None:
        super().__init__(url, ssl_context=tls)
        self.kwargs["transport_factory"] = transport


class Link:
    """One connection and its one channel. Made by `open_link`."""

    def __init__(self, url: BrokerUrl, connection: _Connection, transport: _KeptTransport) -> None:
        self._url = url
        self._connection = connection
        self._transport = transport
        self._channel: aiormq.abc.AbstractChannel | None = None
        self._waiting: list[bytes] = []
        self._more = asyncio.Event()
        self._pump_task: asyncio.Task[None] | None = None
        self._lost = False
        self._events: LinkEvents | None = None

    @property
    def channel_number(self) -> int:
        assert self._channel is not None
        return self._channel.number

    @property
    def frame_max(self) -> int:
        """The negotiated largest frame in bytes, 0 for no limit."""
        assert self._channel is not None
        connection: Any = self._channel.connection
        return int(connection.connection_tune.frame_max or 0)

    def attach(self, events: LinkEvents) -> None:
        """Begin to tell. Called once, right after the link is open."""
        assert self._channel is not None
        channel: Any = self._channel
        connection: Any = channel.connection
        self._events = events
        channel._on_confirm_frame = self._on_confirm
        channel._on_return_frame = self._on_return
        self._wrap(connection, "_Connection__handle_connection_blocked", self._on_blocked)
        self._wrap(connection, "_Connection__handle_connection_unblocked", self._on_unblocked)
        for closing in (channel.closing, connection.closing):
            closing.add_done_callback(self._on_closing)
        self._pump_task = asyncio.create_task(self._pump(channel.write_queue))
        self._pump_task.add_done_callback(self._on_pump_done)

    def write(self, frames: bytes) -> None:
        """Send whole frames. Never waits."""
        self._waiting.append(frames)
        self._more.set()

    async def close(self, at_once: bool = False) -> None:
        """Close in good manners within 2 s, else (or `at_once`) by dropping the socket. Never raises."""
        self._lost = True
        if self._pump_task is not None:
            self._pump_task.cancel()
        if at_once:
            self._transport.abort()
        closing = asyncio.create_task(self._connection.close())
        await asyncio.wait([closing], timeout=_CLOSE_SECS)
        self._transport.abort()
        if not closing.done():
            closing.cancel()
            await asyncio.wait([closing], timeout=_CLOSE_SECS)
        if closing.done() and not closing.cancelled():
            closing.exception()

    async def declare(self) -> None:
        """Open the channel with confirms and declare what the events need."""
        channel = self._connection.channel(publisher_confirms=True)
        await channel.initialize()
        self._channel = await channel.get_underlay_channel()
        for spec in (UNROUTED, EVENTS):
            await channel.declare_exchange(spec.name, spec.type, durable=True, arguments=dict(spec.arguments))
        queue = await channel.declare_queue(
            UNROUTED_KEPT.name, durable=True, arguments=dict(UNROUTED_KEPT.arguments)
        )
        await queue.bind(UNROUTED_BINDING.exchange, UNROUTED_BINDING.key)

    async def connect(self) -> None:
        await self._connection.connect()
        self._transport.handshake_done()

    async def _pump(self, write_queue: asyncio.Queue[ChannelFrame]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._more.wait()
            self._more.clear()
            frames, self._waiting = b"".join(self._waiting), []
            drained = loop.create_future()
            await write_queue.put(ChannelFrame(frames, should_close=False, drain_future=drained))
            await drained

    def _on_pump_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._tell_lost(error)

    async def _on_confirm(self, frame: commands.Basic.Ack | commands.Basic.Nack) -> None:
        assert self._events is not None
        try:
            self._events.on_confirm(
                frame.delivery_tag or 0, bool(frame.multiple), isinstance(frame, commands.Basic.Ack)
            )
        except ValueError as error:
            self._tell_lost(error)

    async def _on_return(self, frame: commands.Basic.Return) -> None:
        channel: Any = self._channel
        header: ContentHeader = await channel._get_frame()
        left = header.body_size or 0
        while left > 0:
            left -= len((await channel._get_frame()).value)
        assert self._events is not None
        self._events.on_return()

    @staticmethod
    def _wrap(owner: Any, name: str, ours: Callable[[Any], None]) -> None:
        theirs: Callable[[Any], Awaitable[None]] = getattr(owner, name)

        async def both(frame: Any) -> None:
            await theirs(frame)
            ours(frame)

        setattr(owner, name, both)

    def _on_blocked(self, frame: commands.Connection.Blocked) -> None:
        assert self._events is not None
        self._events.on_blocked(str(frame.reason) or "the broker gave no reason")

    def _on_unblocked(self, _: commands.Connection.Unblocked) -> None:
        assert self._events is not None
        self._events.on_blocked("")

    def _on_closing(self, closing: asyncio.Future[Any]) -> None:
        error = None if closing.cancelled() else closing.exception()
        self._tell_lost(error)

    def _tell_lost(self, error: BaseException | None) -> None:
        if not self._lost and self._events is not None:
            self._lost = True
            self._events.on_lost(bus_error(ended(self._url, _reply_text(error), error)))


def _reply_text(error: BaseException | None) -> str:
    """The broker's own words, or an empty text."""
    if not isinstance(
        error,
        aiormq.exceptions.ChannelClosed
        | aiormq.exceptions.ConnectionClosed
        | aiormq.exceptions.ProbableAuthenticationError,
    ):
        return ""
    words = [arg for arg in error.args if isinstance(arg, str)]
    return words[-1] if words else ""


async def open_link(
    url: BrokerUrl, name: str, heartbeat_secs: int, timeout_secs: float, tls: ssl.SSLContext | None
) -> Link:
    """Connect and declare. Raises `BusUnreachable` or `BusRefused` with one clear sentence."""
    whole = URL(url.text).update_query(heartbeat=str(heartbeat_secs), name=name)
    transport = _KeptTransport(url.secure)
    connection = _Connection(whole, transport, tls)
    link = Link(url, connection, transport)
    stage = "connect"
    try:
        async with asyncio.timeout(timeout_secs):
            await link.connect()
            stage = "declare"
            await link.declare()
    except BaseException as error:
        await link.close(at_once=stage == "connect")
        task = asyncio.current_task()
        # The driver cancels its callers when a connection is stuck: that is no cancellation of ours.
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        if not isinstance(error, Exception | asyncio.CancelledError):
            raise
        verdict = not_opened(url, transport.handshake, _reply_text(error), error, timeout_secs)
        raise opening_error(verdict) from error
    return link
