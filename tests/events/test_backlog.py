"""The backlog against a plain model: each call in order, others passing by, nothing lost."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from consumers.events.backlog import Backlog
from consumers.events.held import Feed, Held
from tests.events.office import numbered_event
from tests.fakes.source import FakePlace, FakeSubscription


def feed() -> Feed:
    return Feed(FakeSubscription(FakePlace(), 10))


def held(number: int, call: str, source: Feed) -> Held:
    message = numbered_event(number, call=call)
    return Held(source, number, number, message, None, False)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 2**32), st.floats(0, 0.9))
def test_whoever_settles_before_taking_the_next_has_each_call_in_order(
    calls: list[int], seed: int, failing: float
) -> None:
    draw, backlog, source, now = random.Random(seed), Backlog(), feed(), 0.0
    coming = [held(number, str(call), source) for number, call in enumerate(calls, 1)]
    done: list[Held] = []
    while len(done) < len(calls):
        while coming and draw.random() < 0.5:
            backlog.put(coming.pop(0))
        event = backlog.take(now)
        if event is None:
            now = now if backlog.due is None else max(now, backlog.due)
            continue
        assert event.not_before <= now
        if draw.random() < failing:
            backlog.put_off(event, now + draw.random())
        else:
            done.append(event)
    assert len(backlog) == 0
    for call in set(calls):
        numbers = [event.number for event in done if event.message.headers.call == str(call)]
        assert numbers == sorted(numbers)


def test_what_waits_of_a_call_stays_behind_the_one_that_was_put_off() -> None:
    backlog, source = Backlog(), feed()
    for number, call in ((1, "a"), (2, "a"), (3, "b")):
        backlog.put(held(number, call, source))
    first = backlog.take(0)
    assert first is not None
    backlog.put_off(first, 10)
    backlog.put(held(4, "a", source))
    assert [(event.number if event else None) for event in (backlog.take(0), backlog.take(9.9))] == [3, None]
    assert backlog.due == 10
    assert [event.number for _ in range(3) if (event := backlog.take(10))] == [1, 2, 4]
    assert backlog.due is None


def test_what_a_lost_subscription_gave_is_forgotten_and_the_rest_stays() -> None:
    backlog, lost, stays = Backlog(), feed(), feed()
    for number, source in enumerate((lost, stays, lost, stays), 1):
        backlog.put(held(number, str(number), source))
    backlog.put_off(replace(held(5, "1", lost)), 3)
    backlog.put_off(replace(held(6, "2", stays)), 3)
    backlog.drop(lost)
    assert len(backlog) == 3
    assert [event.number for _ in range(3) if (event := backlog.take(5))] == [2, 6, 4]
