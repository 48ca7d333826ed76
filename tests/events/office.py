"""Numbered events, and what a subscriber of them does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable

from consumers.events import EventClient, EventStream, ReceivedEvent
from publisher.adapters.rabbitmq.session import RabbitSession
from schemas import MSGPACK, Event, Headers, Message, encode, event_id
from schemas.broker_topology import queue_name
from tests.fakes.parking_lot import FakeLot
from tests.fakes.source import FakeSource
from tests.rabbitmq.broker import channel_on
from tests.services.choice import RabbitmqServer

EPOCH = 1_760_000_000_000
PATIENCE_SECS = 30.0


def numbered_event(
    seq: int, key: str = "main.hangup.200", call: str = "1.1", event: str = "Hangup", **fields: str
) -> Message:
    """The event of that number."""
    pbx, _, extension = key.split(".")
    id = event_id(pbx, EPOCH, seq)
    body = Event(
        id=id,
        pbx=pbx,
        epoch=EPOCH,
        seq=seq,
        received_at="2026-05-01T10:00:00.000001Z",
        event=event,
        extensions=(extension,),
        fields={"Event": event, "Number": str(seq), **fields},
        call=call,
    )
    return Message(key, Headers(pbx, EPOCH, seq, call), id, event, 0, encode(MSGPACK, body), MSGPACK)


def new_name() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


async def publish(session: RabbitSession, messages: Iterable[Message]) -> None:
    """Return when the broker has them for good."""
    session.publish(list(messages))
    async with asyncio.timeout(PATIENCE_SECS):
        while session._confirms.outstanding:
            await session.settled()


async def take(stream: EventStream[ReceivedEvent], count: int) -> list[ReceivedEvent]:
    """The next ones, none settled."""
    found: list[ReceivedEvent] = []
    async with asyncio.timeout(PATIENCE_SECS):
        while len(found) < count:
            event = await stream.next_event()
            assert event is not None, "the stream is closed"
            found.append(event)
    return found


async def take_and_ack(stream: EventStream[ReceivedEvent], count: int) -> list[int]:
    """The numbers of the next ones."""
    found = []
    for _ in range(count):
        [event] = await take(stream, 1)
        event.ack()
        found.append(event.seq)
    return found


def seqs(events: Iterable[ReceivedEvent]) -> list[int]:
    return [event.seq for event in events]


async def nothing_comes(stream: EventStream[ReceivedEvent], secs: float = 0.2) -> bool:
    """Whether no event is given out for so long."""
    try:
        await asyncio.wait_for(stream.next_event(), secs)
    except TimeoutError:
        return True
    return False


async def waiting(server: RabbitmqServer, name: str) -> int:
    """How many events stand on a durable subscription's queue, ready to be delivered."""
    async with channel_on(server) as channel:
        queue = await channel.declare_queue(queue_name(name), passive=True)
        return queue.declaration_result.message_count or 0


class Office:
    """A client of the bus in memory."""

    def __init__(self) -> None:
        self.source = FakeSource()
        self.lot = FakeLot()
        self.reports: list[object] = []
        self.client = EventClient(self.source, FakeSource(), self.lot, self.reports.append)

    def publish(self, *messages: Message, name: str = "crm") -> None:
        for message in messages:
            self.source.place(name).put(message)

    @property
    def settled(self) -> list[str]:
        return self.source.place("crm").settled

    def told(self, kind: type[object]) -> list[object]:
        return [report for report in self.reports if isinstance(report, kind)]
