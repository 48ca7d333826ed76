"""Filters: events a second that one process matches against a thousand and ten thousand session filters.

The filters are those of ROM-Asterisk's example, `Dial.{1,}?NNN|Bridge.{1,}?NNN|Hangup.{1,}?NNN`, one for
each of so many extensions; the events are those of the recordings, decoded. Making the packet's text
counts, decoding the body does not. Beside the engine, in turn and on the same events: `regex`, one pattern
after the other, and RE2's Set. Both are given fewer events where they are slow. Time is the processor's, of
all threads together, so that other load on the machine weighs little.

Then what a pattern that explodes costs its neighbours: the time from handing a batch in to having the
answers of all other filters, with such patterns beside and without.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import regex  # type: ignore[import-untyped]

from consumers.filtering import EventFilter, FilterEngine
from consumers.filtering.scanners import with_databases
from publisher.decoding import EventDecoder, PbxNaming
from publisher.records import EVENT, Record
from schemas import Event, decode, packet_text
from tests.benchmarks.figures import Row, absent, at_least, at_most, reported
from tests.benchmarks.recordings import recordings

GOALS: Final = {1_000: 20_000, 10_000: 5_000}
GOAL_MOVE_MS: Final = 5.0
BATCH: Final = 500
RIVAL_BUDGET_SECS: Final = 2.0
_EACH_RECORDING: Final = 8_000
_HEALTHY: Final = 1_000
_SMALL_BATCH: Final = 50
_BATCHES: Final = 150
_INTERVAL_SECS: Final = 0.01
_EXPLOSIVE: Final = ("^(a|a)*$", "^(a|a)*\\1?$")


async def measure(rounds: int) -> list[Row]:
    events = _events()
    rows: list[Row] = []
    for count, goal in GOALS.items():
        rows += await _throughput(events, count, goal, rounds)
    rows += await _beside_an_explosion(events, rounds)
    return rows


def _events() -> list[Event]:
    """The recordings' events as they come off the bus."""
    found = []
    decoder = EventDecoder(PbxNaming("main"))
    for recording in recordings():
        for seq, packet in enumerate(recording.events[:_EACH_RECORDING], start=1):
            message = decoder.message(Record(seq, 1, seq, 1_790_000_000_000_000, EVENT, 0, "", packet))
            found.append(decode(message.content_type, message.body))
    return found


def _patterns(count: int) -> list[str]:
    digits = len(str(count - 1))
    numbers = [f"{number:0{digits}}" for number in range(count)]
    return [f"Dial.{{1,}}?{number}|Bridge.{{1,}}?{number}|Hangup.{{1,}}?{number}" for number in numbers]


async def _throughput(events: Sequence[Event], count: int, goal: int, rounds: int) -> list[Row]:
    patterns = _patterns(count)
    ways = [("hyperscan", True)] if with_databases() else []
    engines = {name: await _engine(patterns, hyperscan) for name, hyperscan in [*ways, ("literals", False)]}
    rivals = {"regex, one by one": _one_by_one(patterns), "RE2's Set": _re2_set(patterns)}
    runs: dict[str, list[float]] = {name: [] for name in (*engines, *rivals)}
    for _ in range(rounds):
        for name, engine in engines.items():
            runs[name].append(await _rate(engine, events))
        for name, match in rivals.items():
            if match is not None:
                runs[name].append(_rival_rate(match, events))
    for engine in engines.values():
        engine.close()
    rows = []
    for name in engines:
        others = {rival: runs[rival] for rival in rivals if runs[rival]}
        beside = ", ".join(
            f"{_median(runs[name]) / _median(found):,.0f} × {rival}" for rival, found in others.items()
        )
        rows.append(at_least(f"filters, {count:,}, by {name}", runs[name], goal, "events/s", beside))
    for name in rivals:
        if runs[name]:
            rows.append(reported(f"filters, {count:,}, {name}", runs[name], "events/s"))
        else:
            rows.append(absent(f"filters, {count:,}, {name}", "not installed, or refuses so many patterns"))
    return rows


def _median(runs: Sequence[float]) -> float:
    return sorted(runs)[len(runs) // 2]


async def _engine(patterns: Sequence[str], hyperscan: bool) -> FilterEngine[int]:
    engine: FilterEngine[int] = FilterEngine(hyperscan=hyperscan)
    for number, pattern in enumerate(patterns):
        engine.add(number, EventFilter(regex=pattern))
    await engine.built()
    return engine


async def _rate(engine: FilterEngine[int], events: Sequence[Event]) -> float:
    began = time.process_time()
    for start in range(0, len(events), BATCH):
        await engine.decide(events[start : start + BATCH])
    return len(events) / (time.process_time() - began)


def _rival_rate(match: Callable[[str], Any], events: Sequence[Event]) -> float:
    """Events a second, on as many evenly chosen ones as there is time for."""
    step = 997
    done = 0
    began = time.process_time()
    while (took := time.process_time() - began) < RIVAL_BUDGET_SECS and done < len(events):
        match(packet_text(events[done * step % len(events)]))
        done += 1
    return done / took


def _one_by_one(patterns: Sequence[str]) -> Callable[[str], Any]:
    searches = [regex.compile(pattern, regex.DOTALL).search for pattern in patterns]
    return lambda text: [number for number, search in enumerate(searches) if search(text)]


def _re2_set(patterns: Sequence[str]) -> Callable[[str], Any] | None:
    try:
        import re2  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        return None
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = 1 << 30
    together = re2.Set.SearchSet(options)
    for pattern in patterns:
        together.Add(pattern)
    try:
        together.Compile()
        together.Match("Event: Dial\r\n")
    except re2.error:
        return None
    match: Callable[[str], Any] = together.Match
    return match


async def _beside_an_explosion(events: Sequence[Event], rounds: int) -> list[Row]:
    ways = ([("hyperscan", True)] if with_databases() else []) + [("literals", False)]
    rows = []
    for name, hyperscan in ways:
        calm: list[float] = []
        moved: list[float] = []
        for _ in range(rounds):
            alone = await _p99_ms(events, (), hyperscan)
            beside = await _p99_ms(events, _EXPLOSIVE, hyperscan)
            calm.append(alone)
            moved.append(max(0.0, beside - alone))
        rows.append(
            at_most(
                f"filters, p99 beside {_EXPLOSIVE[0]}, by {name}: moves",
                moved,
                GOAL_MOVE_MS,
                "ms",
                f"{_HEALTHY:,} healthy filters, batches of {_SMALL_BATCH}; p99 alone {_median(calm):.1f} ms",
            )
        )
    return rows


async def _p99_ms(events: Sequence[Event], explosive: Sequence[str], hyperscan: bool) -> float:
    """Of the time until a batch's answers are there; each batch has an event on which the patterns
    explode.
    """
    engine = await _engine(_patterns(_HEALTHY), hyperscan)
    for number, pattern in enumerate(explosive):
        engine.add(-1 - number, EventFilter(where={"X": pattern}))
    await engine.built()
    first = events[0]
    fatal = Event(
        id=first.id,
        pbx=first.pbx,
        epoch=1,
        seq=1,
        received_at=first.received_at,
        event="UserEvent",
        fields={"Event": "UserEvent", "X": "a" * 40 + "b"},
    )
    await engine.decide(events[:BATCH])
    took: list[float] = []
    settling = []
    for number in range(_BATCHES):
        start = number * _SMALL_BATCH % (len(events) - _SMALL_BATCH)
        batch = [*events[start : start + _SMALL_BATCH - 1], fatal]
        began = time.perf_counter()
        decision = await engine.decide(batch)
        took.append((time.perf_counter() - began) * 1e3)
        settling.append(asyncio.ensure_future(decision.settled()))
        await asyncio.sleep(_INTERVAL_SECS)
    engine.close()
    await asyncio.gather(*settling)
    return sorted(took)[int(len(took) * 0.99)]
