"""Losses: positions of a journal that hold nothing, and the gap records that readers get for them.

Invariants: losses are sorted, never overlap, and adjacent ones of one cause are one. A reader that stands
before or inside a loss gets a gap record from its own place to the end of the loss, one for each epoch
that the loss touches, with the exact number of lost records.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from publisher import control
from publisher.records import CONTROL, Record

DISK_FULL: Final = "disk_full"
DISK_SLOW: Final = "disk_slow"
RETENTION: Final = "retention"
JOURNAL_DAMAGED: Final = "journal_damaged"


@dataclass(slots=True, frozen=True)
class Loss:
    """Positions `first_pos` to `last_pos` are lost; they were received between `from_us` and `to_us`.

    Where the numbering itself could not be found again, both positions are 0: then it is not known how
    many records are lost, and a reader cannot find the loss in its place.
    """

    first_pos: int
    last_pos: int
    cause: str
    from_us: int
    to_us: int


@dataclass(slots=True, frozen=True, order=True)
class EpochStart:
    """An epoch and the position of its first record."""

    first_pos: int
    epoch: int


def joined(losses: Sequence[Loss], loss: Loss) -> list[Loss]:
    """The losses with one more at the end, as one with the last where that is adjacent and alike."""
    if losses and losses[-1].cause == loss.cause and losses[-1].last_pos + 1 == loss.first_pos:
        last = losses[-1]
        return [
            *losses[:-1],
            Loss(last.first_pos, loss.last_pos, loss.cause, last.from_us, max(last.to_us, loss.to_us)),
        ]
    return [*losses, loss]


def epoch_at(epochs: Sequence[EpochStart], pos: int) -> EpochStart | None:
    """The epoch in which a position lies; None before the first known one."""
    index = bisect_right(epochs, pos, key=lambda start: start.first_pos)
    return epochs[index - 1] if index else None


def gap_records(pbx: str, loss: Loss, after: int, epochs: Sequence[EpochStart]) -> list[Record]:
    """The gap records for the part of a loss that lies after a position; `epochs` are sorted."""
    records: list[Record] = []
    first = max(loss.first_pos, after + 1)
    while first <= loss.last_pos:
        start = epoch_at(epochs, first)
        later = bisect_right(epochs, first, key=lambda known: known.first_pos)
        last = loss.last_pos
        if later < len(epochs):
            last = min(last, epochs[later].first_pos - 1)
        epoch = start.epoch if start else 0
        seq = first - start.first_pos + 1 if start else 0
        span = last - first + 1
        raw = control.gap(
            loss.cause,
            loss.from_us,
            loss.to_us,
            span,
            from_seq=seq if start else None,
            to_seq=seq + span - 1 if start else None,
        )
        records.append(Record(first, epoch, seq, loss.to_us, CONTROL, 0, pbx, raw, span))
        first = last + 1
    return records
