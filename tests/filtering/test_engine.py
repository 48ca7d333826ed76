"""The engine answers what `regex` answers, by whatever way the patterns are looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from consumers.errors import FilterInvalid
from consumers.filtering import EventFilter, FilterEngine
from consumers.filtering.scanners import with_databases
from schemas import Event, packet_text
from tests.filtering.made_patterns import is_valid, made_patterns
from tests.filtering.packets import control, events_of, made, made_texts, real_events, recordings, texts

ROM = "Dial.{1,}?200|Bridge.{1,}?200|Hangup.{1,}?200"
SECS = 0.5


@pytest.fixture(params=["hyperscan", "literals"])
def engine(request: pytest.FixtureRequest) -> Iterator[FilterEngine[object]]:
    if request.param == "hyperscan" and not with_databases():
        pytest.skip("hyperscan is not installed")
    engine: FilterEngine[object] = FilterEngine(hyperscan=request.param == "hyperscan")
    yield engine
    engine.close()


def values(event: Event, name: str) -> list[str]:
    """The values of a header, whatever the case of its name."""
    found: list[str] = []
    for header, value in event.fields.items():
        if header.lower() == name.lower():
            found += [value] if isinstance(value, str) else value
    return found


def plainly(wanted: EventFilter, event: Event) -> bool:
    """The filter's meaning, written down as simply as possible."""
    text = packet_text(event)

    def found(source: str, where: str) -> bool:
        try:
            return regex.search(source, where, regex.DOTALL, timeout=SECS) is not None
        except (TimeoutError, MemoryError):
            assume(False)
            raise

    return (
        wanted.contains in text
        and (not wanted.regex or found(wanted.regex, text))
        and all(
            any(found(source, value) for value in values(event, name))
            for name, source in wanted.where.items()
        )
        and (not wanted.events or event.event.lower() in [name.lower() for name in wanted.events])
        and (not wanted.extensions or bool(set(wanted.extensions) & set(event.extensions)))
    )


def check(engine: FilterEngine[object], filters: Sequence[EventFilter], events: Sequence[Event]) -> None:
    for number, event in enumerate(engine.decide_now(events).settled_now()):
        for id_, wanted in enumerate(filters):
            if id_ not in event.undecided:
                assert (id_ in event.matched) == plainly(wanted, events[number]), (wanted, events[number])
        assert len(set(event.matched)) == len(event.matched)


filters = st.builds(
    EventFilter,
    contains=st.one_of(
        st.just(""), st.just(""), st.sampled_from(["Dial", "200", "Ё", "\r\n", "a"]), made_texts
    ),
    regex=st.one_of(st.just(""), made_patterns, made_patterns),
    where=st.dictionaries(st.sampled_from(["Exten", "exten", "Variable", "X"]), made_patterns, max_size=2),
    events=st.lists(st.sampled_from(["Dial", "dial", "Hangup", "control.gap"]), max_size=2),
    extensions=st.lists(st.sampled_from(["200", "202", "+7"]), max_size=2),
)
made_events = st.lists(
    st.one_of(
        st.just(control()),
        st.builds(
            lambda name, extensions, text, one, many: made(
                event=name, extensions=tuple(extensions), text=text, Exten=one, Variable=many, VARIABLE=one
            ),
            st.sampled_from(["Dial", "Hangup", "Ё"]),
            st.lists(st.sampled_from(["200", "202", "1"]), max_size=3, unique=True),
            texts,
            texts,
            st.lists(texts, min_size=1, max_size=3),
        ),
        st.builds(lambda text: made(text=text), st.text("\ud800ab\udcff200", min_size=1, max_size=8)),
    ),
    min_size=1,
    max_size=4,
)


def usable(wanted: EventFilter) -> bool:
    if not all(is_valid(source) for source in [wanted.regex or "x", *wanted.where.values()]):
        return False
    try:
        wanted.compiled()
    except FilterInvalid:
        return False
    return True


@given(st.lists(filters, min_size=1, max_size=6), made_events)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("hyperscan", [True, False])
def test_random_filters_take_of_random_events_what_they_say(
    hyperscan: bool, some: list[EventFilter], events: list[Event]
) -> None:
    some = [wanted for wanted in some if usable(wanted)]
    engine: FilterEngine[object] = FilterEngine(hyperscan=hyperscan)
    for id_, wanted in enumerate(some):
        engine.add(id_, wanted)
    check(engine, some, events)
    asyncio.run(engine.built())
    check(engine, some, events)
    engine.close()


@given(st.lists(made_patterns, min_size=1, max_size=8), st.integers(0, 400))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("hyperscan", [True, False])
def test_random_patterns_take_of_real_packets_what_regex_takes(
    hyperscan: bool, sources: list[str], start: int
) -> None:
    some = [wanted for source in sources if usable(wanted := EventFilter(regex=source))]
    engine: FilterEngine[object] = FilterEngine(hyperscan=hyperscan)
    for id_, wanted in enumerate(some):
        engine.add(id_, wanted)
    asyncio.run(engine.built())
    check(engine, some, real_events()[start : start + 40])
    engine.close()


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.parent.name + "-" + path.name)
async def test_the_filter_of_the_session_at_200_takes_exactly_what_regex_takes(
    engine: FilterEngine[object],
    path: object,
) -> None:
    events = events_of(path)  # type: ignore[arg-type]
    engine.add("200", EventFilter(regex=ROM))
    await engine.built()
    found = []
    for start in range(0, len(events), 500):
        decision = await engine.decide(events[start : start + 500])
        found += [bool(verdict.matched) for verdict in decision.verdicts]
    pattern = regex.compile(ROM, regex.DOTALL)
    assert found == [pattern.search(packet_text(event)) is not None for event in events]
    assert any(found)


async def test_of_three_thousand_numbers_each_session_gets_its_own(engine: FilterEngine[object]) -> None:
    """Many patterns in several databases; a library that loses one in ten thousand is found out here."""
    for number in range(3000):
        digits = f"{number:04}"
        engine.add(
            digits, EventFilter(regex=f"Dial.{{1,}}?{digits}|Bridge.{{1,}}?{digits}|Hangup.{{1,}}?{digits}")
        )
    await engine.built()
    events = [event for path in recordings() for event in events_of(path, 2500)]
    decision = await engine.decide(events)
    start, digits4 = regex.compile("Dial|Bridge|Hangup"), regex.compile("[0-9]{4}")
    for event, verdict in zip(events, decision.verdicts, strict=True):
        text = packet_text(event)
        word = start.search(text)
        expected = set(digits4.findall(text, word.end() + 1, overlapped=True)) if word else set()
        assert set(verdict.matched) == {digits for digits in expected if digits < "3000"}


async def test_an_empty_filter_takes_everything(engine: FilterEngine[object]) -> None:
    engine.add("all", EventFilter())
    decision = await engine.decide([made(), control(), made(event="Hangup")])
    assert [verdict.matched for verdict in decision.verdicts] == [("all",)] * 3


async def test_a_control_event_has_no_text_and_no_headers(engine: FilterEngine[object]) -> None:
    engine.add("text", EventFilter(regex="gap"))
    engine.add("nothing", EventFilter(regex="^$"))
    engine.add("header", EventFilter(where={"Event": ".*"}))
    engine.add("name", EventFilter(events=["CONTROL.GAP"]))
    await engine.built()
    (verdict,) = (await engine.decide([control("gap")])).verdicts
    assert set(verdict.matched) == {"nothing", "name"}


async def test_a_batch_of_nothing_has_no_verdicts(engine: FilterEngine[object]) -> None:
    engine.add("all", EventFilter())
    decision = await engine.decide([])
    assert decision.verdicts == []
    assert await decision.settled() == []
