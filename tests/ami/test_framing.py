from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.ami.framing import (
    BANNER,
    EVENT,
    KEPT_BYTES,
    MALFORMED,
    NO_KIND,
    NO_OUTPUT_END,
    RESPONSE,
    TRUNCATED,
    Limits,
    Packet,
    PacketReader,
    is_suspect,
)
from tests.ami.traces import corpus, dialogues, read, short_name, streams

AMPLE = Limits()
TIGHT = Limits(max_packet_bytes=1024, max_headers=20, max_line_bytes=128)
BANNER_LINE = b"Asterisk Call Manager/9.0.0\r\n"


def packets_of(data: bytes, chunk: int = 1 << 30, limits: Limits = AMPLE, eof: bool = True) -> list[Packet]:
    reader = PacketReader(limits)
    packets = []
    for start in range(0, len(data), chunk):
        packets += reader.receive_data(data[start : start + chunk])
    return packets + (reader.receive_eof() if eof else [])


def kinds_of(data: bytes) -> list[int]:
    return [packet.kind for packet in packets_of(data)]


@pytest.mark.parametrize("path", corpus(), ids=short_name)
@pytest.mark.parametrize("limits", [Limits(), TIGHT], ids=["ample", "tight"])
def test_a_split_at_any_byte_changes_nothing(path: Path, limits: Limits) -> None:
    data = read(path)[:2500]
    whole = packets_of(data, limits=limits)
    for at in range(len(data)):
        reader = PacketReader(limits)
        parts = reader.receive_data(data[:at]) + reader.receive_data(data[at:]) + reader.receive_eof()
        assert parts == whole


@pytest.mark.parametrize("path", dialogues() + streams(), ids=short_name)
@pytest.mark.parametrize("limits", [Limits(), TIGHT], ids=["ample", "tight"])
def test_a_recording_gives_the_same_packets_in_chunks_of_every_size(path: Path, limits: Limits) -> None:
    data = read(path)[: 1 << 20]
    whole = packets_of(data, limits=limits)
    for chunk in (65536, 4096, 1001, *([7, 1] if len(data) < 20_000 else [])):
        assert packets_of(data, chunk, limits) == whole


@pytest.mark.parametrize("path", dialogues() + streams(), ids=short_name)
def test_the_packets_of_a_recording_hold_all_its_bytes_but_line_ends(path: Path) -> None:
    data = read(path)
    packets = packets_of(data)
    assert packets[0].kind == BANNER
    assert re.sub(rb"[\r\n]", b"", b"".join(p.raw for p in packets)) == re.sub(rb"[\r\n]", b"", data)
    assert not any(packet.dropped for packet in packets)


FRAGMENTS = st.sampled_from(
    [
        b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"Event: ", b"event:X\r\n", b"Response: Success\r\n",
        b"Event: Hangup\r\nPrivilege: call,all\r\n", b"Response: Follows\r\n", b"Privilege: Command\r\n",
        b"response:Follows\r\n",
        b"--END COMMAND--", b"--END COMMAND--\r\n\r\n", b"ActionID: 1\r\n", b"a: b", b": ", b"no colon\r\n",
        BANNER_LINE, b"x" * 100, b"y" * 700, b"\xd0", b"\x00",
    ]
)  # fmt: skip
STREAMS = st.lists(FRAGMENTS | st.binary(max_size=40), max_size=60).map(b"".join)


@given(STREAMS, st.lists(st.integers(1, 400), max_size=40), st.sampled_from([Limits(), TIGHT]))
def test_any_bytes_in_any_chunks_give_the_same_packets_within_the_bounds(
    data: bytes, sizes: list[int], limits: Limits
) -> None:
    whole = packets_of(data, limits=limits)
    reader = PacketReader(limits)
    packets: list[Packet] = []
    start = 0
    for size in [*sizes, len(data)]:
        packets += reader.receive_data(data[start : start + size])
        start += size
        assert reader.buffered_bytes <= limits.max_packet_bytes + 256
    assert packets + reader.receive_eof() == whole
    for packet in whole:
        assert packet.raw
        assert (packet.kind == MALFORMED) == bool(packet.reason)
        if packet.dropped:
            assert len(packet.raw) <= KEPT_BYTES
        elif packet.reason != TRUNCATED:
            assert packet.raw.endswith(b"\r\n")


@given(st.binary(max_size=3000))
def test_random_bytes_never_raise(data: bytes) -> None:
    assert packets_of(data, 7, TIGHT) == packets_of(data, limits=TIGHT)


@pytest.mark.parametrize("start", [b"", b"Event: Endless\r\nValue: ", b"Response: Follows\r\n"])
@pytest.mark.parametrize("chunk", [4096, 1])
def test_a_packet_without_an_end_costs_work_in_proportion_to_its_bytes(start: bytes, chunk: int) -> None:
    limits = Limits(max_packet_bytes=1 << 14)
    reader = PacketReader(limits)
    size = (64 << 20) if chunk > 1 else 100_000
    packets = reader.receive_data(BANNER_LINE + start)[1:]
    piece = b"x" * chunk
    most = 0
    for _ in range(size // chunk):
        packets += reader.receive_data(piece)
        most = max(most, reader.buffered_bytes)
    assert most <= limits.max_packet_bytes + 256
    # A search for the end of command output looks back by at most 128 bytes for each chunk.
    assert reader.work_bytes <= 3 * size + 128 * (size // chunk)
    packets += reader.receive_data(b"\r\n\r\nEvent: Hangup\r\nPrivilege: call,all\r\n\r\n")
    assert [packet.kind for packet in packets] == [MALFORMED, EVENT]
    assert packets[0].dropped
    assert len(packets[0].raw) == KEPT_BYTES
    assert packets[0].reason == "longer than the limit of 16384 bytes a packet"


def test_many_packets_in_one_large_chunk_cost_work_in_proportion_to_their_bytes() -> None:
    data = BANNER_LINE + b"Response: Follows\r\n\r\nEvent: A\r\nPrivilege: call,all\r\n\r\n\r\n" * 20_000
    reader = PacketReader()
    assert len(reader.receive_data(data)) == 40_001
    assert reader.work_bytes <= 3 * len(data)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"Event: X\r\n" + b"a: b\r\n" * 20, "more headers than the limit of 20"),
        (b"Event: X\r\na: " + b"b" * 126 + b"\r\n", "a line longer than the limit of 128 bytes"),
        (
            b"Event: X\r\n" + (b"a: " + b"b" * 100 + b"\r\n") * 10,
            "longer than the limit of 1024 bytes a packet",
        ),
    ],
)
def test_a_breach_of_a_limit_is_one_malformed_packet_and_the_next_one_is_read(
    packet: bytes, reason: str
) -> None:
    after = b"Event: Hangup\r\nPrivilege: call,all\r\n"
    packets = packets_of(BANNER_LINE + packet + b"\r\n" + after + b"\r\n", limits=TIGHT)
    assert packets[1:] == [Packet(MALFORMED, packet[:KEPT_BYTES], reason, True), Packet(EVENT, after)]


@pytest.mark.parametrize(
    "packet",
    [
        b"Event: X\r\n" + b"a: b\r\n" * 19,
        b"Event: X\r\na: " + b"b" * 125 + b"\r\n",
        b"Event: X\r\n" + (b"a: " + b"b" * 96 + b"\r\n") * 10 + b"c:\r\n",
    ],
)
def test_a_packet_just_within_the_limits_is_read(packet: bytes) -> None:
    assert len(packet) <= TIGHT.max_packet_bytes
    assert packets_of(BANNER_LINE + packet + b"\r\n", limits=TIGHT)[1:] == [Packet(EVENT, packet)]


@pytest.mark.parametrize("limits", [{"max_packet_bytes": 1023}, {"max_headers": 3}, {"max_line_bytes": 63}])
def test_limits_that_asterisk_itself_would_breach_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="the limits must be at least"):
        Limits(**limits)


@pytest.mark.parametrize(
    "line",
    [
        b"Asterisk Call Manager/1.0\r\n",
        b"Asterisk Call Manager/11.0.0\r\n",
        b"Asterisk Call Manager Proxy/1.22\r\n",
        b"OpenPBX Call Manager/1.0\r\n",
        b"Asterisk Call Manager/certified/13.8-cert4\r\n",
    ],
)
def test_the_first_line_of_a_connection_is_its_banner(line: bytes) -> None:
    assert packets_of(b"\r\n" + line + line + b"\r\n") == [
        Packet(BANNER, line),
        Packet(MALFORMED, line, NO_KIND),
    ]


def test_empty_lines_before_the_banner_are_skipped() -> None:
    assert packets_of(b"\r\n\r\n" + BANNER_LINE, 2) == [Packet(BANNER, BANNER_LINE)]


def test_a_first_line_that_is_no_banner_belongs_to_the_first_packet() -> None:
    assert packets_of(b"Event: A\r\nX: Call Manager/1\r\n\r\n") == [
        Packet(EVENT, b"Event: A\r\nX: Call Manager/1\r\n")
    ]
    assert packets_of(b"SSH-2.0-OpenSSH_9.2\r\n") == [
        Packet(MALFORMED, b"SSH-2.0-OpenSSH_9.2\r\n", TRUNCATED)
    ]
    long = b"Event: " + b"x" * 500
    assert packets_of(long + b"\r\n\r\n", 5) == [Packet(EVENT, long + b"\r\n")]


def test_stray_empty_lines_between_packets_are_skipped() -> None:
    assert kinds_of(BANNER_LINE + b"\r\nEvent: A\r\n\r\n\r\n\r\n\r\n\r\nResponse: Success\r\n\r\n\r\n") == [
        BANNER,
        EVENT,
        RESPONSE,
    ]


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"Event: A", EVENT),
        (b"Event:A", EVENT),
        (b"EVENT: A", EVENT),
        (b"response:Success", RESPONSE),
        (b"Response: Success", RESPONSE),
        (b"Uniqueid: 1.5", MALFORMED),
        (b"Eventual: A", MALFORMED),
        (b" Event: A", MALFORMED),
        (b"support has 0 calls", MALFORMED),
    ],
)
def test_the_first_line_decides_what_a_packet_is(first: bytes, kind: int) -> None:
    (_, packet) = packets_of(BANNER_LINE + first + b"\r\nEvent: B\r\n\r\n")
    assert packet == Packet(kind, first + b"\r\nEvent: B\r\n", NO_KIND if kind == MALFORMED else "")


def test_a_value_with_line_ends_splits_its_packet_and_the_forged_part_is_suspect() -> None:
    data = b"Event: VarSet\r\nPrivilege: dialplan,all\r\nValue: a\r\n\r\n"
    data += b"Event: Fake\r\nExten: 200\r\n\r\nUniqueid: 1\r\n\r\n"
    split, fake, tail = packets_of(BANNER_LINE + data)[1:]
    assert (split.kind, fake.kind, tail.kind) == (EVENT, EVENT, MALFORMED)
    assert [is_suspect(split.raw), is_suspect(fake.raw), is_suspect(b"Event: A\r\n")] == [False, True, True]


def test_old_command_output_with_empty_lines_and_colons_is_one_response() -> None:
    raw = (
        b"Response: Follows\r\nPrivilege: Command\r\nActionID: 1\r\n[ a ]\n\n b: c\r\n\r\n"
        b"Event: no\r\n\r\n--END COMMAND-- x\n--END COMMAND--\r\n"
    )
    after = b"Response: Success\r\nPing: Pong\r\n"
    packets = packets_of(BANNER_LINE + (raw + b"\r\n") * 2 + after + b"\r\n")
    assert packets[1:] == [Packet(RESPONSE, raw)] * 2 + [Packet(RESPONSE, after)]


@pytest.mark.parametrize(
    "after",
    [
        b"Event: Hangup\r\nPrivilege: call,all\r\n",
        b"Response: Success\r\nActionID: p\r\nPing: Pong\r\n",
        b"Response: Error\r\nMessage: no\r\n",
    ],
)
def test_command_output_that_never_ends_holds_the_stream_only_to_the_next_true_packet(after: bytes) -> None:
    forged = b"Response: Follows\r\nPrivilege: Command\r\nx\r\n"
    packets = packets_of(BANNER_LINE + forged + b"\r\n" + after + b"\r\n")
    assert packets[1] == Packet(MALFORMED, forged, NO_OUTPUT_END)
    assert packets[2].raw == after
    assert packets[2].kind in (EVENT, RESPONSE)


def test_command_output_over_the_limit_is_given_up_and_skipped_to_its_end() -> None:
    body = b"Response: Follows\r\nPrivilege: Command\r\n" + b"line: 1\n\r\n\r\n" * 400
    after = b"Event: Hangup\r\nPrivilege: call,all\r\n"
    data = BANNER_LINE + body + b"--END COMMAND--\r\n\r\n" + after + b"\r\n"
    for chunk in (len(data), 100, 1):
        packets = packets_of(data, chunk, TIGHT)
        assert [packet.kind for packet in packets] == [BANNER, MALFORMED, EVENT]
        assert packets[1].dropped


@pytest.mark.parametrize(
    "rest", [b"Event: A\r\nX", b"Event: A\r\n", b"Response: Follows\r\n\r\nline\n", b"E"]
)
def test_the_end_of_the_connection_makes_an_unfinished_packet_malformed(rest: bytes) -> None:
    assert packets_of(BANNER_LINE + rest)[1:] == [Packet(MALFORMED, rest, TRUNCATED)]


@pytest.mark.parametrize("rest", [b"", b"\r", b"\r\n", b"\r\n\r"])
def test_the_end_of_the_connection_between_packets_is_no_packet(rest: bytes) -> None:
    assert packets_of(BANNER_LINE + b"Event: A\r\n\r\n" + rest)[1:] == [Packet(EVENT, b"Event: A\r\n")]


def test_what_is_being_skipped_at_the_end_of_the_connection_was_reported_before() -> None:
    for start in (b"x", b"Response: Follows\r\n"):
        packets = packets_of(BANNER_LINE + start + b"y" * 3000, limits=TIGHT)
        assert [packet.reason for packet in packets[1:]] == ["longer than the limit of 1024 bytes a packet"]
