"""Who is put away, for how long, and what is forgotten."""

from __future__ import annotations

import pytest

from consumers.filtering.quarantine import MOST_KEPT, Quarantine


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quarantine(clock: Clock) -> Quarantine:
    return Quarantine(clock)


def strike(quarantine: Quarantine, clock: Clock, *, times: int, apart_secs: float) -> list[float | None]:
    found = []
    for _ in range(times):
        found.append(quarantine.timed_out("p"))
        clock.now += apart_secs
    return found


def test_three_timeouts_within_a_minute_put_it_away_for_a_minute(
    quarantine: Quarantine, clock: Clock
) -> None:
    assert strike(quarantine, clock, times=3, apart_secs=29) == [None, None, 60]
    assert quarantine.holds("p")
    assert not quarantine.holds("another")
    clock.now = 58 + 60
    assert not quarantine.holds("p")


def test_timeouts_that_are_far_apart_do_not(quarantine: Quarantine, clock: Clock) -> None:
    assert strike(quarantine, clock, times=9, apart_secs=30) == [None] * 9


def test_each_relapse_doubles_the_time_up_to_an_hour(quarantine: Quarantine, clock: Clock) -> None:
    strike(quarantine, clock, times=3, apart_secs=0)
    held = 60.0
    for expected in (120, 240, 480, 960, 1920, 3600, 3600):
        clock.now += held
        assert not quarantine.holds("p")
        found = quarantine.timed_out("p")
        assert found == expected
        held = expected


def test_a_timeout_that_is_late_to_come_in_does_not_prolong_it(quarantine: Quarantine, clock: Clock) -> None:
    strike(quarantine, clock, times=3, apart_secs=0)
    assert quarantine.timed_out("p") is None
    clock.now += 60
    assert not quarantine.holds("p")


def test_who_behaves_as_long_as_he_was_away_begins_anew(quarantine: Quarantine, clock: Clock) -> None:
    strike(quarantine, clock, times=3, apart_secs=0)
    clock.now += 120
    assert strike(quarantine, clock, times=3, apart_secs=0) == [None, None, 60]


def test_only_so_many_are_kept(quarantine: Quarantine, clock: Clock) -> None:
    strike(quarantine, clock, times=3, apart_secs=0)
    for number in range(MOST_KEPT):
        quarantine.timed_out(str(number))
    assert not quarantine.holds("p")
