"""Patterns of numbers: they match as an independent, naive matcher does, and what is none is refused."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.commanding.number_patterns import NumberPattern, NumberPatterns

ANY = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_*#+.-"
NUMBERS = st.text(st.sampled_from("0123456789*#+a-."), max_size=8)


def naive(pattern: str, number: str) -> bool:
    """A dialplan pattern, without its underscore, sign by sign."""
    if not pattern:
        return not number
    if pattern == ".":
        return bool(number) and all(sign in ANY for sign in number)
    if pattern == "!":
        return all(sign in ANY for sign in number)
    if pattern[0] == "[":
        inside, _, rest = pattern[1:].partition("]")
        allowed = set()
        while inside:
            if inside[1:2] == "-":
                allowed |= {str(digit) for digit in range(int(inside[0]), int(inside[2]) + 1)}
                inside = inside[3:]
            else:
                allowed.add(inside[0])
                inside = inside[1:]
    else:
        classes = {"X": "0123456789", "Z": "123456789", "N": "23456789"}
        allowed = set(classes.get(pattern[0].upper(), pattern[0]))
        rest = pattern[1:]
    return number[:1] in allowed and bool(number) and naive(rest, number[1:])


@st.composite
def ranges(draw: st.DrawFn) -> str:
    least, most = sorted((draw(st.integers(0, 9)), draw(st.integers(0, 9))))
    return f"{least}-{most}"


parts = st.sampled_from([*"0123456789*#+XxZzNn"]) | st.lists(
    st.sampled_from([*"0123456789*#"]) | ranges(), min_size=1, max_size=3
).map(lambda inside: f"[{''.join(inside)}]")
dialplans = st.tuples(st.lists(parts, min_size=1, max_size=6), st.sampled_from(["", ".", "!"])).map(
    lambda made: "".join(made[0]) + made[1]
)


def near(pattern: str) -> st.SearchStrategy[str]:
    """Numbers that the pattern is likely to match."""
    digits = {"X": "0", "Z": "1", "N": "2", ".": "9*#", "!": ""}
    plain = "".join(digits.get(sign.upper(), sign) for sign in pattern if sign not in "[]-")
    return st.sampled_from([plain, plain[:-1], plain + "5", plain.replace("0", "x")]) | NUMBERS


@given(dialplans, st.data())
def test_a_dialplan_pattern_matches_as_a_naive_matcher_does(pattern: str, data: st.DataObject) -> None:
    number = data.draw(near(pattern))
    assert NumberPattern.parse(f"_{pattern}").matches(number) is naive(pattern, number)


@given(st.from_regex(r"\A[0-9]{1,6}\Z"), st.integers(0, 999), NUMBERS)
def test_a_range_matches_numbers_of_its_length_between_its_ends(first: str, more: int, number: str) -> None:
    last = str(int(first) + more).zfill(len(first))
    if len(last) != len(first):
        return
    pattern = NumberPattern.parse(f"{first}-{last}")
    for one in (number, first, last, str(int(first) + more // 2).zfill(len(first)), f"0{first}", f"{last}0"):
        inside = len(one) == len(first) and one.isdigit() and first <= one <= last
        assert pattern.matches(one) is inside


@given(st.from_regex(r"\A\+?[A-Za-z0-9*#][A-Za-z0-9_*#.-]{0,8}\Z"), NUMBERS)
def test_a_literal_matches_itself_alone(text: str, number: str) -> None:
    try:
        pattern = NumberPattern.parse(text)
    except ValueError:
        return
    if pattern._range is not None:
        return
    assert pattern.matches(text)
    assert pattern.matches(number) is (number == text)
    assert not pattern.matches(text + "\n")


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_pattern_or_a_value_error(text: str, number: str) -> None:
    for tried in (text, f"_{text}", f"_[{text}]", f"200-{text}"):
        try:
            pattern = NumberPattern.parse(tried)
        except ValueError as error:
            said = str(error)
        else:
            assert pattern.text == tried
            pattern.matches(number)
            continue
        assert said.startswith("is no ")


NO_PATTERNS = [
    *("", " ", "2 0", "200,201", "200-", "-200", "200\n", "x;y", "x/y", "x@y", "٣٣"),
    *("200-20", "249-200", "200-2490", f"{'9' * 30}-{'1' * 30}"),
    *("_", "_X.5", "_X!5", "_A", "_٣", "_2 ", "_$", "_(1)", "_1|2", "_\\d", "_XX\n", "_X-X"),
    *("_[", "_[]", "_]", "_[9-1]", "_[1-39-8]", "_[5-]", "_[-5]", "_[a-z]", "_[1-3", "_[^1]", "_[1\\]]"),
]


@pytest.mark.parametrize("text", NO_PATTERNS)
def test_what_is_no_pattern_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is no (pattern|range|dialplan pattern); "):
        NumberPattern.parse(text)


def test_a_pattern_that_is_wrong_is_refused_at_once_however_long_it_is() -> None:
    began = time.process_time()
    for wrong in ("." * 59 + "!", "1." * 29 + "!", "_" + "[1-2]" * 11 + "!!", "[" * 60, "1-" * 29 + "!"):
        with pytest.raises(ValueError, match="is no"):
            NumberPattern.parse(wrong)
    assert time.process_time() - began < 1


def test_a_number_is_compared_at_once_however_long_it_is() -> None:
    began = time.process_time()
    pattern = NumberPatterns.parse(["200-249", "_[1-5]X.", "200", "_X!"])
    assert not pattern.match("9" * 10_000 + "x\n")
    assert time.process_time() - began < 1


def test_any_of_several_patterns_is_enough_and_none_matches_nothing() -> None:
    patterns = NumberPatterns.parse(["200-249", "_8495XXXXXXX", "alice"])
    assert [
        number for number in ("200", "84951234567", "alice", "250", "8495123456") if patterns.match(number)
    ] == [
        "200",
        "84951234567",
        "alice",
    ]
    assert str(patterns) == "200-249, _8495XXXXXXX, alice"
    assert patterns
    nothing = NumberPatterns()
    assert not nothing
    assert not nothing.match("200")
    assert not nothing.match("")
