"""Narrowing a binding's keys to its filter never loses an event, and never brings one that was not wanted."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumers.filtering import EventFilter, FilterEngine, narrowed_keys
from publisher.ami.fields import parse_packet
from schemas import Event, check_pattern
from schemas.routing import topic_pattern
from tests.filtering.packets import control, keys_of, made, real_events

NAMES = [
    *["Dial", "dial", "DIALBEGIN", "Hangup", "VarSet", "control", "control.gap", "Control.Up", "a.b", "Ё"],
    "x" * 70,
]
EXTENSIONS = ["200", "202", "+7495", "*8", "#", "-", "Ё", "a.b", "500"]
WORDS = [
    *["*", "*", "*", "#", "main", "dial", "hangup", "control", "%63ontrol"],
    *["200", "202", "-", "gap", "up", "varset"],
]


def is_routed(event: Event, keys: tuple[str, ...]) -> bool:
    return any(topic_pattern(pattern).matches(key) for pattern in keys for key in keys_of(event))


def passes(wanted: EventFilter, events: list[Event]) -> list[bool]:
    engine: FilterEngine[str] = FilterEngine(hyperscan=False)
    engine.add("it", wanted)
    found = [bool(verdict.matched) for verdict in engine.decide_now(events).settled_now()]
    engine.close()
    return found


def check(keys: tuple[str, ...], wanted: EventFilter, events: list[Event]) -> None:
    narrowed = narrowed_keys(keys, wanted)
    for event, passed in zip(events, passes(wanted, events), strict=True):
        before, after = is_routed(event, keys), is_routed(event, narrowed)
        assert not (before and passed and not after), (narrowed, keys_of(event), "lost")
        assert before or not after, (narrowed, keys_of(event), "not wanted")


regexes = st.sampled_from(
    [
        "",
        "",
        "",
        "^Event: Dial\r\n",
        "^Event: (Dial|Hangup)\r\n",
        "^Event: Dial",
        "(?i)^event: dial\\r\\n",
        "^Event: Dial\r\n|^Event: VarSet\r\n.*200",
        "^Event: Dial\r\n|200",
        "(?m)^Event: Dial\r\n",
        "^(Event: (?:Dial|a\\.b)\\r\\n)",
        "x*",
        "^$",
        "^Event: control\\.gap\\r\\n",
        "\\AEvent: Dial\\r\\n",
        "Event: Dial\r\n",
        "(^Event: )?Dial\r\n",
        "^Event: [DH]\\w+\r\n",
        "^Event: Dial(?:Begin|End)?\\r\\n",
        "^Event: \\r\\n",
        "^(?=Event: Dial\r\n)Event",
        "^(?:Event: Dial\r\n){2}",
        "^Event: Dial{1}\r\n",
        "^(?>Event: Dial)\r\n",
        "a?^Event: Dial\r\n",
    ]
)
filters = st.builds(
    EventFilter,
    regex=regexes,
    contains=st.sampled_from(["", "", "Event", "200"]),
    where=st.sampled_from([{}, {}, {"event": "."}]),
    events=st.lists(st.sampled_from(NAMES), max_size=3),
    extensions=st.lists(st.sampled_from(EXTENSIONS), max_size=3),
)
patterns = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(".".join)
made_events = st.lists(
    st.one_of(
        st.sampled_from([control("gap"), control("up"), control("down")]),
        st.builds(
            lambda name, extensions: made(event=name, extensions=tuple(extensions), Exten="200"),
            st.sampled_from([*NAMES, "DialBegin", "DialEnd"]),
            st.lists(st.sampled_from(EXTENSIONS), max_size=4, unique=True),
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(st.lists(patterns, min_size=1, max_size=3).map(tuple), filters, made_events)
@settings(max_examples=1500, deadline=None)
@example(("main.*.202",), EventFilter(extensions=["200"]), [made(extensions=("202", "200"))])
@example(("#",), EventFilter(events=["control.gap"]), [control("gap"), made(event="control.gap")])
def test_no_made_event_is_lost(keys: tuple[str, ...], wanted: EventFilter, events: list[Event]) -> None:
    check(keys, wanted, events)


@given(st.lists(patterns, min_size=1, max_size=2).map(tuple), filters)
@settings(max_examples=60, deadline=None)
def test_no_real_event_is_lost(keys: tuple[str, ...], wanted: EventFilter) -> None:
    check(keys, wanted, list(real_events()[:600]))


@pytest.mark.parametrize(
    ("keys", "wanted", "narrowed"),
    [
        (["#"], EventFilter(), ["#"]),
        (["#"], EventFilter(events=["Dial"]), ["*.dial.*"]),
        (
            ["main.#"],
            EventFilter(events=["Dial", "Hangup"], extensions=["200"]),
            ["main.dial.200", "main.hangup.200"],
        ),
        (["*.*.*"], EventFilter(regex="^Event: (Dial|Hangup)\\r\\n.*200"), ["*.dial.*", "*.hangup.*"]),
        (["*.*.202"], EventFilter(extensions=["200"]), ["*.*.202"]),
        (["*.hangup.#"], EventFilter(events=["Dial"]), ["*.hangup.#"]),
        (["#"], EventFilter(regex="^Event: Dial"), ["#"]),
        (["#"], EventFilter(events=["control.gap"]), ["*.control%2Egap.*", "*.control.gap"]),
        (["#"], EventFilter(events=["control.gap"], contains="x"), ["*.control%2Egap.*"]),
        (["#"], EventFilter(events=[f"e{n}" for n in range(65)]), ["#"]),
        (["#"], EventFilter(events=["Dial"], regex="^Event: Dial\r\n|^Event: Hangup\r\n"), ["*.dial.*"]),
    ],
)
def test_what_is_fixed_is_written_into_the_keys(
    keys: list[str], wanted: EventFilter, narrowed: list[str]
) -> None:
    found = narrowed_keys(keys, wanted)
    assert sorted(found) == sorted(narrowed)
    for pattern in found:
        check_pattern(pattern)


def test_a_packet_that_begins_with_an_event_s_line_has_that_name() -> None:
    for packet in (b"Event: Dial\r\nEvent: Hangup\r\n\r\n", b"Event: Dial\r\nX: 1\r\nevent: Hangup\r\n\r\n"):
        assert parse_packet(packet).name == "Dial"
