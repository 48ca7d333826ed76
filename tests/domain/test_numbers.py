"""What in a header's value is a number, and how it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.numbers import MAX_NUMBER_LENGTH, number, plain_number


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("208", "208"),
        ("74959400835", "74959400835"),
        ("+74959400835", "+74959400835"),
        ('"Agent 227" <227>', "227"),
        ("Анна Сидорова <216>", "216"),
        ('"<odd> name" <+7 495 940-08-35>', "+74959400835"),
        ("+7 (495) 940-08-35", "+74959400835"),
        (" 208 ", "208"),
        ("*97", "*97"),
        ("*21*200#", "*21*200#"),
        ("#72", "#72"),
        ("sip:208@10.0.0.5:5060;transport=udp", "208"),
        ("tel:+74959400835;phone-context=x", "+74959400835"),
        ("200@default", "200"),
    ],
)
def test_a_number_is_written_by_its_digits_plus_and_feature_signs(value: str, expected: str) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "<unknown>", "unknown", "none", "anonymous", '"" <>', '"Nobody" <unknown>', "<>"),
        *("s", "h", "i", "t", "T", "o", "a", "fax", "_2XX", "_X.", "support", "SIP_205", "Agent 208"),
        *("127.0.0.1", "10.0.0.5:5060", "1795424097.10", "*", "#", "+", "**#", "1+2", "٢٠٨", "²", "2" * 33),
    ],
)
def test_what_names_nobody_is_no_number(value: str) -> None:
    assert number(value) == ""


@given(st.text(max_size=60))
def test_any_text_gives_a_plain_number_or_nothing(value: str) -> None:
    found = number(value)
    assert found == "" or plain_number(found) == found
    assert len(found) <= MAX_NUMBER_LENGTH


@given(st.from_regex(r"\A\+?[0-9]{1,20}\Z"), st.text(alphabet='Анна "<x', max_size=20))
def test_a_caller_id_form_gives_the_number_in_its_brackets(digits: str, name: str) -> None:
    assert number(f'"{name}" <{digits}>') == number(digits) == digits


@given(st.from_regex(r"\A[0-9]{1,20}\Z"), st.lists(st.sampled_from(" -()"), min_size=1, max_size=8))
def test_what_is_written_around_the_digits_is_dropped(digits: str, around: list[str]) -> None:
    assert number("".join(around) + digits + "".join(around)) == digits
