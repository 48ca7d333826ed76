import struct
from datetime import UTC, datetime

import pamqp.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from publisher.adapters.rabbitmq.frames import MessageEncoder
from schemas.message import JSON, MSGPACK, Headers, Message
from tests.rabbitmq.messages import numbered

FRAME_MAX = 4096
CHANNEL = 7


def encoder(frame_max: int = FRAME_MAX) -> MessageEncoder:
    return MessageEncoder("ami.events", "ami-bus/1.2.3", CHANNEL, frame_max)


def decode(
    raw: bytes, frame_max: int = FRAME_MAX
) -> list[tuple[commands.Basic.Publish, ContentHeader, bytes]]:
    """Read the frames back with the library's decoder, which shares nothing with our encoder."""
    found: list[tuple[commands.Basic.Publish, ContentHeader, bytes]] = []
    while raw:
        size, channel, frame = pamqp.frame.unmarshal(raw)
        assert channel == CHANNEL
        assert size <= frame_max
        raw = raw[size:]
        match frame:
            case commands.Basic.Publish():
                method = frame
            case ContentHeader():
                found.append((method, frame, b""))
            case ContentBody():
                method, header, body = found[-1]
                found[-1] = (method, header, body + frame.value)
    return found


def text(most_bytes: int) -> st.SearchStrategy[str]:
    return st.text(max_size=most_bytes).filter(
        lambda value: len(value.encode("utf-8", "replace")) <= most_bytes
    )


messages = st.builds(
    Message,
    routing_key=text(255),
    headers=st.builds(
        Headers,
        pbx=text(60),
        epoch=st.integers(0, 2**63 - 1),
        seq=st.integers(0, 2**63 - 1),
        call=text(300),
        linkedid=text(300),
        cc=st.lists(text(255), max_size=7).map(tuple),
    ),
    message_id=text(255),
    type=text(100),
    timestamp=st.integers(0, 4_102_444_800),
    body=st.binary(max_size=20_000),
    content_type=st.sampled_from([MSGPACK, JSON]),
)


@given(st.lists(messages, max_size=5))
def test_what_is_encoded_reads_back_with_the_librarys_decoder(batch: list[Message]) -> None:
    read = decode(encoder().encode(batch))
    assert len(read) == len(batch)
    for message, (method, header, body) in zip(batch, read, strict=True):
        assert method.exchange == "ami.events"
        assert method.routing_key == message.routing_key
        assert method.mandatory is True
        assert method.immediate is False
        assert body == message.body
        assert header.body_size == len(message.body)
        properties = header.properties
        assert properties.content_type == message.content_type
        assert properties.delivery_mode == 2
        assert properties.message_id == message.message_id
        assert properties.timestamp == datetime.fromtimestamp(message.timestamp, UTC)
        assert properties.message_type == message.type
        assert properties.app_id == "ami-bus/1.2.3"
        expected: dict[str, object] = {
            "pbx": message.headers.pbx,
            "epoch": message.headers.epoch,
            "seq": message.headers.seq,
            "call": message.headers.call,
        }
        if message.headers.linkedid:
            expected["linkedid"] = message.headers.linkedid
        if message.headers.cc:
            expected["CC"] = list(message.headers.cc)
        assert properties.headers == expected


@pytest.mark.parametrize("size", [0, 1, FRAME_MAX - 9, FRAME_MAX - 8, FRAME_MAX - 7, 5 * FRAME_MAX])
def test_no_body_frame_is_larger_than_the_broker_allows(size: int) -> None:
    message = numbered(1, body_bytes=size) if size >= 20 else numbered(1)
    [(_, header, body)] = decode(encoder().encode([message]))
    assert body == message.body
    assert header.body_size == len(message.body)


def test_a_body_is_not_split_when_the_broker_sets_no_limit() -> None:
    message = numbered(1, body_bytes=1_000_000)
    raw = encoder(frame_max=0).encode([message])
    assert raw.count(struct.pack(">BHI", 3, CHANNEL, 1_000_000)) == 1


@pytest.mark.parametrize(
    "message",
    [
        numbered(1, key="k" * 256),
        numbered(1, key="ж" * 128),
        numbered(1, cc=("fine", "k" * 256)),
        Message("key", Headers("main", 1, 1, "main"), "i" * 256, "Hangup", 0, b""),
    ],
)
def test_a_key_or_id_over_255_bytes_is_refused_before_anything_is_sent(message: Message) -> None:
    with pytest.raises(ValueError, match="AMQP allows 255"):
        encoder().encode([numbered(1), message])


def test_a_long_event_name_is_cut_between_characters_in_the_property_that_only_informs() -> None:
    message = Message("key", Headers("main", 1, 1, "main"), "id", "ж" * 200, 0, b"")
    [(_, header, _)] = decode(encoder().encode([message]))
    assert header.properties.message_type == "ж" * 127


def test_undecodable_bytes_in_a_header_do_not_stop_the_message() -> None:
    message = Message("key", Headers("main", 1, 1, "call\udcff", "link\udcfe"), "id", "Hangup", 0, b"body")
    [(_, header, _)] = decode(encoder().encode([message]))
    assert header.properties.headers == {
        "pbx": "main",
        "epoch": 1,
        "seq": 1,
        "call": "call?",
        "linkedid": "link?",
    }


def test_caches_stay_bounded_and_right_when_everything_differs() -> None:
    one = encoder()
    for start in range(0, 10_000, 500):
        batch = [
            numbered(seq, key=f"main.hangup.{seq}", call=f"call-{seq}", cc=(f"main.hangup.{seq}x",))
            for seq in range(start, start + 500)
        ]
        read = decode(one.encode(batch))
        assert [method.routing_key for method, _, _ in read] == [message.routing_key for message in batch]
    assert len(one._methods) <= 4096
    assert len(one._calls) <= 4096
    assert len(one._copied) <= 4096
