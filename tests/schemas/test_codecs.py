"""Bodies as bytes: written fast, read with suspicion."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codecs
from schemas.codecs import (
    MAX_BODY_BYTES,
    MAX_DEPTH,
    MAX_ENTRIES,
    body_writer,
    decode,
    decode_map,
    encode,
    json_body,
    pack_body,
)
from schemas.envelope import Event, join_fields, packet_text
from schemas.errors import DecodeError, EncodeError, EnvelopeError
from schemas.message import JSON, MSGPACK
from tests.schemas.strategies import events, json_values, texts
from tests.schemas.test_envelope import BODY, CONTROL

both = pytest.mark.parametrize("content_type", [MSGPACK, JSON])
any_text = st.text(st.characters())


def written(content_type: str, value: Any) -> bytes:
    """Bytes of another writer, who checks nothing."""
    packed = msgpack.packb(value) if content_type == MSGPACK else json.dumps(value).encode()
    assert type(packed) is bytes
    return packed


@both
@given(event=events())
def test_what_was_encoded_is_decoded_to_the_same_event(content_type: str, event: Event) -> None:
    assert decode(content_type, encode(content_type, event)) == event


@both
@given(body=st.dictionaries(texts, json_values))
def test_any_map_comes_back(content_type: str, body: dict[str, Any]) -> None:
    assert decode_map(content_type, body_writer(content_type)(body)) == body


@both
@given(body=st.dictionaries(texts, json_values))
def test_bodies_of_other_writers_are_read_too(content_type: str, body: dict[str, Any]) -> None:
    assert decode_map(content_type, written(content_type, body)) == body


def test_keys_keep_their_order_in_both_codecs() -> None:
    fields = {"Zeta": "1", "Alpha": "2", "Event": "x"}
    for content_type in (MSGPACK, JSON):
        event = decode(content_type, encode(content_type, Event.from_map(BODY | {"fields": fields})))
        assert list(event.fields) == list(fields)


def test_json_is_compact_and_in_utf_8() -> None:
    assert json_body({"имя": ["Анна", 1]}) == '{"имя":["Анна",1]}'.encode()


def test_parameters_of_the_content_type_are_passed_over() -> None:
    assert decode("Application/JSON; charset=utf-8", json_body(BODY)) == Event.from_map(BODY)
    assert decode("application/msgpack ;x=y", pack_body(BODY)) == Event.from_map(BODY)


@both
@given(fields=st.dictionaries(any_text, any_text | st.lists(any_text, min_size=1, max_size=3), max_size=5))
def test_undecodable_bytes_become_replacement_characters_and_no_line_is_lost(
    content_type: str, fields: dict[str, Any]
) -> None:
    body = BODY | {"fields": fields, "undecodable": True}
    event = decode(content_type, body_writer(content_type)(body))
    expected = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in join_fields(fields))
    assert packet_text(event) == expected


@both
def test_headers_that_differ_only_in_undecodable_bytes_become_one_with_all_values(content_type: str) -> None:
    first, second, third = ("a" + chr(0xDC80 + number) for number in range(3))
    fields = {first: "", "Event": "X", second: "", third: ["1", "2"]}
    event = decode(content_type, body_writer(content_type)(BODY | {"fields": fields}))
    assert event.fields == {"a\ufffd": ["", "", "1", "2"], "Event": "X"}
    assert event.text == "a\ufffd: \r\nEvent: X\r\na\ufffd: \r\na\ufffd: 1\r\na\ufffd: 2\r\n"


def test_a_kept_text_with_undecodable_bytes_stays_the_packets_text() -> None:
    first, second = "a" + chr(0xDC80), "a" + chr(0xDC81)
    body = BODY | {"fields": {first: "1", second: "2"}, "text": "\udc80!"}
    assert decode(MSGPACK, pack_body(body)).text == "\ufffd!"


@both
def test_undecodable_bytes_outside_the_fields_are_replaced_too(content_type: str) -> None:
    body = CONTROL | {"control": CONTROL["control"] | {"cause": "\udcff", "more": [1, "\udcff"]}}
    control = decode(content_type, body_writer(content_type)(body)).control
    assert control is not None
    assert control["cause"] == "\ufffd"
    assert control["more"] == [1, "\ufffd"]
    assert decode_map(content_type, body_writer(content_type)({"x": "\udcff"})) == {"x": "\ufffd"}


def test_a_body_that_could_not_be_packed_leaves_nothing_in_the_next_one() -> None:
    clean = pack_body(BODY)
    for broken in ({"a": "x" * 100, "b": object()}, {"a": 2**70}, {"a": "x\udc80"}):
        with suppress(EncodeError):
            pack_body(broken)
        assert pack_body(BODY) == clean


def endless() -> dict[str, Any]:
    body: dict[str, Any] = {}
    body["again"] = body
    return body


@both
@pytest.mark.parametrize("body", [{"a": object()}, {"a": {1, 2}}, endless()])
def test_what_cannot_be_written_is_refused(content_type: str, body: dict[str, Any]) -> None:
    with pytest.raises(EncodeError, match="the body cannot be written as"):
        body_writer(content_type)(body)


@both
def test_a_body_over_the_limit_is_neither_written_nor_read(content_type: str) -> None:
    body = BODY | {"text": "x" * MAX_BODY_BYTES}
    says = rf"the body has \d+ bytes, at most {MAX_BODY_BYTES} are allowed"
    with pytest.raises(EncodeError, match=says):
        body_writer(content_type)(body)
    with pytest.raises(DecodeError, match=says):
        decode(content_type, written(content_type, body))


def test_another_content_type_is_refused_with_those_there_are() -> None:
    with pytest.raises(EncodeError, match="application/msgpack and application/json are allowed"):
        body_writer("text/plain")
    with pytest.raises(
        DecodeError, match="must be application/msgpack or application/json, not 'text/plain'"
    ):
        decode("text/plain", b"")


@both
@pytest.mark.parametrize(
    ("value", "kind"), [([], "a list"), ("x", "text"), (None, "null"), (1, "a whole number")]
)
def test_a_body_that_is_no_map_is_refused(content_type: str, value: Any, kind: str) -> None:
    for read in (decode, decode_map):
        with pytest.raises(DecodeError, match=f"the body must be a map, not {kind}"):
            read(content_type, written(content_type, value))


@both
def test_a_readable_map_that_is_no_envelope_is_refused_with_the_key(content_type: str) -> None:
    with pytest.raises(EnvelopeError, match="'seq'"):
        decode(content_type, written(content_type, BODY | {"seq": "1"}))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (MSGPACK, b"\x82\xa1a\x01\xa1a\x02"),
        (MSGPACK, b"\x81\xa1x\x82\xa1a\xa1b\xa1a\xa1b"),
        (MSGPACK, b"\x82\xa1a\x01\xd9\x01a\x01"),
        (JSON, b'{"a":1,"a":1}'),
        (JSON, b'{"x":[{"a":1,"\\u0061":2}]}'),
    ],
)
def test_a_repeated_key_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(DecodeError, match="repeats the key"):
        decode_map(content_type, body)


@given(st.dictionaries(texts, texts, min_size=1), st.data())
def test_a_key_repeated_anywhere_is_refused_however_it_is_written(
    body: dict[str, str], data: st.DataObject
) -> None:
    pairs = list(body.items())
    twice = data.draw(st.sampled_from(pairs))
    pairs.insert(data.draw(st.integers(0, len(pairs))), (twice[0], data.draw(texts)))
    packer = msgpack.Packer(autoreset=False)
    packer.pack_map_pairs(pairs)
    with pytest.raises(DecodeError, match="repeats the key"):
        decode_map(MSGPACK, packer.bytes())
    text = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}"
    with pytest.raises(DecodeError, match="repeats the key"):
        decode_map(JSON, text.encode())


def test_values_that_spend_more_bytes_than_they_need_are_read() -> None:
    # 5 as a 64 bit number, "ab" with a 32 bit length, a map with a 16 bit length: all legal MessagePack.
    body = b"\xde\x00\x02\xdb\x00\x00\x00\x02ab\xcf" + (5).to_bytes(8, "big") + b"\xa1c\xca\x3f\xc0\x00\x00"
    assert decode_map(MSGPACK, body) == {"ab": 5, "c": 1.5}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not MessagePack of this contract"),
        (b"\xc1", "a byte that begins no value"),
        (b"\x81\xa1a", "not MessagePack of this contract"),
        (b"\x80\x00\x00", "followed by 2 more bytes"),
        (b"\x81\xa1a\xd4\x05\x00", "extension type 5; none is allowed"),
        (
            b"\x81\xa1a\xd6\xff\x00\x00\x00\x00",
            r"is not text, number, true, false, null, list or map \(Timestamp\)",
        ),
        (b"\x81\xa1a\xc4\x01x", r"is not text, number, true, false, null, list or map \(bytes\)"),
        (b"\x81\xc4\x01a\x01", "a key that is not text"),
        (b"\x81\x01\x01", "not MessagePack of this contract"),
        (b"\x81\x90\x01", "not MessagePack of this contract"),
        (b"\x81\xa1a\xa1\xff", "text that is not UTF-8"),
        (b"\x81\xa1a\xa3\xed\xa0\x80", "text that is not UTF-8"),
        (b"\x81\xa1a\xdd\x00\x01\x00\x01", "65537 exceeds max_array_len"),
        (b"\xdf\x00\x01\x00\x01", "65537 exceeds max_map_len"),
        (b"\x91" * 5000, "nests deeper than 8 levels"),
        (b"\x81\xa1a" * 1000 + b"\x01", "nests deeper than 8 levels"),
    ],
)
def test_hostile_msgpack_is_refused_in_one_sentence(body: bytes, says: str) -> None:
    for read in (decode, decode_map):
        with pytest.raises(DecodeError, match=says) as caught:
            read(MSGPACK, body)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is not JSON: Expecting value at character 0"),
        (b"{", "the body is not JSON"),
        (b"{} {}", "the body is not JSON: Extra data at character 3"),
        (b'{"a":NaN}', "holds NaN, which is not JSON"),
        (b'{"a":-Infinity}', "holds -Infinity, which is not JSON"),
        (b'{"a":"\xff"}', "text that is not UTF-8"),
        (b'{"a":"\\ud800"}', "text that is not UTF-8"),
        (b'{"\\udfff":1}', "text that is not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "text that is not UTF-8"),
        (b'{"a":' + b"9" * 5000 + b"}", "a number of too many digits"),
        (b"[" * 100_000, "nests deeper than 8 levels"),
        (b'{"a":[' + b"0," * MAX_ENTRIES + b"0]}", "a list of more than 65536 entries"),
        (
            b"{" + b",".join(b'"%d":0' % i for i in range(MAX_ENTRIES + 1)) + b"}",
            "a map of more than 65536 entries",
        ),
    ],
)
def test_hostile_json_is_refused_in_one_sentence(body: bytes, says: str) -> None:
    with pytest.raises(DecodeError, match=says) as caught:
        decode(JSON, body)
    assert "\n" not in str(caught.value)


def test_an_escaped_pair_of_surrogates_is_one_character() -> None:
    assert decode_map(JSON, b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@both
def test_depth_is_bounded_also_below_keys_that_nobody_knows(content_type: str) -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: Any = "x"
        for level in range(levels - 1):
            value = [value] if level % 2 else {"x": value}
        return BODY | {"later": value}

    assert decode(content_type, written(content_type, nested(MAX_DEPTH))) == Event.from_map(BODY)
    with pytest.raises(DecodeError, match=f"nests deeper than {MAX_DEPTH} levels"):
        decode(content_type, written(content_type, nested(MAX_DEPTH + 1)))


@both
@given(body=st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(content_type: str, body: bytes) -> None:
    with suppress(DecodeError):
        decode(content_type, body)


@given(st.data())
def test_a_damaged_body_never_raises_anything_else(data: st.DataObject) -> None:
    body = bytearray(encode(MSGPACK, data.draw(events())))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(DecodeError):
        decode(MSGPACK, bytes(body))


TRACES = sorted((Path(__file__).parents[2] / "../shared/traces").glob("*/*.ami.gz"))
CORPUS = Path(__file__).parents[1] / "corpus" / "contract.ami"


@pytest.mark.parametrize("path", [CORPUS, *TRACES], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_recorded_packets_come_back_with_their_text(path: Path) -> None:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    packets = [packet for packet in raw.split(b"\r\n\r\n") if packet.startswith(b"Event: ")]
    assert packets
    # A spread over the whole file keeps the run short.
    for packet in packets[:: max(1, len(packets) // 2000)]:
        text = packet.decode("utf-8", "surrogateescape") + "\r\n"
        fields: dict[str, Any] = {}
        for line in text.split("\r\n")[:-1]:
            name, _, value = line.partition(": ")
            fields[name] = value if name not in fields else [*codecs._listed(fields[name]), value]
        body = BODY | {"fields": fields} | ({} if join_fields(fields) == text else {"text": text})
        for content_type in (MSGPACK, JSON):
            event = decode(content_type, body_writer(content_type)(body))
            assert packet_text(event) == "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
