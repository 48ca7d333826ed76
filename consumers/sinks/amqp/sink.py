"""The sink itself: each event is published, and taken when the broker has confirmed it.

Events of one call go one after another, so that none overtakes one that the broker refused; those of several
calls go at once. A publish whose confirm does not come, or whose take is cancelled, may be stored all the
same, and again when it is tried on the same connection: the connection is dropped.

Bounds: `batch` events a take under way, each with its body; one connection.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from consumers.adapters.rabbitmq.driver import (
    Channel,
    Connection,
    DoesNotFit,
    MessageRefused,
    MessageReturned,
    Properties,
    SourceSettings,
    Translating,
    close_connection,
    confirming_channel,
    declare_exchange,
    exchange_exists,
    open_connection,
    publish,
)
from consumers.errors import BusLost, BusRefused, BusUnreachable, SinkMisconfigured, SinkUnavailable
from consumers.plugin import DONE, Outcome, Reject, Retry, SinkContext, SinkEvent, SinkOptions
from consumers.sinks.amqp.key_template import MAX_KEY_BYTES, KeyTemplate
from consumers.sinks.amqp.options import AmqpOptions
from consumers.sinks.amqp.wazo import EXCHANGE, EXCHANGE_TYPE, wazo_message
from consumers.sinks.lanes import lane_of
from consumers.sinks.secrets import url_source
from consumers.sinks.tls import tls_context
from consumers.sinks.verdicts import Verdicts
from schemas.broker_url import BrokerUrl
from schemas.call_event import CALLS_EXCHANGE
from schemas.codecs import body_writer
from schemas.errors import EncodeError
from schemas.message import EVENTS_EXCHANGE, JSON, MSGPACK

_CONTENT_TYPES: Final = {"json": JSON, "msgpack": MSGPACK, "wazo": JSON}
_SHORT_BYTES: Final = 255
_LOST: Final = (BusRefused, BusUnreachable, BusLost)


class AmqpSink:
    """See the module."""

    Options: ClassVar[type[SinkOptions]] = AmqpOptions
    most_events: ClassVar[int] = 500

    def __init__(self, options: AmqpOptions, context: SinkContext) -> None:
        self._options = options
        self._wazo = options.format == "wazo"
        self._exchange = options.exchange if options.exchange is not None else EXCHANGE if self._wazo else ""
        self._exchange_type = options.exchange_type or (EXCHANGE_TYPE if self._wazo else "")
        if not self._exchange:
            raise SinkMisconfigured("exchange must be given, and cannot be the broker's default one")
        if self._exchange in (EVENTS_EXCHANGE, CALLS_EXCHANGE) and not options.other_bus:
            raise SinkMisconfigured(
                f"exchange: on the bus itself events published to {self._exchange} would go round for ever;"
                " for another broker's, set other_bus = true"
            )
        try:
            self._template = KeyTemplate(options.routing_key)
        except ValueError as error:
            raise SinkMisconfigured(f"routing_key: {error}") from error
        if self._wazo and not self._template.as_is:
            raise SinkMisconfigured('routing_key: format = "wazo" has its own')
        self._url = url_source(options, context)
        try:
            self._broker = BrokerUrl.parse(self._url.read())
        except ValueError as error:
            raise SinkMisconfigured(f"{self._url.key}: {error}") from error
        self._tls: ssl.SSLContext = tls_context(options.verify, options.ca_file, context)
        self._name = f"ami-bus sink of {context.binding}"
        self._connection: Connection | None = None
        self._channel: Channel | None = None

    async def open(self) -> None:
        try:
            self._broker = BrokerUrl.parse(self._url.read())
        except ValueError as error:
            raise SinkUnavailable(f"{self._url.key}: {error}") from error
        settings = SourceSettings(
            self._broker, self._name, connect_timeout_secs=self._options.timeout_secs, tls=self._tls
        )
        try:
            self._connection = await open_connection(settings, declare=False)
            async with asyncio.timeout(self._options.timeout_secs), Translating(self._broker):
                await self._find_exchange(self._connection)
                self._channel = await confirming_channel(self._connection)
        except _LOST as error:
            raise SinkUnavailable(str(error)) from error
        except TimeoutError as error:
            raise SinkUnavailable(self._mute()) from error

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        self._channel = None
        if connection is not None:
            await close_connection(connection)

    async def take(self, events: Sequence[SinkEvent]) -> Sequence[Outcome]:
        verdicts = Verdicts(events)
        lanes: dict[str, list[int]] = {}
        for place, event in enumerate(events):
            lanes.setdefault(lane_of(event), []).append(place)
        publishing = [asyncio.create_task(self._lane(events, verdicts, lane)) for lane in lanes.values()]
        try:
            await asyncio.wait(publishing)
        except asyncio.CancelledError:
            self._drop()
            for task in publishing:
                task.cancel()
            await asyncio.wait(publishing)
            raise
        errors = [error for task in publishing if (error := task.exception()) is not None]
        lost = [error for error in errors if isinstance(error, SinkUnavailable)]
        if len(lost) < len(errors):
            raise next(error for error in errors if error not in lost)
        return verdicts.unavailable(lost[0]) if lost else verdicts.all()

    async def _lane(self, events: Sequence[SinkEvent], verdicts: Verdicts, places: Sequence[int]) -> None:
        for place in places:
            if verdicts.may_go(place):
                verdicts.put([place], await self._publish(events[place]))

    async def _publish(self, event: SinkEvent) -> Outcome:
        channel, connection = self._channel, self._connection
        if channel is None or connection is None or not connection.alive or channel.is_closed:
            raise SinkUnavailable(f"{self._broker.shown}: the connection is gone")
        try:
            key, body, properties = self._message(event)
        except (ValueError, EncodeError) as error:
            return Reject(str(error))
        try:
            async with asyncio.timeout(self._options.timeout_secs), Translating(self._broker):
                mandatory = self._options.mandatory
                await publish(channel, self._exchange, key, body, properties, mandatory=mandatory)
        except MessageReturned:
            # A key may hold a phone number.
            return Retry(
                f"{self._broker.shown}: no queue is bound to the exchange {self._exchange!r} for its key"
            )
        except MessageRefused as error:
            return Retry(f"{self._broker.shown}: {error}")
        except _LOST as error:
            raise SinkUnavailable(str(error)) from error
        except TimeoutError as error:
            self._drop()
            raise SinkUnavailable(self._mute()) from error
        except (ValueError, TypeError, ArithmeticError, LookupError, struct.error) as error:
            # The driver counts a message before it writes it: its count of confirms is wrong now.
            self._drop()
            return Reject(f"it cannot be written as a message: {type(error).__name__}")
        return DONE

    def _message(self, event: SinkEvent) -> tuple[str, bytes, Properties]:
        message = event.message
        content_type = _CONTENT_TYPES[self._options.format]
        if self._wazo:
            key, headers, body = wazo_message(event, self._options.origin_uuid)
            if len(key.encode(errors="replace")) > MAX_KEY_BYTES:
                raise ValueError(f"its routing key would be longer than {MAX_KEY_BYTES} bytes")
        else:
            key, headers = self._template.key(event), self._headers(event)
            same = message.content_type == content_type
            body = message.body if same else body_writer(content_type)(event.event.to_map())
        if len(message.message_id.encode(errors="replace")) > _SHORT_BYTES:
            raise ValueError(f"its id is longer than {_SHORT_BYTES} bytes")
        kind = _clean(message.type).encode()[:_SHORT_BYTES].decode(errors="ignore")
        properties = Properties(headers, content_type, message.message_id, kind, message.timestamp, "ami-bus")
        return key, body, properties

    def _headers(self, event: SinkEvent) -> dict[str, Any]:
        known = event.message.headers
        headers: dict[str, Any] = {
            "pbx": known.pbx,
            "epoch": known.epoch,
            "seq": known.seq,
            "call": _clean(known.call),
        }
        if known.linkedid:
            headers["linkedid"] = _clean(known.linkedid)
        if known.cc and self._template.as_is:
            headers["CC"] = list(known.cc)
        return headers

    async def _find_exchange(self, connection: Connection) -> None:
        name, kind = self._exchange, self._exchange_type
        if kind:
            try:
                await declare_exchange(connection, name, kind)
            except DoesNotFit as error:
                raise SinkUnavailable(
                    f"{self._broker.shown} has an exchange {name!r} that is not {kind} and durable:"
                    " delete it, or correct exchange_type"
                ) from error
        elif not await exchange_exists(connection, name):
            raise SinkUnavailable(
                f"{self._broker.shown} has no exchange {name!r}: make it there, or give exchange_type"
            )

    def _mute(self) -> str:
        return f"{self._broker.shown} gave no answer within {self._options.timeout_secs:g} s"

    def _drop(self) -> None:
        """Nothing on this connection can be trusted any more."""
        self._channel = None
        if self._connection is not None:
            self._connection.socket.abort()


def _clean(text: str) -> str:
    """Without the halves of characters that undecodable bytes leave."""
    return text.encode(errors="replace").decode()
