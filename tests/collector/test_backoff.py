"""Waits between tries: bounded on both sides, never a storm."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from publisher.backoff import Backoff


@given(st.integers(), st.integers(min_value=1, max_value=200))
def test_every_wait_lies_between_the_bounds(seed: int, tries: int) -> None:
    backoff = Backoff(0.5, 30.0, Random(seed))
    assert all(0.5 <= backoff.next_secs() <= 30.0 for _ in range(tries))


@given(st.integers())
def test_waits_grow_until_they_stand_near_the_most(seed: int) -> None:
    backoff = Backoff(0.5, 30.0, Random(seed))
    waits = [backoff.next_secs() for _ in range(12)]
    assert waits[0] == 0.5
    assert min(waits[8:]) >= 15.0


def test_reset_begins_again_at_the_shortest_wait() -> None:
    backoff = Backoff(0.5, 30.0, Random(1))
    for _ in range(9):
        backoff.next_secs()
    backoff.reset()
    assert backoff.next_secs() == 0.5
