"""The oracle finds what it is there to find."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.end_to_end.taker import Arrived
from tests.faults.oracle import story_of

BEGAN = 1_760_000_000.0
SENT = {number: BEGAN + number for number in range(1, 101)}


def at(secs: float) -> str:
    return datetime.fromtimestamp(BEGAN + secs, UTC).isoformat()


def message(seq: int, epoch: int = 1, **more: Any) -> Arrived:
    body = {"epoch": epoch, "seq": seq, "fields": {}, **more}
    return Arrived(f"main-{epoch}-{seq}", "", (), {}, repr(body).encode(), body)


def event(seq: int, number: int, epoch: int = 1) -> Arrived:
    return message(seq, epoch, fields={"Number": str(number)})


def gap(seq: int, begins: float, ends: float, epoch: int = 1, **more: int) -> Arrived:
    control = {"kind": "gap", "from": at(begins), "to": at(ends), "cause": "test", "count": None, **more}
    return message(seq, epoch, control=control)


def test_a_whole_story_has_nothing_to_blame() -> None:
    story = story_of([event(1, 1), event(2, 2), gap(3, 2, 6), event(4, 6)], SENT)
    story.check()
    assert (story.duplicates, story.causes, story.missed) == (0, ["test"], [3, 4, 5])
    assert story.numbers == [1, 2, 6]


def test_a_missing_number_without_a_gap_is_lost() -> None:
    assert story_of([event(1, 1), event(2, 3), gap(3, 0, 9), event(4, 4)], SENT).lost == [2]


def test_a_missing_number_from_another_time_than_the_gaps_is_outside() -> None:
    assert story_of([event(1, 1), gap(2, 20, 30), event(3, 4)], SENT).outside == [2, 3]


def test_a_repeat_is_counted_and_must_say_the_same() -> None:
    story = story_of([event(1, 1), event(2, 2), event(2, 2), event(1, 7)], SENT)
    assert (story.duplicates, story.changed) == (2, ["main-1-1"])


def test_disorder_is_found_in_numbers_seq_and_epochs() -> None:
    assert story_of([event(1, 2), event(2, 1)], SENT).disordered == ["number 1 after 2"]
    assert story_of([event(2, 1), event(1, 2)], SENT).disordered == ["seq 1 where 3 was due"]
    assert story_of([event(1, 1, epoch=2), event(1, 2, epoch=1)], SENT).disordered == ["epoch 1 after 2"]


def test_a_hole_in_seq_is_one_unless_a_gap_names_it() -> None:
    assert story_of([event(1, 1), event(3, 2)], SENT).holes == ["2 to 2"]
    assert story_of([event(2, 1)], SENT).holes == ["1 to 1"]
    assert not story_of([event(1, 1), gap(2, 1, 9, from_seq=2, to_seq=8), event(9, 2)], SENT).holes
    assert story_of([event(1, 1), gap(2, 1, 9, from_seq=2, to_seq=8), event(10, 2)], SENT).holes


def test_every_announced_gap_is_counted_also_the_needless_ones() -> None:
    assert (
        story_of([event(1, 1), gap(2, 1, 2), gap(3, 1, 2), event(4, 2), gap(5, 1, 2)], SENT).causes
        == ["test"] * 3
    )
