"""Watching a bus from now on, leaving no trace on it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from consumers.errors import ConsumerError
from consumers.ports import Binding, BusSource
from publisher.backoff import Backoff
from schemas import Message


async def watch(
    source: BusSource, keys: tuple[str, ...], name: str, show: Callable[[list[Message]], None]
) -> None:
    """Show what the bus delivers under some keys, until cancelled; what comes before is not shown."""
    binding = Binding(f"{name}-{os.getpid()}", keys, durable=False)
    await source.bind(binding)
    subscription = await source.subscribe(binding.name)
    try:
        while True:
            deliveries = await subscription.receive()
            show([delivery.message for delivery in deliveries])
            for delivery in deliveries:
                subscription.settle(delivery.tag)
            # A flood of events must not keep the signal handlers from their turn.
            await asyncio.sleep(0)
    finally:
        await subscription.close()
        with contextlib.suppress(ConsumerError):
            await source.unbind(binding.name)


async def keep_watching(
    source: BusSource,
    keys: tuple[str, ...],
    name: str,
    show: Callable[[list[Message]], None],
    tell: Callable[[str], None],
) -> None:
    """As `watch`, and again after each loss of the bus, for ever: 0.5 s later, growing to 10 s."""
    backoff = Backoff(0.5, 10.0)
    while True:
        try:
            await watch(source, keys, name, show)
        except ConsumerError as error:
            tell(f"watching again soon: {error}")
        await asyncio.sleep(backoff.next_secs())
