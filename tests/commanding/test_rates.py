"""Buckets of tokens: never more than the burst and the rate allow, and never less for long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from publisher.commanding.rates import TokenBucket

rates = st.floats(0.001, 10_000)
bursts = st.integers(1, 1000)
steps = st.lists(st.tuples(st.floats(0, 100), st.integers(1, 50)), min_size=1, max_size=40)


@given(rates, bursts, steps, st.floats(-1e6, 1e9))
def test_never_more_is_taken_than_burst_and_rate_allow(
    rate: float, burst: int, taking: list[tuple[float, int]], start: float
) -> None:
    bucket = TokenBucket(rate, burst)
    now, moments = start, []
    for later, most in taking:
        now += later
        taken = bucket.take_up_to(most, now)
        assert 0 <= taken <= most
        moments.append((now, taken))
    # In every span of time, not only from the beginning.
    for first in range(len(moments)):
        total = 0
        for at, taken in moments[first:]:
            total += taken
            assert total <= burst + rate * (at - moments[first][0]) + 1e-2


@given(rates, bursts, steps)
def test_what_a_full_bucket_holds_is_taken_at_once(
    rate: float, burst: int, taking: list[tuple[float, int]]
) -> None:
    bucket = TokenBucket(rate, burst)
    assert bucket.take_up_to(burst + 5, 0.0) == burst
    assert not bucket.take(0.0)
    assert bucket.take_up_to(burst, burst / rate + 1.0) >= min(burst, int(burst / rate * rate))


@given(rates, bursts, st.integers(0, 30), st.floats(0, 1e7))
def test_the_next_token_is_there_when_it_is_said_to_be(
    rate: float, burst: int, seed: int, start: float
) -> None:
    """Whoever waits for it must not have to ask again and again."""
    bucket = TokenBucket(rate, burst)
    now = start
    bucket.take_up_to(burst, now)
    for _ in range(seed + 1):
        now += bucket.wait_secs(now)
        assert bucket.take(now), bucket


@given(bursts, st.lists(st.integers(0, 1000), max_size=10), st.floats(-1, 0))
def test_a_rate_of_nothing_is_no_limit(burst: int, most: list[int], rate: float) -> None:
    bucket = TokenBucket(rate, burst)
    assert [bucket.take_up_to(one, 0.0) for one in most] == most
    assert bucket.take(0.0)
    assert bucket.wait_secs(0.0) == 0.0


@given(rates, bursts, st.integers(0, 2000))
def test_what_is_given_back_never_makes_more_than_the_burst(rate: float, burst: int, back: int) -> None:
    bucket = TokenBucket(rate, burst)
    taken = bucket.take_up_to(burst, 0.0)
    bucket.give_back(back)
    assert bucket.take_up_to(10_000, 0.0) == min(taken, back)


def test_a_clock_that_stands_or_goes_back_fills_nothing() -> None:
    bucket = TokenBucket(10.0, 2)
    assert bucket.take_up_to(2, 100.0) == 2
    assert not bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(100.05)
    assert bucket.take(100.1)


def test_an_idle_client_gathers_no_more_than_its_burst() -> None:
    bucket = TokenBucket(10.0, 3)
    assert bucket.take(0.0)
    assert bucket.take_up_to(100, 1e9) == 3
    assert 0.09 < bucket.wait_secs(1e9) <= 0.1
