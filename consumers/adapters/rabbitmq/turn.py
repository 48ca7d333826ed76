"""One binding is changed by one process at a time: what it finds must not change before it is done.

The turn is a queue that a connection has to itself, so it ends with the connection of a process that dies.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from consumers.adapters.rabbitmq.driver import Connection, Locked
from consumers.errors import BusLost
from schemas.broker_topology import queue_name

_LOOK_SECS: Final = 0.05
_MOST_SECS: Final = 30.0


@asynccontextmanager
async def turn(connection: Connection, name: str) -> AsyncIterator[None]:
    """Have it, after all who came before. Raises `BusLost` where that takes too long."""
    # A binding's name has no colon.
    queue = queue_name(f"{name}:turn")
    try:
        async with asyncio.timeout(_MOST_SECS):
            while not await _taken(connection, queue):  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(_LOOK_SECS * random.uniform(0.5, 1.5))
    except TimeoutError:
        raise BusLost(
            f"another process has been changing the binding {name!r} for {_MOST_SECS:g} s"
        ) from None
    try:
        yield
    finally:
        if connection.alive:
            async with connection.channel() as channel:
                await channel.queue_delete(queue)


async def _taken(connection: Connection, queue: str) -> bool:
    try:
        async with connection.channel() as channel:
            await channel.declare_queue(queue, exclusive=True)
    except Locked:
        return False
    return True
