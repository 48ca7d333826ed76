"""Filters come and go while events are matched: none is missed, none is answered after its removal."""

from __future__ import annotations

import asyncio
import random

import pytest

from consumers.errors import FilterInvalid
from consumers.filtering import EventFilter, FilterEngine
from consumers.filtering.scanners import MOST_IN_A_DATABASE
from tests.filtering.packets import made


@pytest.fixture(params=[True, False], ids=["hyperscan", "literals"])
def engine(request: pytest.FixtureRequest) -> FilterEngine[int]:
    return FilterEngine(hyperscan=request.param)


def kinds(number: int) -> EventFilter:
    """A filter that takes the event below, by one gate or another."""
    text = f"n{number % 50}n"
    return [
        EventFilter(regex=f"Dial.*{text}"),
        EventFilter(contains=text),
        EventFilter(extensions=[text]),
        EventFilter(events=["dial"], regex="\\p{L}"),
        EventFilter(where={"X": f"{text}"}),
        EventFilter(regex=f"\\b{text}\\b"),
        EventFilter(),
        EventFilter(extensions=[text, "200"], regex="(n)\\1?"),
    ][number % 8]


EVENT = made(
    X=" ".join(f"n{number}n" for number in range(50)), extensions=("200", *(f"n{n}n" for n in range(50)))
)


async def test_a_new_filter_counts_at_once_and_a_removed_one_no_more(engine: FilterEngine[int]) -> None:
    for number in range(200):
        engine.add(number, kinds(number))
        (verdict,) = (await engine.decide([EVENT])).verdicts
        assert set(verdict.matched) == {number}
        engine.remove(number)
        (verdict,) = (await engine.decide([EVENT])).verdicts
        assert verdict.matched == ()
    engine.close()


async def test_while_batches_are_matched_nothing_is_missed_or_answered_late(
    engine: FilterEngine[int],
) -> None:
    chance = random.Random(7)
    following = 0
    deciding: list[tuple[set[int], asyncio.Task[set[int]]]] = []

    async def decide() -> set[int]:
        verdicts = await (await engine.decide([EVENT] * chance.randint(1, 20))).settled()
        named = [set(verdict.matched) for verdict in verdicts]
        # One answer for the whole batch, and nobody in it who has left.
        assert all(one == named[0] for one in named)
        assert all(number in engine for number in named[0])
        return named[0]

    for _ in range(300):
        for _ in range(chance.randint(0, 12)):
            engine.add(following, kinds(following))
            following += 1
        for number in range(following):
            if number in engine and chance.random() < 0.1:
                engine.remove(number)
        there = {number for number in range(following) if number in engine}
        deciding.append((there, asyncio.create_task(decide())))
        if chance.random() < 0.3:
            await asyncio.sleep(0)
        if len(deciding) > 5:
            before, task = deciding.pop(0)
            found = await task
            assert {number for number in before if number in engine} <= found
    for before, task in deciding:
        assert {number for number in before if number in engine} <= await task
    engine.close()


async def test_a_filter_that_is_replaced_has_always_one_of_its_two_meanings(
    engine: FilterEngine[int],
) -> None:
    engine.add(1, EventFilter(regex="Dial"))
    for turn in range(100):
        deciding = asyncio.create_task(engine.decide([EVENT] * 20))
        if turn % 2:
            await asyncio.sleep(0)
        engine.replace(1, EventFilter(regex=f"Dial|{turn}"))
        assert all(verdict.matched == (1,) for verdict in (await deciding).verdicts)
    engine.replace(1, EventFilter(regex="nowhere"))
    assert (await engine.decide([EVENT])).verdicts[0].matched == ()
    engine.close()


async def test_an_id_that_left_and_came_again_is_not_answered_for_its_earlier_filter(
    engine: FilterEngine[int],
) -> None:
    engine.add(1, EventFilter())
    deciding = asyncio.create_task(engine.decide([EVENT]))
    await asyncio.sleep(0)
    engine.remove(1)
    engine.add(1, EventFilter(contains="nowhere"))
    assert (await deciding).verdicts[0].matched == ()
    engine.close()


async def test_an_invalid_filter_changes_nothing(engine: FilterEngine[int]) -> None:
    engine.add(1, EventFilter(regex="Dial"))
    with pytest.raises(FilterInvalid):
        engine.replace(1, EventFilter(regex="("))
    with pytest.raises(FilterInvalid):
        engine.add(2, EventFilter(regex="("))
    with pytest.raises(ValueError, match="already"):
        engine.add(1, EventFilter())
    engine.remove(3)
    assert (len(engine), 1 in engine, 2 in engine) == (1, True, False)
    assert (await engine.decide([EVENT])).verdicts[0].matched == (1,)
    engine.close()


async def test_more_patterns_than_one_database_holds_come_and_go(engine: FilterEngine[int]) -> None:
    many = MOST_IN_A_DATABASE + 300
    for number in range(many):
        engine.add(number, EventFilter(regex=f"n{number}n.*end"))
    await engine.built()
    event = made(X=f"n7n n{many - 1}n end")
    assert set((await engine.decide([event])).verdicts[0].matched) == {7, many - 1}
    for number in range(1, many):
        engine.remove(number)
    engine.add(many, EventFilter(regex="n7n"))
    await engine.built()
    assert set((await engine.decide([event, made(X="n0n end")])).verdicts[0].matched) == {many}
    engine.remove(0)
    engine.remove(many)
    await engine.built()
    assert (await engine.decide([event])).verdicts[0].matched == ()
    engine.close()


async def test_one_pattern_of_many_filters_is_held_once(engine: FilterEngine[int]) -> None:
    for number in range(500):
        engine.add(number, EventFilter(regex="Dial.*200"))
    await engine.built()
    event = made(Exten="200")
    assert len((await engine.decide([event])).verdicts[0].matched) == 500
    for number in range(499):
        engine.remove(number)
    assert (await engine.decide([event])).verdicts[0].matched == (499,)
    engine.close()
