"""The replayer: sends a stretch of a journal to the bus once more, with the same ids and numbers.

For consumers that lost what they had, or that came late. It moves no cursor, and what it sends is told
from the first time by nothing but the broker's own order: consumers that keep ids are not disturbed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from publisher.errors import BusLost
from publisher.ports import Bus, BusSession
from publisher.records import Record
from schemas.message import Message


async def replay(
    batches: AsyncIterator[Sequence[Record]],
    bus: Bus,
    decode: Callable[[Record], Message],
    window: int = 2000,
    on_progress: Callable[[int], None] = lambda confirmed: None,
) -> int:
    """Publish the records in order and wait for all confirms; returns how many were confirmed.

    Raises `BusUnreachable`, `BusRefused`, and `BusLost` with how far it came: nothing is tried again,
    because the caller knows best where to go on.
    """
    session = await bus.open()
    sent = confirmed = 0
    try:
        async for records in batches:
            if session.blocked:
                await session.wait_unblocked()
            messages = [decode(record) for record in records]
            session.publish(messages)
            sent += len(messages)
            while sent - confirmed > window:
                confirmed = await _news(session, confirmed)
                on_progress(confirmed)
        while confirmed < sent:
            confirmed = await _news(session, confirmed)
            on_progress(confirmed)
    except BusLost as error:
        raise BusLost(f"{error}; {confirmed} of the records were confirmed before that") from error
    finally:
        await session.close()
    return confirmed


async def _news(session: BusSession, confirmed: int) -> int:
    news = await session.settled()
    if news.refused:
        raise BusLost(f"the bus refused a message; a full queue does that ({len(news.refused)} refused)")
    return max(confirmed, news.confirmed_through)
