"""A binding with a sink that does what it is told, in virtual time; and the oracle that counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from consumers.dispatching.intake import Gate, OpenGate
from consumers.dispatching.runner import BindingRunner
from consumers.dispatching.settings import DispatchSettings
from consumers.errors import SinkUnavailable
from consumers.plugin import DONE, Outcome, Reject, Retry, SinkEvent
from consumers.ports import Binding
from consumers.reports import BindingReport
from schemas import Event, encode, event_id
from schemas.message import JSON, Headers, Message
from tests.fakes.parking_lot import FakeLot
from tests.fakes.source import FakeSource

NAME = "crm"


def message(number: int, call: str = "call-1", pbx: str = "main", event: str = "Newstate") -> Message:
    """The event of that number."""
    id = event_id(pbx, 1, number)
    body = Event(
        id=id,
        pbx=pbx,
        epoch=1,
        seq=number,
        received_at="2026-01-02T03:04:05.000000Z",
        event=event,
        fields={"Event": event, "Number": str(number)},
        call=call,
    )
    return Message(
        f"{pbx}.{event.lower()}.200",
        Headers(pbx, 1, number, call),
        id,
        event,
        0,
        encode(JSON, body),
        JSON,
    )


Behaviour = Callable[[SinkEvent], Outcome | Exception | float]


@dataclass
class ScriptedSink:
    """`behave` says what becomes of an event: an outcome, something to raise, or seconds to take before it is
    done. `away`: it takes nothing. `takes` are all that were begun, as (id, lane)."""

    behave: Behaviour = lambda event: DONE
    away: bool = False
    opened: int = 0
    is_open: bool = False
    done: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    busy: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    rejected: set[str] = field(default_factory=set)

    async def open(self) -> None:
        assert not self.is_open, "opened twice"
        await asyncio.sleep(0.01)
        if self.away:
            raise SinkUnavailable("it is away")
        self.opened += 1
        self.is_open = True

    async def take(self, events: Sequence[SinkEvent]) -> Sequence[Outcome]:
        assert self.is_open, "it takes while it is closed"
        if self.away:
            raise SinkUnavailable("it is away")
        calls = {f"{event.event.pbx}/{event.event.call}" for event in events}
        for call in calls:
            self.busy[call] += 1
            assert self.busy[call] == 1, "two takes of one call at once"
        self.most_at_once = max(self.most_at_once, sum(self.busy.values()))
        self.begun += [event.id for event in events]
        try:
            outcomes: list[Outcome] = []
            failing: set[str] = set()
            for event in events:
                if event.event.call in failing:
                    outcomes.append(Retry("one before it was not taken"))
                    continue
                said = self.behave(event)
                if isinstance(said, Exception):
                    raise said
                if isinstance(said, float):
                    await asyncio.sleep(said)
                    said = DONE
                if said is DONE:
                    self.done.append(event.id)
                if isinstance(said, Reject):
                    self.rejected.add(event.id)
                if isinstance(said, Retry):
                    failing.add(event.event.call)
                outcomes.append(said)
            return outcomes
        finally:
            for call in calls:
                self.busy[call] -= 1

    async def close(self) -> None:
        self.is_open = False


@dataclass
class Office:
    """One binding, served."""

    settings: DispatchSettings = field(default_factory=DispatchSettings)
    sink: ScriptedSink = field(default_factory=ScriptedSink)
    gate: Gate = field(default_factory=OpenGate)
    source: FakeSource = field(default_factory=FakeSource)
    lot: FakeLot = field(default_factory=FakeLot)
    reports: list[BindingReport] = field(default_factory=list)
    published: dict[str, Message] = field(default_factory=dict)

    @property
    def gated(self) -> bool:
        """Whether events may be left by a filter."""
        return not isinstance(self.gate, OpenGate)

    def __post_init__(self) -> None:
        self.runner = self.another(self.sink)

    def another(self, sink: ScriptedSink) -> BindingRunner:
        """One more process that serves the binding."""
        return BindingRunner(
            Binding(NAME, ("#",)),
            self.settings,
            self.source,
            self.gate,
            sink,
            self.lot,
            self.reports.append,
        )

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.runner.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def publish(self, *messages: Message, place: str = NAME) -> None:
        for each in messages:
            self.published[each.message_id] = each
            self.source.place(place).on_settle = self._settling
            self.source.place(place).put(each)

    def _settling(self, id: str) -> None:
        assert id in self.sink.done or id in self.parked or self.gated, f"{id} was settled too early"

    @property
    def settled(self) -> list[str]:
        return [id for place in self.source.places_of.values() for id in place.settled]

    @property
    def parked(self) -> list[str]:
        return [event.message.message_id for event in self.lot.events.values()]

    async def all_settled(self, within_secs: float = 36_000) -> None:
        async with asyncio.timeout(within_secs):
            while True:
                if set(self.settled) == set(self.published):
                    return
                await asyncio.sleep(0.05)

    async def settled_count(self, count: int) -> None:
        async with asyncio.timeout(36_000):
            while True:
                if len(self.settled) >= count:
                    return
                await asyncio.sleep(0.05)

    def told(self, kind: type[BindingReport]) -> list[BindingReport]:
        return [report for report in self.reports if isinstance(report, kind)]

    def check(self, twice_allowed: bool = False) -> None:
        """Nothing lost: each event was taken or parked before it was settled; each call in order."""
        done, parked = self.sink.done, set(self.parked)
        assert set(done) | parked == set(self.published)
        if not twice_allowed:
            assert len(done) == len(set(done))
        # What was rejected once has lost its place, even if it is taken in the end after all.
        firsts = [id for id in dict.fromkeys(done) if id not in self.sink.rejected]
        lanes: dict[str, list[int]] = {}
        for id in firsts:
            headers = self.published[id].headers
            lanes.setdefault(f"{headers.pbx}/{headers.call}", []).append(headers.seq)
        for numbers in lanes.values():
            assert numbers == sorted(numbers)
