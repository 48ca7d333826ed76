"""Records as messages: body, keys, headers, for every kind of record and recorded packet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher import control
from publisher.ami.fields import parse_packet
from publisher.calls import MAX_UNIQUEID_LENGTH
from publisher.decoding import EventDecoder, PbxNaming
from publisher.extensions import ExtensionReader
from publisher.records import CONTROL, EVENT, SNAPSHOT, SUSPECT, SYNTHETIC, Record
from schemas.codecs import decode
from schemas.envelope import event_id, packet_text
from schemas.message import JSON, MSGPACK, Message
from schemas.routing import routing_keys
from tests.domain.packets import CORPUS, DIALOGUES, RECORDINGS, name_of, raw_events

EPOCH = 1795424093000
AT = 1795424097_816831


def record(raw: bytes, kind: int = EVENT, flags: int = 0, seq: int = 43, **more: Any) -> Record:
    return Record(seq, EPOCH, seq, more.pop("at", AT), kind, flags, more.pop("call", "main"), raw, **more)


def message(
    raw: bytes, kind: int = EVENT, flags: int = 0, *, encoding: str = "utf-8", **more: Any
) -> Message:
    naming = PbxNaming("main", encoding, frozenset({"trunk"}))
    return EventDecoder(naming).message(record(raw, kind, flags, **more))


def body(made: Message) -> dict[str, Any]:
    unpacked: dict[str, Any] = msgpack.unpackb(made.body)
    return unpacked


DIAL = (
    b"Event: DialBegin\r\nPrivilege: call,all\r\nChannel: SIP/202-00000001\r\nUniqueid: 100.1\r\n"
    b"Linkedid: 100.1\r\nDestChannel: SIP/200-00000002\r\nCallerIDName: \xd0\x96\r\n"
)


def test_an_event_becomes_a_message_of_the_contract() -> None:
    made = message(DIAL, call="100.1")
    assert made.routing_key == "main.dialbegin.202"
    assert made.headers.cc == ("main.dialbegin.200",)
    assert (made.headers.pbx, made.headers.epoch, made.headers.seq) == ("main", EPOCH, 43)
    assert (made.headers.call, made.headers.linkedid) == ("100.1", "100.1")
    assert made.message_id == event_id("main", EPOCH, 43)
    assert (made.type, made.timestamp, made.content_type) == ("DialBegin", 1795424097, MSGPACK)
    decoded = body(made)
    assert list(decoded) == [
        *("v", "id", "pbx", "epoch", "seq", "received_at", "event", "extensions", "fields", "privilege"),
        *("linkedid", "call"),
    ]
    assert decoded == {
        "v": 1,
        "id": made.message_id,
        "pbx": "main",
        "epoch": EPOCH,
        "seq": 43,
        "received_at": "2026-11-23T08:54:57.816831Z",
        "event": "DialBegin",
        "extensions": ["202", "200"],
        "fields": parse_packet(DIAL).fields,
        "privilege": "call,all",
        "linkedid": "100.1",
        "call": "100.1",
    }


@pytest.mark.parametrize("content_type", [MSGPACK, JSON])
@pytest.mark.parametrize("path", [*CORPUS, *RECORDINGS[1::2], *DIALOGUES], ids=name_of)
def test_every_recorded_event_reads_back_as_it_was_sent(path: Path, content_type: str) -> None:
    decoder = EventDecoder(PbxNaming("main", trunks=frozenset({"trunk"}), content_type=content_type))
    reader = ExtensionReader({"trunk"})
    for seq, raw in enumerate(raw_events(path)[:3000], 1):
        parsed = parse_packet(raw)
        made = decoder.message(
            record(raw, seq=seq, parsed=parsed if seq % 2 else None, at=AT + seq * 777_777)
        )
        event = decode(content_type, made.body)
        assert event.event == parsed.name == made.type
        assert event.extensions == reader.extensions(parsed.name, parsed.fields)
        assert (made.routing_key, *made.headers.cc) == routing_keys("main", parsed.name, event.extensions)
        assert event.id == made.message_id == event_id("main", EPOCH, seq)
        received = datetime.fromtimestamp((AT + seq * 777_777) // 10**6, UTC)
        assert event.received.replace(microsecond=0) == received
        assert made.timestamp == int(received.timestamp())
        if not parsed.undecodable:
            assert packet_text(event) == raw.decode()
        else:
            assert event.undecodable
            assert "\ufffd" in packet_text(event)


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (0, set()),
        (SNAPSHOT, {"snapshot"}),
        (SYNTHETIC, {"synthetic"}),
        (SUSPECT, {"suspect"}),
        (SNAPSHOT | SYNTHETIC | SUSPECT, {"snapshot", "synthetic", "suspect"}),
    ],
)
def test_flags_of_the_record_stand_in_the_body(flags: int, names: set[str]) -> None:
    decoded = body(message(DIAL, flags=flags))
    assert {name for name in ("snapshot", "synthetic", "suspect") if decoded.get(name) is True} == names


def test_the_same_record_gives_the_same_message_from_any_decoder() -> None:
    decoder = EventDecoder(PbxNaming("main", trunks=frozenset({"trunk"})))
    first = decoder.message(record(DIAL))
    decoder.message(record(DIAL, seq=44, at=AT + 1))
    decoder.message(Record(45, EPOCH + 5, 1, AT, EVENT, 0, "main", DIAL))
    again = record(DIAL)
    assert decoder.message(again) == first == message(DIAL)
    assert again.parsed is None
    assert again.message is None


def test_a_new_epoch_and_a_new_second_are_noticed() -> None:
    decoder = EventDecoder(PbxNaming("main"))
    decoder.message(record(DIAL))
    made = decoder.message(Record(50, EPOCH + 16, 1, AT + 60_000_000, EVENT, 0, "main", DIAL))
    assert made.message_id == event_id("main", EPOCH + 16, 1)
    assert body(made)["received_at"] == "2026-11-23T08:55:57.816831Z"


def test_text_in_the_pbx_encoding_is_read_by_it_and_what_is_undecodable_is_marked() -> None:
    raw = b"Event: Newstate\r\nPrivilege: call,all\r\nCallerIDName: \xcf\xe5\xf2\xf0 x\r\n"
    decoded = body(message(raw, encoding="cp1251"))
    assert decoded["fields"]["CallerIDName"] == "Петр x"
    assert "undecodable" not in decoded
    decoded = body(message(raw))
    assert decoded["fields"]["CallerIDName"] == "\ufffd" * 4 + " x"
    assert decoded["undecodable"] is True


def test_a_packet_whose_fields_would_not_give_its_text_back_carries_it() -> None:
    raw = b"Event: UserEvent\r\nPrivilege: user,all\r\nEmpty:\r\nno header\r\nExten: 208\r\n"
    made = message(raw)
    decoded = body(made)
    assert decoded["text"] == raw.decode()
    assert made.routing_key == "main.userevent.208"


def test_what_is_neither_event_nor_response_is_passed_on_as_malformed() -> None:
    raw = "тел: not an event\r\nExten: 208\r\n".encode()
    made = message(raw, flags=SUSPECT)
    decoded = body(made)
    assert made.routing_key == "main.control.malformed"
    assert made.headers.cc == ()
    assert made.type == decoded["event"] == "control.malformed"
    assert (decoded["fields"], decoded["extensions"], decoded["suspect"]) == ({}, [], True)
    assert decoded["text"] == raw.decode()
    assert decoded["control"]["kind"] == "malformed"
    assert decode(MSGPACK, made.body).text == raw.decode()
    assert body(message(b"\xff\r\n"))["undecodable"] is True


def test_a_gap_goes_out_under_its_own_key_with_the_numbers_it_stands_for() -> None:
    made = message(control.gap("disk full", AT, AT), CONTROL, seq=11, span=5)
    decoded = body(made)
    assert made.routing_key == "main.control.gap"
    assert made.type == decoded["event"] == "control.gap"
    assert decoded["fields"] == {}
    assert (decoded["control"]["from_seq"], decoded["control"]["to_seq"]) == (11, 15)
    assert (decoded["seq"], made.headers.seq, made.headers.call) == (11, 11, "main")
    assert decode(MSGPACK, made.body).control == decoded["control"]


@pytest.mark.parametrize(
    "raw", [control.up("9.0.0", "7/7", AT), control.down("lost", "reset"), b"\xc1 damaged"]
)
def test_every_control_record_is_a_message_of_the_contract(raw: bytes) -> None:
    made = message(raw, CONTROL)
    event = decode(MSGPACK, made.body)
    assert event.control is not None
    assert made.routing_key == f"main.control.{event.control['kind']}"


def test_an_event_that_calls_itself_control_cannot_take_a_control_key() -> None:
    for name in ("control", "control.gap", "Control"):
        made = message(f"Event: {name}\r\nPrivilege: x\r\nExten: gap\r\n".encode())
        assert not made.routing_key.startswith("main.control.")
        assert decode(MSGPACK, made.body).control is None


def test_what_goes_into_amqp_properties_is_short_and_encodable_whatever_a_packet_holds() -> None:
    raw = b"Event: %s\xff\r\nPrivilege: x\r\nUniqueid: 1\r\nLinkedid: %s\xfe\r\n" % (b"E" * 300, b"9" * 300)
    made = message(raw, call="1\udcfe")
    assert len(made.type.encode()) <= 255
    assert len(made.headers.linkedid.encode()) <= MAX_UNIQUEID_LENGTH
    assert made.headers.call.encode() == b"1?"
    assert len(made.routing_key.encode()) <= 255
    assert decode(MSGPACK, made.body).linkedid.startswith("999")


@pytest.mark.parametrize(
    ("text", "linkedid"),
    [
        ("Event: LocalBridge\nLocalOneLinkedid: 7.1\nLocalTwoLinkedid: 7.2", "7.1"),
        ("Event: BlindTransfer\nTransfererLinkedid: 7.1", "7.1"),
        ("Event: CEL\nLinkedID: 7.1", "7.1"),
        ("Event: Cdr\nUniqueID: 7.1", ""),
        ("Event: UserEvent\nLinkedid: 7.1\nLinkedid: 7.2", "7.1"),
        ("Event: ParkedCall\nParkeeLinkedid: 7.1\nParkeeLinkedid: 7.2", "7.1"),
    ],
)
def test_the_linkedid_is_the_one_of_the_first_channel(text: str, linkedid: str) -> None:
    made = message("".join(f"{line}\r\n" for line in text.splitlines()).encode())
    assert made.headers.linkedid == linkedid
    assert body(made).get("linkedid", "") == linkedid


@given(
    st.binary(max_size=200),
    st.sampled_from([EVENT, CONTROL]),
    st.integers(0, 7),
    st.sampled_from([MSGPACK, JSON]),
)
def test_no_bytes_make_a_message_that_the_contract_refuses(
    raw: bytes, kind: int, flags: int, type_: str
) -> None:
    made = EventDecoder(PbxNaming("main", content_type=type_)).message(record(raw, kind, flags))
    event = decode(type_, made.body)
    assert event.id == made.message_id
    assert made.headers.call


@given(
    st.lists(st.tuples(st.sampled_from(["Event", "Privilege", "Linkedid", "Exten"]), st.text(max_size=12)))
)
def test_no_headers_make_a_message_that_the_contract_refuses(lines: list[tuple[str, str]]) -> None:
    raw = "".join(f"{name}: {value}\r\n" for name, value in [("Event", "X"), *lines]).encode()
    assert decode(MSGPACK, message(raw).body).pbx == "main"


def test_an_event_too_large_for_a_message_goes_out_as_malformed_with_its_beginning() -> None:
    """JSON writes a control character in six bytes: a packet within the limits may exceed a message's."""
    raw = b"Event: UserEvent\r\nPrivilege: user,all\r\nX: " + b"\x01" * (3 << 20) + b"\r\n"
    record = Record(7, 1, 7, 1_795_424_000_000_000, EVENT, 0, "main", raw)
    message = EventDecoder(PbxNaming("main", content_type=JSON)).message(record)
    event = decode(message.content_type, message.body)
    assert message.routing_key == "main.control.malformed"
    assert (event.seq, event.suspect, event.control) == (
        7,
        True,
        {"kind": "malformed", "cause": "an event too large for a message"},
    )
    assert event.text is not None
    assert event.text.startswith("Event: UserEvent\r\n")
