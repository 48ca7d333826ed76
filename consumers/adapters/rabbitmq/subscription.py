"""Deliveries of one queue in batches, and their settling.

The driver makes a task of each delivery; its handler is replaced by one that collects them. Settling is
collected too and sent together in the loop's next turn: one ack for a whole run of tags.

Bounds: at most `prefetch` deliveries are held; the broker sends no more before some are settled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pamqp import commands
from pamqp.header import ContentHeader

from consumers.adapters.rabbitmq.driver import (
    DRIVER_ERRORS,
    AmqpChannel,
    Channel,
    Translating,
    consumer_error,
    reply_text,
    write_frames,
)
from consumers.errors import BusLost, ConsumerError
from schemas.broker_url import BrokerUrl
from schemas.broker_words import ended
from schemas.message import MSGPACK, Delivery, Headers, Message

# Headers of what went through the parking lot: "CC" itself would send it elsewhere.
FIRST_KEY: Final = "amibus-key"
FIRST_CC: Final = "amibus-cc"
_CLOSE_SECS: Final = 2.0


class RabbitSubscription:
    """Implements `consumers.ports.Subscription`. One waiter at a time in `receive`."""

    def __init__(self, url: BrokerUrl, channel: AmqpChannel, owner: Channel) -> None:
        self._url = url
        self._channel: Any = channel
        self._owner = owner
        self._arrived: deque[Delivery] = deque()
        self._news = asyncio.Event()
        self._error: ConsumerError | None = None
        # Tags count from 1 on a channel. Up to `_done_through` all are settled or sent back, and said so.
        self._done_through = 0
        self._settled: set[int] = set()
        self._said: set[int] = set()
        self._sent_back: list[int] = []
        self._flush_due = asyncio.Event()
        self._stopping = False
        self._queue = ""
        self._counted = ""
        self._flusher = asyncio.create_task(self._flush_for_ever())

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self._error is not None

    async def begin(self, queue: str, prefetch: int, counted: str = "") -> None:
        """Take from the queue. `counted`: the queue whose consumers are counted instead of its own."""
        self._queue = queue
        self._counted = counted or queue
        self._channel._on_deliver_frame = self._on_deliver
        self._channel.on_consumer_cancel_callbacks.add(self._on_cancelled)
        for closing in (self._channel.closing, self._channel.connection.closing):
            closing.add_done_callback(self._on_closing)
        await self._channel.basic_qos(prefetch_count=prefetch)
        await self._channel.basic_consume(queue, _never_called)

    async def receive(self, limit: int = 500) -> Sequence[Delivery]:
        arrived = self._arrived
        while not arrived:
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        return [arrived.popleft() for _ in range(min(limit, len(arrived)))]

    def settle(self, tag: int) -> None:
        if tag <= self._done_through or tag in self._said:
            return
        self._settled.add(tag)
        self._flush_due.set()

    def retry(self, tag: int) -> None:
        if tag <= self._done_through or tag in self._said or tag in self._settled:
            return
        self._said.add(tag)
        self._sent_back.append(tag)
        self._flush_due.set()

    async def consumers(self) -> int:
        """How many take from the queue now."""
        async with Translating(self._url):
            answer = await self._channel.queue_declare(self._counted, passive=True)
        return int(answer.consumer_count or 0)

    async def close(self) -> None:
        """Say what was settled, then end; what was not settled is delivered again."""
        if self._flusher.done() and self._stopping:
            return
        self._end(BusLost("the subscription was closed by us"))
        self._stopping = True
        self._flush_due.set()
        try:
            async with asyncio.timeout(_CLOSE_SECS):
                await self._flusher
                if not self._channel.is_closed:
                    # A quorum queue takes a few dozen acks at a time; what the broker's side of the channel
                    # still holds back when the channel closes would be delivered again. Asking about the
                    # queue is answered after them.
                    await self._channel.queue_declare(self._queue, passive=True)
                await self._owner.close()
        except DRIVER_ERRORS:
            # The connection is gone: what was settled and not said comes again.
            return

    async def _on_deliver(self, frame: commands.Basic.Deliver) -> None:
        header: ContentHeader = await self._channel._get_frame()
        left = header.body_size or 0
        pieces = []
        while left > 0:
            piece = (await self._channel._get_frame()).value
            pieces.append(piece)
            left -= len(piece)
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._arrived.append(
            Delivery(
                frame.delivery_tag or 0,
                message_of(frame.routing_key or "", header.properties, body),
                bool(frame.redelivered),
            )
        )
        self._news.set()

    async def _flush_for_ever(self) -> None:
        while not self._stopping:
            await self._flush_due.wait()
            # One turn later, so that the settling of a whole batch goes out together.
            await asyncio.sleep(0)
            self._flush_due.clear()
            frames = self._take_frames()
            if frames and not self._channel.is_closed:
                await write_frames(self._channel, frames)

    def _take_frames(self) -> list[commands.Basic.Ack | commands.Basic.Nack]:
        """What there is to say, each tag once: the broker closes the channel on a tag said twice."""
        frames: list[commands.Basic.Ack | commands.Basic.Nack] = []
        settled, said, through = self._settled, self._said, self._done_through
        for tag in self._sent_back:
            frames.append(commands.Basic.Nack(tag, multiple=False, requeue=True))
        self._sent_back.clear()
        last_settled = 0
        while (following := through + 1) in settled or following in said:
            through = following
            if through in settled:
                last_settled = through
                settled.discard(through)
            said.discard(through)
        self._done_through = through
        if last_settled:
            frames.append(commands.Basic.Ack(last_settled, multiple=True))
        frames += [commands.Basic.Ack(tag, multiple=False) for tag in sorted(settled)]
        said |= settled
        settled.clear()
        return frames

    def _on_cancelled(self, _: commands.Basic.Cancel) -> None:
        self._end(BusLost(f"{self._url.shown}: the queue was deleted"))

    def _on_closing(self, closing: asyncio.Future[Any]) -> None:
        error = None if closing.cancelled() else closing.exception()
        self._end(consumer_error(ended(self._url, reply_text(error), error)))
        self._stopping = True
        self._flush_due.set()

    def _end(self, error: ConsumerError) -> None:
        if self._error is None:
            self._error = error
            # They come again: to hand them out now would only make duplicates.
            self._arrived.clear()
            self._news.set()


async def _never_called(_: object) -> None:
    """Deliveries are taken off before the driver makes a task of each."""


def message_of(key: str, properties: commands.Basic.Properties, body: bytes) -> Message:
    """The message as it was published first: one that comes from the parking lot names its keys itself."""
    table: dict[str, Any] = dict(properties.headers or {})
    moment = properties.timestamp
    return Message(
        routing_key=_text(table.get(FIRST_KEY)) or key,
        headers=Headers(
            pbx=_text(table.get("pbx")),
            epoch=_whole(table.get("epoch")),
            seq=_whole(table.get("seq")),
            call=_text(table.get("call")),
            linkedid=_text(table.get("linkedid")),
            cc=tuple(_text(key) for key in table.get(FIRST_CC) or table.get("CC") or ()),
        ),
        message_id=properties.message_id or "",
        type=properties.message_type or "",
        timestamp=int(moment.timestamp()) if isinstance(moment, datetime) else 0,
        body=body,
        content_type=properties.content_type or MSGPACK,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
