"""The service that folds: its call events are those of the pure fold, whatever breaks and whenever."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from consumers.calls import CallEvent, CallFold
from consumers.folding import FOLD_BINDING, FOLDING, CallFolding, FoldingSettings, service
from consumers.folding.kept_state import StateTooLarge, packed, unpacked
from consumers.reports import BindingReport, CallStateLost, CallStateNotSaved, EventParked, FoldingBegun
from schemas.codecs import decode_map, encode
from schemas.envelope import Event
from schemas.message import MSGPACK, Headers, Message
from schemas.routing import routing_keys
from schemas.topics import TopicMatcher
from tests.calls.recorded import PBX, Recorder
from tests.fakes.parking_lot import FakeLot
from tests.fakes.source import FakeSource
from tests.folding.call_bus import FakeCallBus
from tests.forwarder.oracle import until

CORPUS = sorted((Path(__file__).parents[1] / "calls/corpus").glob("*.ami"))
QUICK = FoldingSettings(prefetch=64, save_secs=0.005)
TRUNKS = {PBX: ["trunk", "anonymous"]}


def recorded() -> list[Event]:
    """Many calls of several versions, one after another, with their numbers."""
    recorder = Recorder()
    return [event for path in CORPUS for event in recorder.events(path.read_bytes())]


EVENTS = recorded()
MATCHER: TopicMatcher[bool] = TopicMatcher()
for _key in FOLD_BINDING.keys:
    MATCHER.bind(_key, True)


def taken(event: Event) -> bool:
    """Whether the queue of the fold gets it."""
    return event.control is not None or bool(
        MATCHER.targets_of(routing_keys(PBX, event.event, event.extensions))
    )


TAKEN = [event for event in EVENTS if taken(event)]


def told(events: list[Event]) -> list[CallEvent]:
    fold = CallFold(TRUNKS)
    return [one for event in events for one in fold.feed(event)]


def message(event: Event) -> Message:
    return Message(
        routing_keys(PBX, event.event, event.extensions)[0],
        Headers(PBX, event.epoch, event.seq, event.call or PBX, "", ()),
        event.id,
        event.event,
        0,
        encode(MSGPACK, event),
    )


class Office:
    """A queue of raw events, the bus of call events, and processes that fold."""

    def __init__(self) -> None:
        self.source = FakeSource()
        self.calls = FakeCallBus()
        self.lot = FakeLot()
        self.reports: list[BindingReport] = []

    @asynccontextmanager
    async def folding(self, settings: FoldingSettings = QUICK) -> AsyncIterator[CallFolding]:
        made = CallFolding(self.source, self.calls, self.lot, TRUNKS, self.reports.append, settings)
        task = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def put(self, *events: Event) -> None:
        for event in events:
            self.source.place(FOLDING).put(message(event))

    async def settled(self, count: int) -> None:
        await until(lambda: len(set(self.source.place(FOLDING).settled)) >= count)

    @property
    def found(self) -> list[CallEvent]:
        return [CallEvent.from_map(decode_map(MSGPACK, one.body)) for one in self.calls.published]

    def said(self, kind: type[BindingReport]) -> list[BindingReport]:
        return [report for report in self.reports if isinstance(report, kind)]


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_FIRST_SECS", 0.001)
    monkeypatch.setattr(service, "_MOST_SECS", 0.002)
    monkeypatch.setattr(service, "_PARKING_RETRY_SECS", 0.001)
    monkeypatch.setattr(service, "_AT_ONCE", 7)


def test_its_keys_take_whatever_says_anything_of_calls() -> None:
    assert "*.control.#" in FOLD_BINDING.keys
    assert len(FOLD_BINDING.keys) == len(CallFold.names) + 1
    assert all(taken(event) for event in EVENTS if event.event in CallFold.names)
    assert len(TAKEN) < len(EVENTS)
    assert FOLD_BINDING.single


async def test_it_tells_what_the_pure_fold_tells_and_settles_all(office: Office) -> None:
    async with office.folding():
        office.put(*TAKEN)
        await office.settled(len(TAKEN))
    assert office.found == told(TAKEN)
    assert office.source.bound == [FOLD_BINDING]


async def test_what_is_settled_is_part_of_the_saved_state(office: Office) -> None:
    """Looked at whenever an event is settled, not only at the end."""
    numbers = {event.id: event for event in TAKEN}

    def look(id: str) -> None:
        fold = CallFold(TRUNKS)
        fold.restore(unpacked(office.calls.kept))
        assert fold.feed(numbers[id]) == []
        assert {one.id for one in told(TAKEN[: TAKEN.index(numbers[id]) + 1])} <= {
            one.id for one in office.found
        }

    office.source.place(FOLDING).on_settle = look
    async with office.folding():
        for event in TAKEN[:150]:
            office.put(event)
            await asyncio.sleep(0)
        await office.settled(150)
    assert office.calls.saves > 1


async def test_its_end_saves_and_settles_what_was_told(office: Office) -> None:
    async with office.folding(FoldingSettings(save_secs=60)):
        office.put(*TAKEN[:200])
        await until(lambda: len(office.calls.published) == len(told(TAKEN[:200])))
        await asyncio.sleep(0.05)
        assert not office.source.place(FOLDING).settled
    assert len(office.source.place(FOLDING).settled) == 200
    async with office.folding():
        office.put(*TAKEN[200:])
        await office.settled(len(TAKEN))
    assert office.found == told(TAKEN)
    assert len(office.said(FoldingBegun)) == 2


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_fails_nothing_is_lost_and_repeats_have_the_same_ids(
    office: Office, seed: int
) -> None:
    """Steps fail before and after they were done, subscriptions are lost, processes come and go."""
    draw = random.Random(seed)
    steps = {"begin": 0.1, "state": 0.1, "publish": 0.02, "published": 0.05, "save": 0.2, "saved": 0.2}
    office.calls.fails = lambda step: draw.random() < steps[step]
    rest = iter(TAKEN)
    while chunk := list(itertools.islice(rest, draw.randrange(1, 90))):
        async with office.folding(), office.folding():
            office.put(*chunk)
            for _ in range(draw.randrange(3)):
                await asyncio.sleep(draw.choice((0, 0.001, 0.01)))
                if draw.random() < 0.5:
                    office.source.lose()
    office.calls.fails = lambda step: False
    async with office.folding():
        await office.settled(len(TAKEN))
    wanted = told(TAKEN)
    assert {one.id: one for one in office.found} == {one.id: one for one in wanted}
    first_times = list(dict.fromkeys(one.id for one in office.found))
    assert first_times == [one.id for one in wanted]
    assert not office.said(CallStateLost)


async def test_a_damaged_state_is_reported_and_the_fold_begins_anew(office: Office) -> None:
    async with office.folding():
        office.put(*TAKEN[:100])
        await office.settled(100)
    for damaged in (b"x", office.calls.kept[:-3], packed(b"no state")):
        office.calls.kept = damaged
        before = len(office.said(CallStateLost))
        settled = len(office.source.place(FOLDING).settled)
        async with office.folding():
            office.put(*TAKEN[settled : settled + 20])
            await office.settled(settled + 20)
        assert len(office.said(CallStateLost)) == before + 1


async def test_what_cannot_be_read_is_parked_and_holds_nothing_up(office: Office) -> None:
    bad = message(TAKEN[5])
    bad.body, bad.message_id = b"\xc1", "bad"
    office.lot.failures = 1
    async with office.folding():
        office.put(*TAKEN[:5])
        office.source.place(FOLDING).put(bad)
        office.put(*TAKEN[5:50])
        await office.settled(51)
    assert office.found == told(TAKEN[:50])
    (parked,) = office.lot.events.values()
    assert (parked.binding, parked.message.message_id) == (FOLDING, "bad")
    assert office.said(EventParked)


async def test_a_state_that_is_too_large_is_reported_and_events_are_settled_all_the_same(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.folding.kept_state.MAX_STATE_BYTES", 10)
    with pytest.raises(StateTooLarge, match="at most 10 can be kept"):
        packed(b"a state")
    async with office.folding():
        office.put(*TAKEN[:50])
        await office.settled(50)
    assert office.said(CallStateNotSaved)
    assert office.calls.kept == b""


async def test_one_folds_and_the_next_takes_over_with_its_state(office: Office) -> None:
    async with office.folding():
        async with office.folding():
            office.put(*TAKEN[:100])
            await office.settled(100)
            assert len(office.said(FoldingBegun)) == 1
            office.source.place(FOLDING).subscriptions[0].lose()
            office.put(*TAKEN[100:])
            await office.settled(len(TAKEN))
        assert len(office.said(FoldingBegun)) == 2
    assert office.found == told(TAKEN)
