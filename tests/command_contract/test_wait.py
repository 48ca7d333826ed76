"""Waiting for something to claim: at once when it is there, and cancelled at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable

import pytest

from publisher.commanding.entries import Memory
from tests.command_contract.harness import Harness, ids_of

LONG_SECS = 60.0


async def a_command(place: Harness) -> None:
    await place.enqueue("a")


async def a_bulk_one(place: Harness) -> None:
    await place.enqueue("a", bulk=True)


async def a_cancellation(place: Harness) -> None:
    await place.cancel("known")


NEWS = [a_command, a_bulk_one, a_cancellation]
News = Callable[[Harness], Awaitable[None]]


@pytest.mark.parametrize("comes", NEWS, ids=lambda comes: comes.__name__)
async def test_it_returns_at_once_when_something_is_there(place: Harness, comes: News) -> None:
    queue = place.queue()
    await queue.take(Memory())
    await place.enqueue("known")
    await queue.claim(10)
    await comes(place)
    for _ in range(3):
        async with asyncio.timeout(20):
            await queue.wait(LONG_SECS)
    claim = await queue.claim(10)
    assert len(claim.commands) + len(claim.cancelled) == 1


@pytest.mark.parametrize("comes", NEWS, ids=lambda comes: comes.__name__)
async def test_it_returns_when_something_comes(place: Harness, comes: News) -> None:
    queue = place.queue()
    await queue.take(Memory())
    await place.enqueue("known")
    await queue.claim(10)
    await queue.wait(0.01)
    waiting = asyncio.create_task(queue.wait(LONG_SECS))
    # It is made to wait before the news come; that this is so by then does not matter to what is asserted.
    await place.now_ms()
    await comes(place)
    async with asyncio.timeout(20):
        await waiting


async def test_it_returns_after_the_timeout_when_nothing_comes(place: Harness) -> None:
    queue = place.queue()
    await queue.take(Memory())
    for _ in range(3):
        began = time.monotonic()
        async with asyncio.timeout(20):
            await queue.wait(0.05)
        assert time.monotonic() - began >= 0.045


async def test_it_can_be_cancelled_at_any_moment_and_no_command_is_lost(place: Harness) -> None:
    queue, chance = place.queue(), random.Random(11)
    await queue.take(Memory())
    sent: list[str] = []
    claimed: list[str] = []
    for number in range(200):
        waiting = asyncio.create_task(queue.wait(LONG_SECS))
        if number % 3 == 0:
            sent.append(f"{number}")
            adding = asyncio.create_task(place.enqueue(f"{number}", bulk=number % 2 == 0))
        await asyncio.sleep(chance.choice((0.0, 0.0005, 0.001, 0.002)))
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        await adding
        if chance.random() < 0.3:
            claimed += ids_of(await queue.claim(10))
    async with asyncio.timeout(20):
        while len(claimed) < len(sent):
            await queue.wait(LONG_SECS)
            claimed += ids_of(await queue.claim(10))
    assert sorted(claimed) == sorted(sent)
    assert sorted(ids_of(await queue.orphans())) == sorted(sent)
