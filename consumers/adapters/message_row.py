"""A message as columns of a table: its body, and a text about it that holds everything else."""

from __future__ import annotations

import json

from schemas.message import Headers, Message


def about(message: Message) -> str:
    """Everything but the body."""
    headers = message.headers
    return json.dumps(
        [
            message.routing_key,
            [headers.pbx, headers.epoch, headers.seq, headers.call, headers.linkedid, headers.cc],
            message.message_id,
            message.type,
            message.timestamp,
            message.content_type,
        ],
        ensure_ascii=False,
    )


def message_of(text: str, body: bytes) -> Message:
    """The message that `about` told of."""
    key, (pbx, epoch, seq, call, linkedid, cc), id, type_, timestamp, content_type = json.loads(text)
    headers = Headers(pbx, epoch, seq, call, linkedid, tuple(cc))
    return Message(key, headers, id, type_, timestamp, body, content_type)
