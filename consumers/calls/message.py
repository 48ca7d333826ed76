"""A call event as the message that stands on the exchange `ami.calls`."""

from __future__ import annotations

from schemas.call_event import CallEvent, call_keys
from schemas.codecs import body_writer
from schemas.message import MSGPACK, Headers, Message
from schemas.timestamps import timestamp_us


def call_message(event: CallEvent, content_type: str = MSGPACK) -> Message:
    """The message: `type` is the state, `message_id` the call event's id, the headers as those of raw events.

    Raises `EncodeError` for a content type other than MessagePack and JSON.
    """
    keys = call_keys(event)
    return Message(
        routing_key=keys[0],
        headers=Headers(event.pbx, event.epoch, event.seq, event.call, event.linkedid, keys[1:]),
        message_id=event.id,
        type=event.state.value,
        timestamp=timestamp_us(event.at) // 1_000_000,
        body=body_writer(content_type)(event.to_map()),
        content_type=content_type,
    )
