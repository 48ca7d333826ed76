"""No full phone number reaches the audit or the log, and a log stays readable."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.masking import mask_numbers, mask_strictly

BETWEEN = " ()-."
PIECES = st.sampled_from(
    [
        "8",
        "916",
        "1234567",
        " ",
        "(",
        ")",
        "-",
        ".",
        "+",
        "_",
        "a",
        "/",
        ":",
        ";",
        "@",
        "٣",
        "200",
        "0000001a",
    ]
)
NOISE = st.text(st.characters(exclude_categories=["Nd"]), max_size=8)


def longest_run(text: str) -> int:
    """The most digits that follow each other with at most three signs between them, counted sign by sign."""
    longest = digits = apart = 0
    for sign in text:
        if sign.isdecimal():
            digits = digits + 1 if apart <= 3 else 1
            apart = 0
        elif sign in BETWEEN:
            apart += 1
        else:
            digits = apart = 0
        longest = max(longest, digits)
    return longest


@st.composite
def phone_numbers(draw: st.DrawFn, between: str = BETWEEN) -> str:
    """A number of 10 to 15 digits as people group it."""
    digits = draw(st.text("0123456789", min_size=10, max_size=15))
    gaps = draw(st.lists(st.text(between, max_size=2), min_size=len(digits) - 1, max_size=len(digits) - 1))
    return "".join(digit + gap for digit, gap in zip(digits, [*gaps, ""], strict=True))


def last_digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdecimal())[-4:]


@given(st.lists(PIECES, max_size=40).map("".join))
@example("PJSIP/200-00000001")
def test_the_audit_keeps_no_run_of_five_digits_whatever_stands_beside_it(text: str) -> None:
    masked = mask_strictly(text)
    assert longest_run(masked) <= 4
    if longest_run(text) <= 4:
        assert masked == text


@given(NOISE, phone_numbers(), NOISE)
def test_the_audit_keeps_the_last_four_digits_of_a_number_and_all_that_is_none(
    before: str, number: str, after: str
) -> None:
    masked = mask_strictly(f"{before}{number}{after}")
    head, _, tail = masked.partition("***")
    assert head == before.removesuffix("+")
    assert tail.endswith(after)
    assert last_digits(tail.removesuffix(after)) == last_digits(number)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("rec_89161234567.wav", "rec_***4567.wav"),
        ("89161234567_200.wav", "***4567_200.wav"),
        ("tel=n89161234567", "tel=n***4567"),
        ("8 (916) 123-45-67", "***45-67"),
        ('"Ivanov 8-916-123-45-67" <200>', '"Ivanov ***45-67" <200>'),
        ("8.916.123.45.67", "***45.67"),
        ("8\u00a0916\u2011123\u201345\u201367", "***45\u201367"),
        ("x\u0663\u0664\u0665\u0666\u0667", "x***\u0664\u0665\u0666\u0667"),
        ("Local/89161234567@ctx-00000003;1", "Local/***4567@ctx-***0003;1"),
        ("PJSIP/200-0000001a", "PJSIP/200-***0001a"),
    ],
)
def test_numbers_in_any_form_are_cut_in_the_audit(text: str, masked: str) -> None:
    assert mask_strictly(text) == masked


@given(
    st.sampled_from(["rec_", "n", "tel=", "to ", "<", "", "12:", "x.", "(", "+", "Local/"]),
    phone_numbers(" ()-").filter(lambda number: "-" not in number[:5]),
    st.sampled_from(["", ".wav", "_200", " was busy", "@pbx", ".", ": no", ">", ";1", "x"]),
)
def test_no_full_phone_number_reaches_the_log(before: str, number: str, after: str) -> None:
    masked = mask_numbers(f"{before}{number}{after}")
    head, _, tail = masked.partition("***")
    assert head == before.removesuffix("+")
    assert longest_run(tail.removesuffix(after)) == 4


@pytest.mark.parametrize(
    "text",
    [
        "no such peer at 10.0.0.5:5038",
        "[Errno 111] 192.168.100.200:50380 refused",
        "from 7 10.0.0.5:5038",
        "('10.0.0.5', 5038)",
        "Asterisk Call Manager/9.0.0",
        "Asterisk 20.11.1 22.0.1",
        "RabbitMQ 3.12.13",
        "took 12.345678 s",
        "at 10:15:00.123456",
        "2026-11-23T08:54:53.850601Z",
        "2026-11-23 08:54:53",
        "call 1795424000.123",
        "main:1790000000000:17",
        "broker:35672 is away",
        "/var/lib/amibus/main.journal",
        "4f8a7c89161234567b00112233445566",
        "4f8a7c89-1612-4345-8b00-112233445566",
        "allowed: 200-249, 600-699",
    ],
)
def test_addresses_versions_times_and_ids_stay_readable_in_the_log(text: str) -> None:
    assert mask_numbers(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("rec_89161234567.wav", "rec_***4567.wav"),
        ("tel=n89161234567 is busy", "tel=n***4567 is busy"),
        ("8 (916) 123-45-67", "***45-67"),
        ("8 (916) 123.45.67", "***45.67"),
        ("8.916.123.45.67", "***45.67"),
        ("12:89161234567", "12:***4567"),
        ("7495123456 10.0.0.5:5038", "***3456 10.0.0.5:5038"),
        ("12345", "***2345"),
        # Shaped like a channel's name: four digits at its head stay, and its middle goes.
        ("Local/8916-12345678", "Local/8916-***5678"),
    ],
)
def test_numbers_beside_letters_and_in_groups_are_cut_in_the_log(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked
