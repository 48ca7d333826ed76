"""Sizes, line numbers and masked URLs."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from publisher.configuration.locations import Locations
from publisher.configuration.quantities import MAX_BYTES, format_size, parse_size
from publisher.configuration.secrets import mask_url


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10 GiB", 10 << 30),
        ("500MB", 500_000_000),
        ("1.5 KiB", 1536),
        ("64m", 64 << 20),
        ("7", 7),
        (7, 7),
        (" 0 b ", 0),
    ],
)
def test_sizes_are_read_as_people_write_them(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "GiB", "-1", "1 XB", "1e9", "9 EiB", "99999999 TiB", True, 1.5, None, -1]
)
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        parse_size(text)


@given(st.integers(0, MAX_BYTES))
def test_a_formatted_size_reads_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_lines_are_found_behind_multi_line_values_and_lookalikes() -> None:
    text = '''# [bus]
[bus]
url = """
window = 1
[log]
"""
list = [
  "a = ]",  # b = 2 ]
  "x",
]
window = 3
"quoted key" = 1
a.b = 2

[[pbx]]
host = "[x]"
[[pbx]]
[pbx.tls]
verify = true
[[pbx]]
tls = { ca_file = """
x""" }
name = 'x'
'''
    tomllib.loads(text)
    lines = Locations(text)
    expected = {
        ("bus",): 2,
        ("bus", "url"): 3,
        ("bus", "window"): 11,
        ("bus", "quoted key"): 12,
        ("bus", "a", "b"): 13,
        ("pbx", 0, "host"): 16,
        ("pbx", 1, "tls", "verify"): 19,
        ("pbx", 2, "tls", "ca_file"): 21,
        ("pbx", 2, "name"): 23,
        ("pbx", 1, "absent"): 17,
    }
    assert {path: lines.line_of(path) for path in expected} == expected  # type: ignore[arg-type]
    assert lines.line_of(("log",)) is None


@given(st.text())
def test_the_line_scanner_takes_any_text(text: str) -> None:
    Locations(text).line_of(("a", 0, "b"))


@given(st.text(st.characters(categories=["L", "N"], include_characters=":@/?#%"), min_size=1))
def test_a_password_in_a_url_is_never_shown(password: str) -> None:
    shown = mask_url(f"amqp://user:{password}@host/vhost")
    assert shown == "amqp://user:***@host/vhost"
