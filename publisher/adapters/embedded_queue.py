"""One binding of the embedded bus: a queue that stands in the journals themselves.

Strategy: for each PBX the queue has a place (how far it has looked) and a cursor (everything up to it is
done with). Nothing is fetched ahead of `receive`; what matches is handed out and remembered as unsettled
until it is settled, retried, or its subscription closes. The cursor follows the lowest unsettled position,
so after a crash everything unsettled comes again, and what was settled out of order above it too.

Bounds: a subscription holds at most its prefetch unsettled. A queue far behind reads small batches from the
disk and costs no memory. Records that no key takes move the cursor at the latest every 256 records. While
one delivery stays unsettled and 50,000 later ones are taken, the queue waits for it.

A second cursor, `<name>/seen`, tells after a reopening what may have been delivered before: those come with
`redelivered` set.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from publisher.adapters.bindings_file import BindingRecord
from publisher.ports import Journal
from publisher.records import Record
from schemas.message import Delivery, Message
from schemas.routing import TopicMatcher

# Gives a message for every record, whatever it holds; must not raise.
Decoder = Callable[[Record], Message]

_READ_RECORDS: Final = 256
_READ_BYTES: Final = 1 << 20
_IDLE_CURSOR_RECORDS: Final = 256
_MAX_OPEN_ITEMS: Final = 50_000


# Cursors of bindings that end with the process; a new bus removes what a crash left of them.
PASSING: Final = "passing:"


def cursor_name(record: BindingRecord) -> str:
    return f"{'binding:' if record.durable else PASSING}{record.name}"


def seen_name(record: BindingRecord) -> str:
    return f"{cursor_name(record)}/seen"


@dataclass(slots=True, eq=False)
class Item:
    """One matching message on its way: `end` is the last position it stands for."""

    order: int
    place: Place
    pos: int
    end: int
    message: Message
    redelivered: bool
    done: bool = False

    def __lt__(self, other: Item) -> bool:
        return self.order < other.order


@dataclass(slots=True, eq=False)
class Place:
    """How far the queue is in one PBX's journal."""

    pbx: str
    journal: Journal
    decode: Decoder
    looked_pos: int
    seen_pos: int
    open_items: deque[Item] = field(default_factory=deque)


class EmbeddedQueue:
    """See the module. Subscriptions of one binding share it and compete for its messages."""

    def __init__(
        self, record: BindingRecord, journals: Mapping[str, Journal], decoders: Mapping[str, Decoder]
    ) -> None:
        self.record = record
        self.removed = False
        self._news = asyncio.Event()
        self._taking = asyncio.Lock()
        self._again: list[Item] = []
        self._ready: deque[Item] = deque()
        self._order = 0
        self._turn = 0
        self._matchers: list[tuple[Mapping[str, int], TopicMatcher[bool]]] = []
        self._places = [
            Place(
                pbx,
                journal,
                decoders[pbx],
                journal.cursor(cursor_name(record)),
                journal.cursor(seen_name(record)),
            )
            for pbx, journal in journals.items()
        ]
        self.keys_changed()

    def keys_changed(self) -> None:
        """The binding's generations are others now."""
        self._matchers = []
        for generation in reversed(self.record.generations):
            matcher: TopicMatcher[bool] = TopicMatcher()
            for key in generation.keys:
                matcher.bind(key, True)
            self._matchers.append((generation.since, matcher))

    def ends(self) -> dict[str, int]:
        """The last readable position of each PBX."""
        return {place.pbx: place.journal.durable_pos for place in self._places}

    def done(self) -> dict[str, int]:
        """Where the queue's cursors stand."""
        return {place.pbx: place.journal.cursor(cursor_name(self.record)) for place in self._places}

    def wake(self) -> None:
        """There may be something to take: new records, a return, a removal."""
        self._news.set()

    async def take(self, limit: int, wanted: Callable[[], bool]) -> list[Item]:
        """Wait for messages, take at most `limit`; empty when the queue was removed or nobody wants any."""
        while not self.removed and wanted():
            async with self._taking:
                self._news.clear()
                taken: list[Item] = []
                while self._again and len(taken) < limit:
                    taken.append(heappop(self._again))
                while self._ready and len(taken) < limit:
                    taken.append(self._ready.popleft())
                if taken:
                    self._note_seen(taken)
                    return taken
                found = await self._look()
            if not found:
                await self._news.wait()
        return []

    async def _look(self) -> bool:
        """Look at the next records of one PBX, each PBX in its turn; whether there were any."""
        for _ in self._places:
            self._turn = (self._turn + 1) % len(self._places)
            place = self._places[self._turn]
            if place.journal.durable_pos <= place.looked_pos or len(place.open_items) > _MAX_OPEN_ITEMS:
                continue
            records = await place.journal.read(place.looked_pos, _READ_RECORDS, _READ_BYTES)
            if not records:
                continue
            self._match(place, records)
            # Other tasks get their turn between batches, also when all records are in memory.
            await asyncio.sleep(0)
            return True
        return False

    def _match(self, place: Place, records: Sequence[Record]) -> None:
        for record in records:
            message = record.message
            if message is None:
                message = record.message = place.decode(record)
            end = record.pos + record.span - 1
            if self._takes(place.pbx, record.pos, message):
                self._order += 1
                item = Item(self._order, place, record.pos, end, message, record.pos <= place.seen_pos)
                place.open_items.append(item)
                self._ready.append(item)
            place.looked_pos = end
        if not place.open_items:
            name = cursor_name(self.record)
            if place.looked_pos - place.journal.cursor(name) >= _IDLE_CURSOR_RECORDS:
                place.journal.advance(name, place.looked_pos)

    def _takes(self, pbx: str, pos: int, message: Message) -> bool:
        for since, matcher in self._matchers:
            if pos > since.get(pbx, 0) or matcher is self._matchers[-1][1]:
                if matcher.targets(message.routing_key):
                    return True
                cc = message.headers.cc
                return bool(cc and matcher.targets_of(cc))
        return False

    def _note_seen(self, taken: Sequence[Item]) -> None:
        name = seen_name(self.record)
        for item in taken:
            place = item.place
            if item.end > place.seen_pos:
                place.seen_pos = item.end
                place.journal.advance(name, item.end)

    def settled(self, item: Item) -> None:
        """An item is done with; the cursor follows the lowest one that is not."""
        item.done = True
        place = item.place
        if self.removed or place.open_items[0] is not item:
            return
        while place.open_items and place.open_items[0].done:
            place.open_items.popleft()
        through = place.open_items[0].pos - 1 if place.open_items else place.looked_pos
        place.journal.advance(cursor_name(self.record), through)
        self.wake()

    def returned(self, items: Sequence[Item]) -> None:
        """Items come again, in their old order and before new ones."""
        for item in items:
            item.redelivered = True
            heappush(self._again, item)
        self.wake()

    def flush(self) -> None:
        """Move the cursors over what was looked at and concerned nobody."""
        for place in self._places:
            if not self.removed and not place.open_items:
                name = cursor_name(self.record)
                if place.looked_pos > place.journal.cursor(name):
                    place.journal.advance(name, place.looked_pos)


class EmbeddedSubscription:
    """Implements `consumers.ports.Subscription`."""

    def __init__(self, queue: EmbeddedQueue, prefetch: int, lost: Callable[[str], Exception]) -> None:
        self._queue = queue
        self._prefetch = prefetch
        self._lost = lost
        self._unsettled: dict[int, Item] = {}
        self._tag = 0
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    async def receive(self, limit: int = 500) -> Sequence[Delivery]:
        """As the port says; waits while the whole prefetch is unsettled."""
        while len(self._unsettled) >= self._prefetch and not self._closed:
            self._room.clear()
            await self._room.wait()
        items: list[Item] = []
        if not self._closed:
            items = await self._queue.take(
                min(limit, self._prefetch - len(self._unsettled)), lambda: not self._closed
            )
        if self._closed:
            self._queue.returned(items)
            items = []
        if not items:
            raise self._lost(f"the subscription of binding {self._queue.record.name!r} was closed")
        deliveries = []
        for item in items:
            self._tag += 1
            self._unsettled[self._tag] = item
            deliveries.append(Delivery(self._tag, item.message, item.redelivered))
        return deliveries

    def settle(self, tag: int) -> None:
        """As the port says. After `close` nothing happens: the delivery will come again."""
        item = self._taken(tag)
        if item is not None:
            self._queue.settled(item)

    def retry(self, tag: int) -> None:
        item = self._taken(tag)
        if item is not None:
            self._queue.returned([item])

    async def consumers(self) -> int:
        """As the port says: nobody else can."""
        return 1

    def _taken(self, tag: int) -> Item | None:
        if self._closed:
            return None
        item = self._unsettled.pop(tag, None)
        if item is None:
            raise ValueError(f"delivery {tag} is not open: it was settled or retried before, or never made")
        self._room.set()
        return item

    async def close(self) -> None:
        """Give back what is not settled; a `receive` that waits ends."""
        if not self._closed:
            self._closed = True
            self._queue.returned(list(self._unsettled.values()))
            self._unsettled.clear()
            self._room.set()
