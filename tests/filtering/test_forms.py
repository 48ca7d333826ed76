"""What is known of a pattern without running it never contradicts what `regex` finds."""

from __future__ import annotations

import regex  # type: ignore[import-untyped]
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from consumers.errors import FilterInvalid
from consumers.filtering.event_filter import PACKET_TEXT, Condition
from consumers.filtering.forms import Form
from consumers.filtering.patterns import compile_pattern
from consumers.filtering.scanners import compile_database
from consumers.filtering.shared_pattern import SharedPattern
from tests.filtering.made_patterns import is_valid, made_patterns
from tests.filtering.packets import texts

SECS = 0.5


def found(source: str, text: str) -> bool:
    try:
        return regex.compile(source, regex.DOTALL).search(text, timeout=SECS) is not None
    except (TimeoutError, MemoryError):
        assume(False)
        raise


def form_of(source: str) -> Form:
    try:
        return compile_pattern(source).form
    except FilterInvalid:
        assume(False)
        raise


@given(made_patterns, st.lists(texts, min_size=1, max_size=6))
@settings(max_examples=1000, deadline=None)
@example("(?i)к", ["К"])
def test_a_pattern_is_found_only_where_a_text_of_each_clause_stands(source: str, some: list[str]) -> None:
    assume(is_valid(source))
    clauses = form_of(source).clauses
    assume(clauses)
    for text in some:
        if found(source, text):
            for clause in clauses:
                assert any(one in text for one in clause), (clause, text)


@given(made_patterns, st.lists(texts, min_size=1, max_size=6))
@settings(max_examples=2000, deadline=None)
def test_hyperscan_finds_what_regex_finds_and_where_it_is_exact_nothing_else(
    source: str, some: list[str]
) -> None:
    assume(is_valid(source))
    form = form_of(source)
    assume(form.expression)
    shared = SharedPattern(Condition(PACKET_TEXT, compile_pattern(source)))
    database, held = compile_database([shared])
    assume(held)
    for text in some:
        if not text:
            continue
        hit = bool(database.scan(text, text.encode()))
        if form.exact:
            assert hit == found(source, text), (form.expression, text)
        elif not hit:
            assert not found(source, text), (form.expression, text)
