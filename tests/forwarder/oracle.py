"""Counts what arrived: every event is numbered, so loss, duplicates and order are facts, not opinions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from publisher.records import Record
from schemas.message import Message
from tests.rabbitmq.messages import numbered


def decode(record: Record) -> Message:
    """The same message for the same record, always."""
    return numbered(record.seq, body_bytes=100)


def lost(seqs: Sequence[int], count: int) -> set[int]:
    """Numbers of 1..count that never arrived."""
    return set(range(1, count + 1)) - set(seqs)


def duplicates(seqs: Sequence[int]) -> int:
    """How many arrivals were repetitions."""
    return len(seqs) - len(set(seqs))


def first_arrivals_in_order(seqs: Sequence[int]) -> bool:
    """Whether events, repetitions left out, arrived in the order in which they were sent."""
    firsts = list(dict.fromkeys(seqs))
    return firsts == sorted(firsts)


async def until(happened: Callable[[], bool], timeout_secs: float = 30) -> None:
    """Wait for a state of the code under test, looking every few milliseconds."""
    async with asyncio.timeout(timeout_secs):
        while not happened():  # noqa: ASYNC110 - the states watched here have no event of their own
            await asyncio.sleep(0.005)
