"""The transcription of Asterisk's readers does what Asterisk does: cases from its sources and recordings."""

from __future__ import annotations

import pytest

from tests.commanding.asterisk import requests, separate, variables_of


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a,b", [b"a", b"b"]),
        (b"a,", [b"a", b""]),
        (b",", [b"", b""]),
        (b"a(b,c),d", [b"a(b,c)", b"d"]),
        (b"a[b,c],d", [b"a[b,c]", b"d"]),
        (b'"a,b",c', [b"a,b", b"c"]),
        (b'a"b', [b"ab"]),
        (b"a\\,b,c", [b"a,b", b"c"]),
        (b'a\\"b,c', [b'a"b', b"c"]),
        (b"a\\\\,b", [b"a\\", b"b"]),
        (b"a\\", [b"a"]),
        (b"a),b", [b"a)", b"b"]),
        (b"a(,b", [b"a(,b"]),
        (b"(,)]\\),x", [b"(,)])", b"x"]),
    ],
)
def test_arguments_are_parted_at_commas_outside_of_quotes_and_brackets(
    text: bytes, arguments: list[bytes]
) -> None:
    assert separate(text) == arguments


def test_a_header_sets_several_variables_as_the_recorded_servers_did() -> None:
    recorded = " B=два: 2,C=3".encode()
    assert variables_of(recorded) == [(b"B", "два: 2".encode()), (b"C", b"3")]
    assert variables_of(b" EMPTY=") == [(b"EMPTY", b"")]
    assert variables_of(b"=x,none,A=b=c") == [(b"A", b"b=c")]


def test_an_action_ends_with_an_empty_line_and_a_bare_line_feed_ends_a_line_too() -> None:
    first, second = requests(b"Action: A\r\nX: 1\nY:2\r\n\r\naction:B\r\n\r\n")
    assert first.pairs() == [(b"Action", b"A"), (b"X", b"1"), (b"Y", b"2")]
    assert (second.header(b"Action"), second.header(b"X")) == (b"B", b"")
    with pytest.raises(AssertionError):
        requests(b"Action: A\r\n")
    with pytest.raises(AssertionError):
        requests(b"X: " + b"a" * 1020 + b"\r\n\r\n")


def test_a_nul_ends_a_header_early_and_the_first_of_a_name_counts() -> None:
    (request,) = requests(b"Action: A\0B\r\nX: 1\r\nx: 2\r\nXY: 3\r\nVariable: A=1\r\nVARIABLE: B=2\r\n\r\n")
    assert request.header(b"action") == b"A"
    assert (request.header(b"X"), request.header(b"xy")) == (b"1", b"3")
    assert request.variables() == [(b"A", b"1"), (b"B", b"2")]
