"""Which acked events are not given again."""

from __future__ import annotations

from consumers.events.acked_ids import AckedIds
from consumers.events.held import Feed, Held
from tests.events.office import numbered_event
from tests.fakes.source import FakePlace, FakeSubscription


def feed() -> Feed:
    return Feed(FakeSubscription(FakePlace(), 10))


def held(number: int, source: Feed, redelivered: bool = False) -> Held:
    return Held(source, number, number, numbered_event(number), None, redelivered)


def test_what_comes_again_after_its_ack_is_covered_also_by_a_broker_that_forgot_to_mark_it() -> None:
    ids, lost, new = AckedIds(), feed(), feed()
    ids.note(held(1, lost))
    assert ids.covers(held(1, new))
    assert ids.covers(held(1, lost, redelivered=True))
    assert not ids.covers(held(2, new, redelivered=True))


def test_what_is_published_anew_is_not_covered() -> None:
    ids, lost, new = AckedIds(), feed(), feed()
    ids.note(held(1, lost))
    assert not ids.covers(held(1, lost))
    # It came again after the loss, and was settled: another one is a replay.
    ids.note(held(1, new))
    assert not ids.covers(held(1, new))


def test_the_oldest_are_forgotten() -> None:
    ids, lost, new = AckedIds(kept=2), feed(), feed()
    for number in (1, 2, 1, 3):
        ids.note(held(number, lost))
    assert [ids.covers(held(number, new)) for number in (1, 2, 3)] == [True, False, True]
