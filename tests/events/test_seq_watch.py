"""Missing numbers are noticed, announced and repeated ones are not."""

from __future__ import annotations

from typing import Any

from consumers.events import SeqWatch
from schemas import Event


def event(seq: int, epoch: int = 5, pbx: str = "main", control: dict[str, Any] | None = None) -> Event:
    return Event(
        id=f"{pbx}-{epoch}-{seq}",
        pbx=pbx,
        epoch=epoch,
        seq=seq,
        received_at="2026-05-01T10:00:00.000001Z",
        event="control.gap" if control else "Hangup",
        control=control,
    )


def test_the_first_event_is_where_the_count_begins_and_holes_are_named_once() -> None:
    watch = SeqWatch()
    said = [list(watch.missing_before(event(seq))) for seq in (7, 8, 11, 9, 8, 12)]
    assert said == [[], [], [9, 10], [], [], []]


def test_pbxs_are_counted_apart_and_a_new_epoch_begins_with_one() -> None:
    watch = SeqWatch()
    watch.missing_before(event(7))
    assert list(watch.missing_before(event(3, pbx="branch"))) == []
    assert list(watch.missing_before(event(3, epoch=6))) == [1, 2]
    assert list(watch.missing_before(event(9, epoch=5))) == [], "an old one that comes again"


def test_a_gap_that_names_its_numbers_is_none_of_ours() -> None:
    watch = SeqWatch()
    watch.missing_before(event(1))
    gap = event(2, control={"kind": "gap", "from_seq": 2, "to_seq": 40, "count": 39})
    assert list(watch.missing_before(gap)) == []
    assert list(watch.missing_before(event(41))) == []
    assert list(watch.missing_before(event(43))) == [42]
