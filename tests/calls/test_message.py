"""A call event as a message: keys, headers and body of the contract."""

from __future__ import annotations

import pytest

from consumers.calls import CallEvent, CallFold, call_message
from schemas.codecs import decode_map
from schemas.errors import EncodeError
from schemas.message import JSON, MSGPACK, Message
from tests.calls.newer_pbx import NewerPbx
from tests.calls.recorded import PBX


def told() -> list[CallEvent]:
    pbx = NewerPbx()
    pbx.call("202", "200")
    fold = CallFold({PBX: ["trunk"]})
    return [one for event in pbx.events() for one in fold.feed(event)]


@pytest.mark.parametrize("content_type", [MSGPACK, JSON])
def test_a_message_carries_the_call_event_under_the_keys_of_its_extensions(content_type: str) -> None:
    event = told()[1]
    message = call_message(event, content_type)
    assert isinstance(message, Message)
    assert message.routing_key == "main.answered.200"
    assert message.headers.cc == ("main.answered.202",)
    assert (message.headers.pbx, message.headers.call) == ("main", "1795424095.0")
    assert (message.headers.epoch, message.headers.seq) == (event.epoch, event.seq)
    assert message.headers.linkedid == "1795424095.0"
    assert (message.message_id, message.type) == (event.id, "answered")
    assert message.timestamp == 1_795_424_094
    assert CallEvent.from_map(decode_map(content_type, message.body)) == event


def test_another_content_type_is_refused() -> None:
    event = told()[0]
    with pytest.raises(EncodeError, match="no body can be written as 'text/plain'"):
        call_message(event, "text/plain")
