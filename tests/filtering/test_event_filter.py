"""A filter that cannot be understood is refused in one sentence that names the part and the place."""

from __future__ import annotations

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from consumers.errors import FilterInvalid
from consumers.filtering import EventFilter
from consumers.filtering.characters import span
from consumers.filtering.database import is_trusted
from tests.filtering.made_patterns import made_patterns


@pytest.mark.parametrize(
    ("wanted", "part", "pos", "sentence"),
    [
        (EventFilter(regex="a(b"), "regex", 3, "regex: missing ) at character 4"),
        (EventFilter(regex="*a"), "regex", 0, "regex: nothing to repeat at character 1"),
        (
            EventFilter(where={"Exten": "["}),
            "where.Exten",
            1,
            "where.Exten: unterminated character set at character 2",
        ),
        (
            EventFilter(regex="x" * 4097),
            "regex",
            None,
            "regex: a pattern of 4,097 characters, at most 4,096 are allowed",
        ),
        (EventFilter(contains="x" * 4097), "contains", None, "contains: a text of 4,097 characters"),
        (EventFilter(where={"": "x"}), "where", None, "where: a header without a name"),
        (EventFilter(where={f"h{n}": "x" for n in range(1001)}), "where", None, "where: 1,001 headers"),
        (EventFilter(events=[""]), "events", None, "events: an empty name"),
        (EventFilter(extensions="200"), "extensions", None, "extensions: one text where a list"),
        (EventFilter(extensions=map(str, range(1001))), "extensions", None, "extensions: 1,001 names"),
        (EventFilter(regex="(" * 2000 + ")" * 2000), "regex", None, "regex: the pattern nests too deep"),
        (
            EventFilter(regex="(?:a{30000}){30000}"),
            "regex",
            None,
            "regex: its repeats make 900,000,000 of it",
        ),
        (EventFilter(regex="(?V1)(?:[[(]]{9000}|a{9000}){9000}"), "regex", None, "regex: its repeats make"),
    ],
)
def test_an_invalid_filter(wanted: EventFilter, part: str, pos: int | None, sentence: str) -> None:
    with pytest.raises(FilterInvalid) as raised:
        wanted.compiled()
    assert str(raised.value).startswith(sentence)
    assert (raised.value.part, raised.value.pos) == (part, pos)


@given(st.one_of(made_patterns, st.text("()[]{}?*+|\\^$ab1:<>=!-P.,&#i", max_size=20)))
@settings(max_examples=1500, deadline=None)
def test_whatever_regex_refuses_is_refused_and_nothing_else_is_raised(source: str) -> None:
    assume(source)
    try:
        regex.compile(source, regex.DOTALL)
        valid = True
    except regex.error:
        valid = False
    try:
        EventFilter(regex=source).compiled()
        refused = ""
    except FilterInvalid as error:
        refused = str(error)
    assert bool(refused) != valid or "repeats" in refused


def test_ordinary_counts_are_no_danger() -> None:
    EventFilter(regex="(\\d{1,3}\\.){3}\\d{1,3}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|x{1000}").compiled()


def test_the_case_of_letters_is_that_of_regex() -> None:
    """Whichever letter of these scripts is meant, whatever `regex` takes for it is known to be possible."""
    some = [
        *range(0x250),
        *range(0x370, 0x530),
        *range(0x1C80, 0x1C90),
        *range(0x1E00, 0x2130),
        0xA64B,
        *range(0xAB30, 0xABC0),
    ]
    everything = "".join(map(chr, some))
    for code in [*range(0x180), *range(0x400, 0x460)]:
        same = regex.findall(f"(?i){regex.escape(chr(code))}", everything)
        characters = span(code, code, ignore_case=True)
        assert all(holds(characters.possible, one) for one in same)
        sure = [one for one in everything if holds(characters.sure, one)]
        assert set(sure) <= set(same)


def holds(ranges: tuple[tuple[int, int], ...], character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)


def test_only_hyperscan_of_intel_is_trusted() -> None:
    assert is_trusted("Version: 5.4.2 Features: AVX2 Mode: BLOCK")
    assert not is_trusted("Version: 5.4.11 Features:  Mode: BLOCK")
    assert not is_trusted("Version: 5.4.12 Features:  Mode: BLOCK")
    assert not is_trusted("")
