from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.ami import fields as fields_module
from publisher.ami.fields import (
    MAX_SHAPES,
    ParsedPacket,
    command_output,
    decode_packet,
    packet_text,
    parse_packet,
    read_lines,
)
from publisher.ami.framing import PacketReader
from tests.ami.traces import dialogues, read, short_name, streams


@pytest.fixture(autouse=True)
def _forget_shapes() -> None:
    fields_module.forget_shapes()


def same(left: ParsedPacket, right: ParsedPacket) -> bool:
    return left == right and list(left.fields) == list(right.fields)


def packet(*lines: str) -> bytes:
    return "".join(line + "\r\n" for line in lines).encode()


@pytest.mark.parametrize("path", dialogues() + streams(), ids=short_name)
def test_learned_shapes_change_no_answer_and_the_text_comes_back(path: Path) -> None:
    reader = PacketReader()
    for found in reader.receive_data(read(path)[: 1 << 20]) + reader.receive_eof():
        parsed = parse_packet(found.raw, "cp1251")
        assert same(parsed, read_lines(found.raw, "cp1251"))
        assert packet_text(parsed) == decode_packet(found.raw, "cp1251")[0]


NAMES = st.sampled_from(
    ["Event", "Response", "ActionID", "Privilege", "ChanVariable", "DestChanVariable", "a", "A", "",
     "Named Callgroup", "SIP-T.38Support", "100rel", "ChanVariable(SIP/202-0000019c)",
     "ChanVariable(SIP/203-1)", "V(", "W()"]
)  # fmt: skip
VALUES = st.sampled_from(
    ["", "1", "a: b", ": ", "x\ny", "x\ny: z", "c\rd", " padded ", "Иван", "Follows", "\u2028"]
)
SEPARATORS = st.sampled_from([": "] * 12 + [":", "", " : "])
LINES = st.tuples(NAMES, SEPARATORS, VALUES).map("".join)
ENDS = st.sampled_from(["\r\n"] * 20 + ["\n", "\r", "", "\r\r\n"])
PACKETS = st.lists(st.tuples(LINES, ENDS).map("".join), max_size=8).map("".join)


@given(st.lists(PACKETS, min_size=1, max_size=4), st.sampled_from(["utf-8", "cp1251", "latin-1"]))
def test_any_packet_reads_the_same_before_and_after_shapes_are_learned(
    texts: list[str], encoding: str
) -> None:
    for text in [text for text in texts for _ in range(3)]:
        raw = text.encode()
        parsed = parse_packet(raw, encoding)
        assert same(parsed, read_lines(raw, encoding))
        assert packet_text(parsed) == text
        assert not parsed.undecodable


@given(st.lists(st.binary(max_size=30), max_size=8), st.sampled_from(["utf-8", "cp1251", "koi8-r"]))
def test_any_bytes_are_read_and_their_decoded_text_comes_back(values: list[bytes], encoding: str) -> None:
    raw = b"Event: X\r\n" + b"".join(b"V: " + value + b"\r\n" for value in values)
    for _ in range(3):
        parsed = parse_packet(raw, encoding)
        assert same(parsed, read_lines(raw, encoding))
        text, undecodable = decode_packet(raw, encoding)
        assert packet_text(parsed) == text
        assert parsed.undecodable == undecodable == any(0xDC80 <= ord(char) <= 0xDCFF for char in text)
        if encoding == "utf-8":
            assert text.encode("utf-8", "surrogateescape") == raw


def test_an_ordinary_event_is_its_headers_in_order_and_needs_no_text() -> None:
    raw = packet("Event: Newchannel", "Privilege: call,all", "CallerIDName: Анна: да", "AccountCode: ")
    assert parse_packet(raw) == ParsedPacket(
        "Newchannel",
        {"Event": "Newchannel", "Privilege": "call,all", "CallerIDName": "Анна: да", "AccountCode": ""},
    )


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_repeated_header_is_a_list_however_often_its_shape_had_it(count: int) -> None:
    head, tail = ["Event: X", "Privilege: call,all"], ["Uniqueid: 1"]
    for _ in range(3):
        parse_packet(packet(*head, "ChanVariable: A=1", "ChanVariable: B=2", *tail))
    parsed = parse_packet(packet(*head, *(f"ChanVariable: {n}=" for n in range(count)), *tail))
    expected = {0: None, 1: "0="}.get(count, [f"{n}=" for n in range(count)])
    assert parsed.fields.get("ChanVariable") == expected
    assert list(parsed.fields)[-1] == "Uniqueid"
    assert not parsed.text


def test_the_channel_variables_of_old_servers_are_lists_by_channel() -> None:
    for channel in ("SIP/1-1", "SIP/2-2", "SIP/3-3"):
        lines = [f"ChanVariable({channel}): {v}" for v in "ABC"] + ["ChanVariable(SIP/9-9): D"]
        parsed = parse_packet(packet("Event: Dial", "Privilege: call,all", *lines))
        assert parsed.fields[f"ChanVariable({channel})"] == ["A", "B", "C"]
        assert parsed.fields["ChanVariable(SIP/9-9)"] == "D"
        assert not parsed.text
    mixed = packet(
        "Event: Dial", "Privilege: call,all", "ChanVariable(a): 1", "ChanVariable(b): 2", "ChanVariable(a): 3"
    )
    parsed = parse_packet(mixed)
    assert parsed.fields["ChanVariable(a)"] == ["1", "3"]
    assert parsed.text == mixed.decode()


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        (["Event: X", "ReportBlock:", "a:b"], {"Event": "X", "ReportBlock": "", "a": "b"}),
        (["Event: X", "Value: one", "two", "Exten: 1"], {"Event": "X", "Value": "one", "Exten": "1"}),
        (["Event: X", "V: 1", "W: 2", "V: 3"], {"Event": "X", "V": ["1", "3"], "W": "2"}),
        (["Event: X", ": nameless"], {"Event": "X"}),
        (["Event: X", "bad\nname: 1"], {"Event": "X"}),
    ],
)
def test_what_the_headers_cannot_give_back_stands_in_the_text(
    lines: list[str], fields: dict[str, object]
) -> None:
    raw = packet(*lines)
    for _ in range(3):
        parsed = parse_packet(raw)
        assert parsed.fields == fields
        assert parsed.text == packet_text(parsed) == raw.decode()


def test_a_bare_line_feed_belongs_to_its_value() -> None:
    parsed = parse_packet(packet("Event: X", "Nl: one\ntwo: three", "x: 1", "X: 2"))
    assert parsed.fields == {"Event": "X", "Nl": "one\ntwo: three", "x": "1", "X": "2"}


@pytest.mark.parametrize(
    ("line", "encoding", "text", "undecodable"),
    [
        ("Иван".encode(), "cp1251", "Иван", False),
        ("Иван".encode("cp1251"), "cp1251", "Иван", False),
        ("Иван".encode("cp1251"), "utf-8", "\udcc8\udce2\udce0\udced", True),
        ("Обед Я".encode()[:-1], "cp1251", "Обед \udcd0", True),
        ("Обед Я".encode()[:-1], "utf-8", "Обед \udcd0", True),
        ("OK Я".encode("cp1251"), "cp1251", "OK Я", False),
        (b"\x98", "cp1251", "\udc98", True),
        (b"x\xd0", "utf-8", "x\udcd0", True),
    ],
)
def test_each_line_is_read_in_the_encoding_it_fits(
    line: bytes, encoding: str, text: str, undecodable: bool
) -> None:
    raw = b"Event: X\r\nBad: \xcf\xf0\xe8\r\nV: " + line + b"\r\nGood: " + "Да".encode() + b"\r\n"
    parsed = parse_packet(raw, encoding)
    assert parsed.fields["V"] == text
    assert parsed.fields["Good"] == "Да"
    assert parsed.undecodable == (undecodable or encoding == "utf-8")


def test_the_name_is_the_event_or_the_response_wherever_it_stands() -> None:
    assert parse_packet(packet("event:Hold")).name == "Hold"
    assert parse_packet(packet("RESPONSE: Success")).name == "Success"
    for _ in range(3):
        assert parse_packet(packet("ActionID: vu", "Event: VoicemailUserEntry")).name == "VoicemailUserEntry"
        assert parse_packet(packet("Event: A", "Event: B")).name == "A"
        assert parse_packet(packet("Uniqueid: 1")).name == ""
        assert parse_packet(b"") == ParsedPacket("", {})


def test_command_output_is_the_same_lines_in_both_styles() -> None:
    body = "[ a ]\n\n  b: c\n--END COMMAND-- said\nlast"
    old = f"Response: Follows\r\nPrivilege: Command\r\nActionID: 1\r\n{body}\n--END COMMAND--\r\n".encode()
    new = packet("Response: Success", "ActionID: 1", *(f"Output: {line}" for line in body.split("\n")))
    assert command_output(parse_packet(old)) == command_output(parse_packet(new)) == body.split("\n")
    assert parse_packet(old).fields == {"Response": "Follows", "Privilege": "Command", "ActionID": "1"}
    assert packet_text(parse_packet(old)) == old.decode()


@pytest.mark.parametrize(
    ("raw", "output"),
    [
        (b"Response: Follows\r\nPrivilege: Command\r\n--END COMMAND--\r\n", []),
        (b"Response: Follows\r\nPrivilege: Command\r\na\r\nb--END COMMAND--\r\n", ["a", "b"]),
        (b"response:Follows\r\nActionID: 1\r\nPrivilege: x\n--END COMMAND--\r\n", ["Privilege: x"]),
        (packet("Response: Success", "Output: only"), ["only"]),
        (packet("Response: Success", "Message: none"), []),
    ],
)
def test_command_output_of_odd_answers(raw: bytes, output: list[str]) -> None:
    assert command_output(parse_packet(raw)) == output


def test_invented_headers_neither_fill_the_memory_nor_end_the_reading() -> None:
    for number in range(2_000):
        for _ in range(2):
            raw = packet(f"Event: E{number}", f"H{number}: 1")
            assert same(parse_packet(raw), read_lines(raw))
            raw = packet("Event: UserEvent", f"H{number}: 1")
            assert same(parse_packet(raw), read_lines(raw))
    learned, candidates = fields_module.shapes_held()
    assert learned <= fields_module.MAX_LINES * MAX_SHAPES
    assert candidates <= fields_module.MAX_LINES


@pytest.mark.parametrize(
    "raw",
    [
        packet("Event: " + "x" * 200),
        packet("Event: X", *(f"h{n}: 1" for n in range(100))),
        packet("Event: X", "n" * 5000 + ": 1"),
        packet("Event: X", "a(b): 1", "c: 2"),
        packet("Event: X", "Event: Y"),
    ],
)
def test_shapes_that_would_cost_much_or_serve_nothing_are_not_learned(raw: bytes) -> None:
    for _ in range(3):
        assert same(parse_packet(raw), read_lines(raw))
    assert fields_module.shapes_held()[0] == 0
