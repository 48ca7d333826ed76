"""The published contract: envelope, routing keys, codecs, schemas. Pure; imports neither other package."""

from __future__ import annotations

from schemas.codecs import body_writer, decode, decode_map, encode, json_body, pack_body
from schemas.envelope import Event, event_id, packet_text
from schemas.errors import DecodeError, EncodeError, EnvelopeError, PatternError, RoutingError, SchemaError
from schemas.message import JSON, MSGPACK, Delivery, Headers, Message
from schemas.routing import (
    TopicMatcher,
    TopicPattern,
    check_pattern,
    control_key,
    escape_token,
    routing_key,
    routing_keys,
    split_key,
    unescape_token,
)

__all__ = [
    "JSON",
    "MSGPACK",
    "DecodeError",
    "Delivery",
    "EncodeError",
    "EnvelopeError",
    "Event",
    "Headers",
    "Message",
    "PatternError",
    "RoutingError",
    "SchemaError",
    "TopicMatcher",
    "TopicPattern",
    "body_writer",
    "check_pattern",
    "control_key",
    "decode",
    "decode_map",
    "encode",
    "escape_token",
    "event_id",
    "json_body",
    "pack_body",
    "packet_text",
    "routing_key",
    "routing_keys",
    "split_key",
    "unescape_token",
]
