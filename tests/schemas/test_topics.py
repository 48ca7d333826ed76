"""Topic matching: the same answer as RabbitMQ, whose rule the model writes down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from schemas.errors import PatternError
from schemas.routing import routing_key
from schemas.topics import TopicMatcher, TopicPattern, check_pattern, topic_pattern
from tests.schemas.strategies import topic_words, topics
from tests.schemas.topic_model import takes

bindings = st.lists(st.tuples(topics, st.integers(0, 5)), max_size=12)


@given(topics, topics)
def test_a_pattern_matches_as_the_model_does(pattern: str, key: str) -> None:
    assert TopicPattern(pattern).matches(key) == takes(pattern, key)


@given(bindings, st.lists(topics, max_size=6))
def test_many_patterns_at_once_match_as_each_alone(pairs: list[tuple[str, int]], keys: list[str]) -> None:
    matcher: TopicMatcher[int] = TopicMatcher()
    for pattern, target in pairs:
        matcher.bind(pattern, target)
    for key in [*keys, *keys]:
        assert matcher.targets(key) == {target for pattern, target in pairs if takes(pattern, key)}
    assert matcher.targets_of(keys) == {
        target for pattern, target in pairs for key in keys if takes(pattern, key)
    }


class Bindings(RuleBasedStateMachine):
    """Bindings that come and go, with keys asked in between so that stale answers would show."""

    patterns = Bundle("patterns")

    def __init__(self) -> None:
        super().__init__()
        self.matcher: TopicMatcher[int] = TopicMatcher(cache_size=4)
        self.bound: set[tuple[str, int]] = set()

    @rule(target=patterns, words=st.lists(topic_words, max_size=4))
    def name(self, words: list[str]) -> str:
        # A run of # is the same binding as one # to the matcher; the model would count two, so none is made.
        previous = ["", *words]
        return ".".join(
            word for word, before in zip(words, previous, strict=False) if (word, before) != ("#", "#")
        )

    @rule(pattern=patterns, queue=st.integers(0, 3))
    def bind(self, pattern: str, queue: int) -> None:
        self.matcher.bind(pattern, queue)
        self.bound.add((pattern, queue))

    @rule(pattern=patterns, queue=st.integers(0, 3))
    def unbind(self, pattern: str, queue: int) -> None:
        self.matcher.unbind(pattern, queue)
        self.bound.discard((pattern, queue))

    @rule(key=topics)
    def ask(self, key: str) -> None:
        assert self.matcher.targets(key) == {target for pattern, target in self.bound if takes(pattern, key)}

    @invariant()
    def counts(self) -> None:
        assert len(self.matcher) == len(self.bound)
        assert len(self.matcher._cache) <= 4
        if not self.bound:
            assert self.matcher._root.bare


test_bindings_may_come_and_go = Bindings.TestCase


def test_the_last_binding_gone_leaves_nothing_behind() -> None:
    matcher: TopicMatcher[str] = TopicMatcher()
    for pattern in ("main.*.#", "main.*", "#.200", "*.hangup.200", ""):
        matcher.bind(pattern, "queue")
    for pattern in ("main.*.#", "main.*", "#.200", "*.hangup.200", ""):
        matcher.unbind(pattern, "queue")
    assert len(matcher) == 0
    assert matcher._root.bare


def test_unbinding_what_is_not_bound_changes_nothing() -> None:
    matcher: TopicMatcher[str] = TopicMatcher()
    matcher.bind("main.hangup.200", "one")
    matcher.unbind("main.hangup", "one")
    matcher.unbind("main.hangup.200", "other")
    matcher.unbind("#", "one")
    assert matcher.targets("main.hangup.200") == {"one"}


def test_many_wild_cards_cost_no_more_than_words_times_words() -> None:
    # On 30 alternating wild cards a backtracking matcher takes years; this ends or the run hangs.
    pattern = ".".join(["#", "*"] * 30) + ".end"
    key = ".".join(["a"] * 120)
    matcher: TopicMatcher[int] = TopicMatcher()
    matcher.bind(pattern, 1)
    assert not TopicPattern(pattern).matches(key)
    assert not matcher.targets(key)
    assert TopicPattern(pattern).matches(key + ".end")
    assert matcher.targets(key + ".end") == {1}


def test_the_cache_of_answers_is_bounded_and_keeps_no_overlong_key() -> None:
    matcher: TopicMatcher[int] = TopicMatcher(cache_size=10)
    matcher.bind("#", 1)
    for number in range(1000):
        assert matcher.targets(f"main.varset.{number}") == {1}
        assert len(matcher._cache) <= 10
    matcher.targets("x" * 300)
    assert "x" * 300 not in matcher._cache


def test_a_pattern_of_more_than_255_bytes_is_refused() -> None:
    for pattern in ("a" * 256, "ё" * 128):
        with pytest.raises(PatternError, match="256 bytes, at most 255"):
            TopicPattern(pattern)
    assert TopicPattern("a" * 255).matches("a" * 255)


def test_a_compiled_pattern_shows_its_text_and_is_kept() -> None:
    assert repr(topic_pattern("*.*.200")) == "TopicPattern('*.*.200')"
    assert topic_pattern("*.*.200") is topic_pattern("*.*.200")


@pytest.mark.parametrize(
    "pattern",
    [
        "#",
        "*.*.*",
        "main.#",
        "*.dialbegin.200",
        "main.control.gap",
        "*.hangup.#",
        "#.200",
        "*.*.*8",
        "*.*.*21*200#",
        "*.%63ontrol.*",
        "main%2E1.*.-",
        "*.*.отдел",
        "#.#",
        "main.#.200.#",
    ],
)
def test_a_pattern_that_can_match_is_accepted(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.text(max_size=80), st.data())
def test_each_key_is_a_pattern_for_itself_with_any_words_replaced_by_wild_cards(
    pbx: str, event: str, extension: str, data: st.DataObject
) -> None:
    key = routing_key(pbx, event, extension)
    words = [data.draw(st.sampled_from([word, "*", "#"])) for word in key.split(".")]
    pattern = ".".join(words)
    # A letter beside * or # in a word is refused on purpose: it is nearly always meant as a wild card.
    if not any(len(word) > 1 and {"*", "#"} & set(word) and any(map(str.isalpha, word)) for word in words):
        assert check_pattern(pattern) == pattern
    assert TopicPattern(pattern).matches(key)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "is empty; # takes every event"),
        ("*.DialBegin.200", "no key holds the word 'DialBegin'; it is written 'dialbegin'"),
        ("main.dial*.200", r"'dial\*' is no wild card"),
        ("main.#hangup.200", "'#hangup' is no wild card"),
        ("main..200", "has an empty word"),
        ("main.hangup", "can match no key: a key has three words"),
        ("*.*.*.*", "can match no key: a key has three words"),
        ("main office.*.*", "it is written 'main%20office'"),
        ("main.*.%2a", "it is written '%2A'"),
        ("main.*.100%", "a % without two hexadecimal digits"),
        ("main.control.gap%FF", "escapes that are not UTF-8"),
        ("main.*." + "1" * 70, "at most 60 bytes"),
        ("#." + "a" * 300, "has 302 bytes, at most 255"),
    ],
)
def test_a_pattern_that_can_match_nothing_is_refused_with_what_is_allowed(pattern: str, says: str) -> None:
    with pytest.raises(PatternError, match=says):
        check_pattern(pattern)
