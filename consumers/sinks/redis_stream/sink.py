"""The sink itself: one script a take adds the events, in order.

Idempotent by event id within a window: a sorted set beside the stream (`{<stream>}:ids`) holds the ids that
were added last, and the script that adds an entry looks there first and notes it there after. That costs a
look and a note an event, and about 100 bytes an id.

Bounds: the stream about `max_length` entries, the set `window` ids, a take `batch` events with their bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from consumers.adapters.redis.driver import client_maker
from consumers.adapters.redis.stream import Entry, StreamLink, window_key
from consumers.errors import QueueRefused, QueueUnreachable, SinkMisconfigured, SinkUnavailable
from consumers.plugin import DONE, Outcome, Reject, SinkContext, SinkEvent, SinkOptions
from consumers.sinks.redis_stream.options import RedisStreamOptions
from consumers.sinks.secrets import url_source
from consumers.sinks.tls import tls_context
from schemas.codecs import body_writer
from schemas.errors import EncodeError
from schemas.message import JSON, MSGPACK
from schemas.redis_url import RedisUrl

_CONTENT_TYPES: Final = {"json": JSON, "msgpack": MSGPACK}
_RIGHTS: Final = "+eval +type +xadd +zadd +zscore +zrevrange +zremrangebyrank"


class RedisStreamSink:
    """See the module."""

    Options: ClassVar[type[SinkOptions]] = RedisStreamOptions
    most_events: ClassVar[int] = 500

    def __init__(self, options: RedisStreamOptions, context: SinkContext) -> None:
        self._options = options
        self._content_type = _CONTENT_TYPES[options.format]
        self._url = url_source(options, context)
        try:
            self._server = RedisUrl.parse(self._url.read())
        except ValueError as error:
            raise SinkMisconfigured(f"{self._url.key}: {error}") from error
        # Only to see whether the file can be used: the driver reads it by itself.
        tls_context(options.verify, options.ca_file, context)
        self._ca_file = context.folder / options.ca_file.expanduser() if options.ca_file else None
        self._link: StreamLink | None = None

    async def open(self) -> None:
        options = self._options
        try:
            self._server = RedisUrl.parse(self._url.read())
        except ValueError as error:
            raise SinkUnavailable(f"{self._url.key}: {error}") from error
        make = client_maker(self._server, options.timeout_secs, options.verify, self._ca_file)
        self._link = StreamLink(self._server, make, options.timeout_secs)
        try:
            kind = await self._link.type_of(options.stream)
        except (QueueRefused, QueueUnreachable) as error:
            raise self._unavailable(error) from error
        if kind not in ("stream", "none"):
            raise SinkUnavailable(f"{self._server.shown}: {options.stream!r} is there already, as a {kind}")

    async def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def take(self, events: Sequence[SinkEvent]) -> Sequence[Outcome]:
        if self._link is None:
            raise SinkUnavailable(f"{self._server.shown}: the sink is not open")
        entries: list[Entry] = []
        outcomes: list[Outcome] = []
        for event in events:
            try:
                entries.append(self._entry(event))
            except EncodeError as error:
                outcomes.append(Reject(str(error)))
            else:
                outcomes.append(DONE)
        options = self._options
        try:
            await self._link.append(options.stream, entries, options.max_length, options.window)
        except (QueueRefused, QueueUnreachable) as error:
            raise self._unavailable(error) from error
        return outcomes

    def _entry(self, event: SinkEvent) -> Entry:
        message = event.message
        same = message.content_type == self._content_type
        body = message.body if same else body_writer(self._content_type)(event.event.to_map())
        texts = (event.id, message.routing_key, event.name)
        id, key, kind = (text.encode(errors="replace") for text in texts)
        return id, key, kind, body

    def _unavailable(self, error: Exception) -> SinkUnavailable:
        """The command queue's words for an error, where they do not fit, in a stream's."""
        cause = str(error.__cause__ or "")
        shown, stream = self._server.shown, self._options.stream
        if "NOPERM" in cause or type(error.__cause__).__name__ == "NoPermissionError":
            return SinkUnavailable(
                f"{shown} does not allow it: give the user the keys {stream!r} and"
                f" {window_key(stream)!r} and the rights {_RIGHTS}"
            )
        if "WRONGTYPE" in cause:
            return SinkUnavailable(
                f"{shown}: {stream!r} or {window_key(stream)!r} is there already as another type"
            )
        return SinkUnavailable(str(error).replace("that the queue does not expect", "that is not expected"))
