"""A pattern that takes too long costs the others nothing, and what it could not decide is said."""

from __future__ import annotations

import asyncio

import pytest

from consumers.filtering import BUSY, QUARANTINED, TIMEOUT, EventFilter, FilterEngine, PatternQuarantined
from consumers.filtering.registration import Registration
from consumers.filtering.slow_lane import SlowLane
from schemas import Event
from tests.filtering.packets import made

# The second is not exact for hyperscan, so it needs `regex` there as well.
EXPLOSIVE = "^(a|a)*$"
EXPLOSIVE_ANYWHERE = "^(a|a)*\\1?$"
FATAL = made(X="a" * 40 + "b", Exten="200")
HARMLESS = made(X="aaa", Exten="200")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=[True, False], ids=["hyperscan", "literals"])
def hyperscan(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def settled(engine: FilterEngine[str], *events: Event) -> list[object]:
    """For each event: what matched, and what is undecided and why."""
    verdicts = await (await engine.decide(events)).settled()
    assert not any(verdict.pending for verdict in verdicts)
    return [(set(verdict.matched), dict(verdict.undecided)) for verdict in verdicts]


async def test_the_others_have_their_answers_before_the_slow_one(hyperscan: bool) -> None:
    engine: FilterEngine[str] = FilterEngine(hyperscan=hyperscan)
    engine.add("slow", EventFilter(where={"X": EXPLOSIVE_ANYWHERE}))
    engine.add("quick", EventFilter(regex="Exten: 200"))
    decision = await engine.decide([FATAL, HARMLESS])
    first, second = decision.verdicts
    assert first.matched == ("quick",)
    assert first.pending == ("slow",)
    assert "quick" in second.matched
    verdicts = await decision.settled()
    assert verdicts[0].undecided == {"slow": TIMEOUT}
    assert set(verdicts[1].matched) == {"quick", "slow"}
    assert await decision.settled() == verdicts
    engine.close()


async def test_hyperscan_decides_an_explosive_pattern_that_it_understands() -> None:
    engine: FilterEngine[str] = FilterEngine()
    engine.add("slow", EventFilter(where={"X": EXPLOSIVE}))
    await engine.built()
    decision = await engine.decide([FATAL, HARMLESS])
    assert [verdict.matched for verdict in decision.verdicts] == [(), ("slow",)]
    assert decision.pending == 0
    engine.close()


async def test_after_three_timeouts_it_is_put_away_told_and_tried_again(hyperscan: bool) -> None:
    clock = Clock()
    reports: list[PatternQuarantined] = []
    engine: FilterEngine[str] = FilterEngine(reports.append, clock, hyperscan)
    engine.add("slow", EventFilter(where={"X": EXPLOSIVE_ANYWHERE}))
    engine.add("slow too", EventFilter(where={"x": EXPLOSIVE_ANYWHERE}, events=["Dial"]))
    engine.add("quick", EventFilter(regex="Exten: 200"))
    slow = {"slow", "slow too"}
    for _ in range(3):
        clock.now += 1
        assert await settled(engine, FATAL) == [({"quick"}, dict.fromkeys(slow, TIMEOUT))]
    await asyncio.sleep(0)
    (report,) = reports
    assert set(report.filters) == slow
    assert report.part == "where.x"
    assert "a|a" not in report.pattern
    assert report.retry_secs == 60
    clock.now += 59
    assert await settled(engine, FATAL, HARMLESS) == [({"quick"}, dict.fromkeys(slow, QUARANTINED))] * 2
    clock.now += 1
    assert await settled(engine, HARMLESS) == [({"quick", *slow}, {})]
    assert await settled(engine, FATAL) == [({"quick"}, dict.fromkeys(slow, TIMEOUT))]
    await asyncio.sleep(0)
    assert [report.retry_secs for report in reports] == [60, 120]
    engine.close()


async def test_a_quarantined_pattern_is_no_excuse_where_another_part_says_no(hyperscan: bool) -> None:
    clock = Clock()
    engine: FilterEngine[str] = FilterEngine(None, clock, hyperscan)
    engine.add("slow", EventFilter(where={"X": EXPLOSIVE_ANYWHERE}, contains="Exten: 200"))
    for _ in range(3):
        await settled(engine, FATAL)
    assert await settled(engine, made(X="a" * 40 + "b")) == [(set(), {})]
    assert await settled(engine, FATAL) == [(set(), {"slow": QUARANTINED})]
    engine.close()


async def test_taking_a_filter_out_and_in_does_not_end_its_quarantine(hyperscan: bool) -> None:
    engine: FilterEngine[str] = FilterEngine(None, Clock(), hyperscan)
    engine.add("slow", EventFilter(where={"X": EXPLOSIVE_ANYWHERE}))
    for _ in range(3):
        await settled(engine, FATAL)
    engine.remove("slow")
    engine.add("again", EventFilter(where={"X": EXPLOSIVE_ANYWHERE}))
    assert await settled(engine, FATAL) == [(set(), {"again": QUARANTINED})]
    engine.close()


async def test_who_is_removed_while_the_slow_lane_works_is_not_answered(hyperscan: bool) -> None:
    engine: FilterEngine[str] = FilterEngine(hyperscan=hyperscan)
    engine.add("slow", EventFilter(where={"X": EXPLOSIVE_ANYWHERE}))
    decision = await engine.decide([FATAL])
    assert decision.verdicts[0].pending == ("slow",)
    engine.remove("slow")
    (verdict,) = await decision.settled()
    assert (verdict.matched, verdict.pending, verdict.undecided) == ((), (), {})
    engine.close()


async def test_a_repeated_header_has_one_attempt_s_time_for_all_its_values() -> None:
    engine: FilterEngine[str] = FilterEngine(hyperscan=False)
    engine.add("slow", EventFilter(where={"X": EXPLOSIVE}))
    decision = await engine.decide([made(X=["a" * 40 + "b"] * 1000)])
    assert decision.verdicts[0].pending == ("slow",)
    assert (await decision.settled())[0].undecided == {"slow": TIMEOUT}
    engine.close()


async def test_beyond_its_bound_the_slow_lane_says_busy() -> None:
    lane = SlowLane(lambda registration, packet: True, most=2)
    pairs = [(number, object.__new__(Registration), _Nothing()) for number in range(3)]
    taken, answers = lane.submit(pairs)  # type: ignore[arg-type]
    assert len(taken) == 2
    assert answers is not None
    assert await asyncio.wrap_future(answers) == [True, True]
    assert lane.waiting == 0
    lane.close()
    assert lane.submit(pairs) == ((), None)  # type: ignore[arg-type]


class _Nothing:
    def forget_doubts(self) -> None:
        pass


async def test_what_waits_when_an_engine_closes_is_busy() -> None:
    engine: FilterEngine[str] = FilterEngine(hyperscan=False)
    for number in range(3):
        engine.add(str(number), EventFilter(where={"X": f"{EXPLOSIVE}|{number}$"}))
    decision = await engine.decide([FATAL])
    engine.close()
    (verdict,) = await decision.settled()
    assert set(verdict.undecided) == {"0", "1", "2"}
    assert BUSY in verdict.undecided.values()


async def test_the_loop_runs_while_a_pattern_explodes(hyperscan: bool) -> None:
    engine: FilterEngine[str] = FilterEngine(hyperscan=hyperscan)
    engine.add("slow", EventFilter(where={"X": EXPLOSIVE_ANYWHERE}))
    settling = asyncio.ensure_future(settled(engine, FATAL))
    turns = 0
    while not settling.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10
    engine.close()
