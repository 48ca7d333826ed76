"""Messages to AMQP 0-9-1 frames: a whole batch of Basic.Publish becomes one piece of bytes.

Written by hand because it runs for every event: the driver's general encoder, with its objects, costs
some 40 us a message, this about 3. What repeats (routing keys, event names, a PBX's headers) is encoded
once and kept in caches of 4,096 entries; a full cache is emptied and fills again.

Layout (AMQP 0-9-1, sections 2.3.5 and 4.2; RabbitMQ's field types `S` long string, `l` 64 bit, `A` array):
    method frame   1, channel, size, class 60 method 40, 0, exchange, routing key, bits, 0xCE
    header frame   2, channel, size, class 60, weight 0, body size, flags, properties, 0xCE
    body frames    3, channel, size, at most frame_max - 8 bytes, 0xCE    (none for an empty body)
Properties present, in order of their flags: content_type, headers, delivery_mode, message_id, timestamp,
type, app_id.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, TypeVar

from schemas.message import Message

Key = TypeVar("Key")

_FRAME_END: Final = b"\xce"
_END_OCTET: Final = 0xCE
_FRAME_OVERHEAD: Final = 8
_MANDATORY: Final = 1
_PERSISTENT: Final = 2
# content_type 15, headers 13, delivery_mode 12, message_id 7, timestamp 6, type 5, app_id 3
_FLAGS: Final = 1 << 15 | 1 << 13 | 1 << 12 | 1 << 7 | 1 << 6 | 1 << 5 | 1 << 3
_CLASS_BASIC: Final = 60
_METHOD_PUBLISH: Final = 40
_MOST_SHORT_BYTES: Final = 255
_CACHE_ENTRIES: Final = 4096

_frame_head = struct.Struct(">BHI").pack
# The header frame up to its properties: frame head, class, weight, body size, flags.
_header_head = struct.Struct(">BHIHHQH").pack
_HEADER_FIXED_BYTES: Final = 14
_end_and_head = struct.Struct(">BBHI").pack
_u32 = struct.Struct(">I").pack
_i64 = struct.Struct(">q").pack
_u64 = struct.Struct(">Q").pack
_LENGTHS: Final = tuple(bytes((length,)) for length in range(256))


def _utf8(text: str) -> bytes:
    # Undecodable bytes kept by surrogateescape have no UTF-8; in a header they are shown as "?".
    return text.encode("utf-8", "replace")


def _short(text: str, what: str) -> bytes:
    """A short string: one byte of length. Raises `ValueError` over 255 bytes."""
    raw = _utf8(text)
    if len(raw) > _MOST_SHORT_BYTES:
        raise ValueError(f"{what} has {len(raw)} bytes; AMQP allows {_MOST_SHORT_BYTES}")
    return _LENGTHS[len(raw)] + raw


def _clipped(text: str) -> bytes:
    """A short string, cut at a character's border to fit: for what only informs."""
    raw = _utf8(text)
    if len(raw) > _MOST_SHORT_BYTES:
        raw = raw[:_MOST_SHORT_BYTES].decode("utf-8", "ignore").encode()
    return _LENGTHS[len(raw)] + raw


class MessageEncoder:
    """Encodes for one channel. Not for use by two threads."""

    def __init__(self, exchange: str, app_id: str, channel: int, frame_max: int) -> None:
        """`frame_max` is the negotiated largest frame in bytes, 0 for no limit."""
        self._channel = channel
        self._most_body = (frame_max or 1 << 31) - _FRAME_OVERHEAD
        self._publish_head = struct.pack(">HHH", _CLASS_BASIC, _METHOD_PUBLISH, 0) + _short(
            exchange, "exchange"
        )
        self._app_id = _clipped(app_id)
        self._methods: dict[str, bytes] = {}
        self._types: dict[str, bytes] = {}
        self._content_types: dict[str, bytes] = {}
        self._sources: dict[tuple[str, int], bytes] = {}
        self._copied: dict[tuple[str, ...], bytes] = {}
        self._calls: dict[tuple[str, str], bytes] = {}

    def encode(self, messages: Iterable[Message]) -> bytes:
        """All frames of the messages. Raises `ValueError` for a key that AMQP cannot carry."""
        out: list[bytes] = []
        methods, types, sources, calls = self._methods, self._types, self._sources, self._calls
        copies = self._copied
        content_types, app_id, channel, most_body = (
            self._content_types,
            self._app_id,
            self._channel,
            self._most_body,
        )
        for message in messages:
            headers = message.headers
            body = message.body
            size = len(body)
            key = message.routing_key
            call = (headers.call, headers.linkedid)
            source = (headers.pbx, headers.epoch)
            table = b"%b%b%b" % (
                sources.get(source) or self._source(*source),
                _i64(headers.seq),
                calls.get(call) or self._call(*call),
            )
            if headers.cc:
                table += copies.get(headers.cc) or self._copies(headers.cc)
            message_id = message.message_id.encode()
            if len(message_id) > _MOST_SHORT_BYTES:
                raise ValueError(f"a message id has {len(message_id)} bytes; AMQP allows {_MOST_SHORT_BYTES}")
            properties = b"%b%b%b\x02%b%b%b%b%b" % (
                content_types.get(message.content_type) or self._content_type(message.content_type),
                _u32(len(table)),
                table,
                _LENGTHS[len(message_id)],
                message_id,
                _u64(message.timestamp),
                types.get(message.type) or self._type(message.type),
                app_id,
            )
            fixed = _header_head(
                2, channel, _HEADER_FIXED_BYTES + len(properties), _CLASS_BASIC, 0, size, _FLAGS
            )
            if 0 < size <= most_body:
                out += (
                    methods.get(key) or self._method(key),
                    fixed,
                    properties,
                    _end_and_head(_END_OCTET, 3, channel, size),
                    body,
                    _FRAME_END,
                )
            else:
                out += (methods.get(key) or self._method(key), fixed, properties, _FRAME_END)
                self._split(body, out)
        return b"".join(out)

    def _method(self, key: str) -> bytes:
        payload = self._publish_head + _short(key, "a routing key") + bytes((_MANDATORY,))
        frame = _frame_head(1, self._channel, len(payload)) + payload + _FRAME_END
        return _remember(self._methods, key, frame)

    def _type(self, name: str) -> bytes:
        return _remember(self._types, name, _clipped(name))

    def _content_type(self, name: str) -> bytes:
        return _remember(self._content_types, name, _short(name, "a content type"))

    def _source(self, pbx: str, epoch: int) -> bytes:
        raw = _utf8(pbx)
        head = b"\x03pbxS" + _u32(len(raw)) + raw + b"\x05epochl" + _i64(epoch) + b"\x03seql"
        return _remember(self._sources, (pbx, epoch), head)

    def _call(self, call: str, linkedid: str) -> bytes:
        raw = _utf8(call)
        fields = b"\x04callS" + _u32(len(raw)) + raw
        if linkedid:
            raw = _utf8(linkedid)
            fields += b"\x08linkedidS" + _u32(len(raw)) + raw
        return _remember(self._calls, (call, linkedid), fields)

    def _copies(self, keys: tuple[str, ...]) -> bytes:
        array = b""
        for key in keys:
            raw = _utf8(key)
            if len(raw) > _MOST_SHORT_BYTES:
                raise ValueError(f"a CC key has {len(raw)} bytes; AMQP allows {_MOST_SHORT_BYTES}")
            array += b"S" + _u32(len(raw)) + raw
        return _remember(self._copied, keys, b"\x02CCA" + _u32(len(array)) + array)

    def _split(self, body: bytes, out: list[bytes]) -> None:
        for start in range(0, len(body), self._most_body):
            piece = body[start : start + self._most_body]
            out += (_frame_head(3, self._channel, len(piece)), piece, _FRAME_END)


def _remember(cache: dict[Key, bytes], key: Key, value: bytes) -> bytes:
    if len(cache) >= _CACHE_ENTRIES:
        cache.clear()
    cache[key] = value
    return value
