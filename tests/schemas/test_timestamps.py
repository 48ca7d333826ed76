"""Times: one form, both ways."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.timestamps import parse_timestamp, timestamp_text, timestamp_us
from tests.schemas.strategies import EARLIEST_US, LATEST_US


def test_a_time_is_written_in_utc_with_six_digits() -> None:
    assert timestamp_text(1_795_424_095_636_751) == "2026-11-23T08:54:55.636751Z"
    assert timestamp_text(0) == "1970-01-01T00:00:00.000000Z"


@given(st.integers(EARLIEST_US, LATEST_US))
def test_a_time_comes_back_and_text_order_is_time_order(us: int) -> None:
    text = timestamp_text(us)
    assert len(text) == 27
    assert timestamp_us(text) == us
    assert parse_timestamp(text) == datetime.fromisoformat(text)
    assert parse_timestamp(text).tzinfo is UTC
    assert us == LATEST_US or timestamp_text(us + 1) > text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23T08:54:55Z",
        "2026-11-23 08:54:55.636751Z",
        "2026-11-23T08:54:55.636751+00:00",
        "2026-02-30T08:54:55.636751Z",
        "2026-11-23T24:54:55.636751Z",
        "2026-11-23T08:54:55.636751Z\n",
        "٢٠٢٦-11-23T08:54:55.636751Z",
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_timestamp(text)


@pytest.mark.parametrize("us", [EARLIEST_US - 1, LATEST_US + 1_000_000])
def test_a_time_outside_the_years_1_to_9999_is_refused(us: int) -> None:
    with pytest.raises(OverflowError):
        timestamp_text(us)
