"""A stream of events on the bus in memory: settling, order, filters, losses, ends."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from consumers.errors import BusUnreachable, FilterInvalid
from consumers.events import (
    BusBack,
    BusDown,
    EventClient,
    EventParked,
    FilterQuarantined,
    ParkingFailed,
    PatternError,
    ReceivedEvent,
)
from consumers.events import parker as parking
from consumers.events import stream as streaming
from consumers.filtering import EventFilter, narrowed_keys
from schemas import JSON, Message
from tests.events.office import Office, nothing_comes, numbered_event, seqs, take, take_and_ack
from tests.fakes.parking_lot import FakeLot
from tests.fakes.source import FakeSource, FakeSubscription
from tests.forwarder.oracle import until


@pytest.fixture
def office() -> Office:
    return Office()


async def test_an_event_says_what_it_is(office: Office) -> None:
    office.publish(numbered_event(7, CallerIDNum="200", Event="Hangup"))
    async with office.client.subscribe("crm") as events:
        [event] = await take(events, 1)
        assert (event.event, event.pbx, event.seq, event.extensions) == ("Hangup", "main", 7, ("200",))
        assert event.field("calleridnum") == "200"
        assert event.field("CallerIDNum") == "200"
        assert event.field("Nothing") == ""
        assert event.text == "Event: Hangup\r\nNumber: 7\r\nCallerIDNum: 200\r\n"
        assert event.call == "1.1"
        assert event.received.isoformat() == "2026-05-01T10:00:00.000001+00:00"
        assert (event.keys, event.control, event.snapshot) == (("main.hangup.200",), None, False)
        assert (event.redelivered, event.attempt, event.undecided) == (False, 1, "")
        assert event.body.id == event.id in repr(event)


async def test_nothing_is_settled_without_a_word_and_comes_again(office: Office) -> None:
    office.publish(*map(numbered_event, (1, 2)))
    async with office.client.subscribe("crm") as events:
        async for event in events:
            if event.seq == 2:
                break
    assert office.settled == []
    async with office.client.subscribe("crm") as events:
        again = await take(events, 2)
        assert seqs(again) == [1, 2]
        assert all(event.redelivered for event in again)


async def test_the_first_word_counts(office: Office) -> None:
    office.publish(numbered_event(1))
    async with office.client.subscribe("crm") as events:
        [event] = await take(events, 1)
        assert not event.settled
        event.ack()
        assert event.settled
        event.reject("too late")
        event.retry(0)
        event.ack()
        assert await nothing_comes(events)
    assert office.settled == [event.id]
    assert not office.lot.events


async def test_ack_when_next_acks_what_the_loop_came_back_from_and_nothing_else(office: Office) -> None:
    office.publish(*map(numbered_event, range(1, 5)))

    async def work() -> None:
        async with office.client.subscribe("crm", ack_when_next=True) as events:
            async for event in events:
                if event.seq == 2:
                    event.reject("never")
                assert event.seq < 4

    with pytest.raises(AssertionError):
        await work()
    assert set(office.settled) == {numbered_event(seq).message_id for seq in (1, 2, 3)}
    [parked] = office.lot.events.values()
    assert (parked.binding, parked.reason, parked.tries) == ("crm", "never", 1)
    assert parked.message == numbered_event(2)


async def test_an_event_that_is_put_off_holds_up_its_call_and_no_other(office: Office) -> None:
    calls = {1: "a", 2: "b", 3: "a", 4: "a", 5: "b"}
    office.publish(*(numbered_event(seq, call=call) for seq, call in calls.items()))
    given = []
    async with office.client.subscribe("crm") as events, asyncio.timeout(10):
        async for event in events:
            given.append((event.seq, event.attempt))
            if event.seq in (1, 3) and event.attempt == 1:
                event.retry(after_secs=0.05)
            else:
                event.ack()
            if len(given) == 7:
                break
    assert given[:3] == [(1, 1), (2, 1), (5, 1)]
    assert given[3:] == [(1, 2), (3, 1), (3, 2), (4, 1)]
    assert len(office.settled) == 5


async def test_waits_double_unless_a_time_is_given(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.publish(numbered_event(1))
    async with office.client.subscribe("crm") as events:
        now = asyncio.get_running_loop().time
        for wait in (1, 2, 4, 8, 16, 32, 60, 60):
            [event] = await take(events, 1)
            event.retry()
            due = events._backlog.due
            assert due is not None
            assert due - now() == pytest.approx(wait, abs=0.2)
            events._backlog._held_up[event._held.lane][0].not_before = 0
        [event] = await take(events, 1)
        event.retry(after_secs=100_000)
        assert events._backlog.due is not None
        assert events._backlog.due - now() < 601


async def test_a_rejected_event_is_settled_once_it_stands_in_the_lot(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "_RETRY_SECS", 0.01)
    office.lot.failures = 2
    office.publish(*map(numbered_event, (1, 2)))
    async with office.client.subscribe("crm") as events:
        one, two = await take(events, 2)
        one.reject("no such customer")
        two.ack()
        assert office.settled == [two.id]
        await until(lambda: office.settled == [two.id, one.id])
    assert [type(report) for report in office.reports] == [ParkingFailed, ParkingFailed, EventParked]
    assert "no such customer" in str(office.reports[-1])
    assert "out of reach" in str(office.reports[0])


async def test_closing_parks_what_was_rejected_before(office: Office) -> None:
    office.publish(*map(numbered_event, range(1, 21)))
    async with office.client.subscribe("crm") as events:
        for event in await take(events, 20):
            event.reject("never")
    assert len(office.lot.events) == len(office.settled) == 20


async def test_what_cannot_be_read_is_parked(office: Office) -> None:
    broken = numbered_event(1)
    office.publish(
        Message(broken.routing_key, broken.headers, broken.message_id, "Hangup", 0, b"{", JSON),
        numbered_event(2),
    )
    async with office.client.subscribe("crm") as events:
        assert await take_and_ack(events, 1) == [2]
        await until(lambda: len(office.settled) == 2)
    [parked] = office.lot.events.values()
    assert parked.reason.startswith("the body cannot be read")


async def test_a_filter_gives_what_it_takes_settles_the_rest_and_narrows_the_keys(office: Office) -> None:
    office.publish(
        numbered_event(1, "main.dial.200", event="Dial"),
        numbered_event(2, "main.hangup.200"),
        numbered_event(3, "main.dial.201", event="Dial"),
        numbered_event(4, "main.dial.200", event="Dial"),
    )
    async with office.client.subscribe("crm", regex="Number: [^1]", events=["dial"]) as events:
        assert await take_and_ack(events, 2) == [3, 4]
        assert len(office.settled) == 4
    assert office.source.bound[-1].keys == narrowed_keys(["#"], EventFilter(events=["dial"])) != ("#",)


SLOW = {"Text": r"^(a|a)*\1?$"}
POISON = "a" * 40 + "b"


async def test_what_the_filter_cannot_decide_is_parked_and_a_quarantine_holds_the_stream_up(
    office: Office,
) -> None:
    office.publish(*(numbered_event(seq, Text=POISON) for seq in range(1, 10)))
    async with office.client.subscribe("crm", where=SLOW) as events:
        reading = asyncio.create_task(events.next_event())
        await until(lambda: bool(office.told(FilterQuarantined)))
        await until(lambda: bool(office.lot.events))
        assert not reading.done()
    assert {parked.reason for parked in office.lot.events.values()} == {
        "the filter's pattern took too long on it"
    }
    # What came in the quarantine is neither settled nor parked.
    assert len(office.settled) == len(office.lot.events) < 9
    assert await reading is None


async def test_what_the_filter_cannot_decide_is_offered_where_that_is_asked_for(office: Office) -> None:
    office.publish(*(numbered_event(seq, Text=POISON) for seq in range(1, 10)), numbered_event(10))
    async with office.client.subscribe("crm", where=SLOW, undecided="offer") as events:
        given = await take(events, 9)
        assert seqs(given) == list(range(1, 10))
        assert {event.undecided for event in given} == {"timeout", "quarantined"}
    assert not office.lot.events


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"keys": ["main.Hangup.200"]}, PatternError, "lower case"),
        ({"keys": "main.#"}, ValueError, "list of patterns"),
        ({"keys": []}, ValueError, "takes every event"),
        ({"regex": "Dial("}, FilterInvalid, "regex"),
        ({"where": {"Channel": "["}}, FilterInvalid, "where.Channel"),
        ({"name": "Kunden"}, ValueError, "a-z"),
        ({"name": "_calls"}, ValueError, "a-z"),
        ({"prefetch": 0}, ValueError, "65,535"),
        ({"max_waiting": 0}, ValueError, "at least 1"),
        ({"undecided": "drop"}, ValueError, "park"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_connected(
    office: Office, wrong: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        office.client.subscribe(**wrong)  # type: ignore[arg-type]
    assert not office.source.bound


async def test_the_first_subscription_raises_and_leaves_nothing_behind(office: Office) -> None:
    office.source.errors = [BusUnreachable("nothing listens there")]
    with pytest.raises(BusUnreachable):
        async with office.client.subscribe("crm", regex="x"):
            pass
    assert len(asyncio.all_tasks()) == 1


async def test_a_stream_is_used_once_and_inside_its_context(office: Office) -> None:
    stream = office.client.subscribe("crm")
    with pytest.raises(RuntimeError, match="subscribe first"):
        await stream.next_event()
    async with stream:
        pass
    with pytest.raises(RuntimeError, match="once"):
        async with stream:
            pass


async def test_a_loss_is_told_and_what_was_not_acked_comes_again_marked(office: Office) -> None:
    office.publish(*map(numbered_event, range(1, 7)))
    async with office.client.subscribe("crm") as events:
        one, two, three, four = await take(events, 4)
        one.ack()
        three.retry(after_secs=100)
        office.source.lose()
        await until(lambda: bool(office.told(BusDown)))
        # Words about what a lost subscription gave change nothing there, but an ack is remembered.
        two.ack()
        four.reject("too late")
        three.ack()
        again = await take(events, 4)
        assert seqs(again) == [3, 4, 5, 6]
        assert all(event.redelivered and event.attempt == 1 for event in again)
        for event in again:
            event.ack()
        await until(lambda: len(office.settled) == 6)
    assert [type(report) for report in office.reports] == [BusDown, BusBack]
    assert not office.lot.events


async def test_cancelling_who_waits_loses_no_event(office: Office) -> None:
    async with office.client.subscribe("crm") as events:
        found: list[int] = []
        for seq in range(1, 101):
            waiting = asyncio.create_task(events.next_event())
            await asyncio.sleep(0)
            office.publish(numbered_event(seq))
            for _ in range(seq % 7):
                await asyncio.sleep(0)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                event = await waiting
                assert event is not None
                found.append(event.seq)
        found += seqs(await take(events, 100 - len(found)))
        assert found == list(range(1, 101))


async def test_an_end_in_the_middle_ends_the_iteration_of_every_task(office: Office) -> None:
    office.publish(*map(numbered_event, range(1, 11)))
    got: list[ReceivedEvent] = []

    async def work() -> None:
        async for event in events:
            got.append(event)
            event.ack()
            await asyncio.sleep(0)

    async with office.client.subscribe("crm") as events:
        workers = [asyncio.create_task(work()) for _ in range(3)]
        await until(lambda: len(got) == 10)
    await asyncio.wait_for(asyncio.gather(*workers), 5)
    assert sorted(seqs(got)) == list(range(1, 11)), "each event went to one of them"
    assert len(office.settled) == 10


class SlowSource(FakeSource):
    """Takes its time to subscribe, once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()
        self.free.set()
        self.asked = 0

    async def subscribe(self, name: str, prefetch: int = 500) -> FakeSubscription:
        self.asked += 1
        await self.free.wait()
        return await super().subscribe(name, prefetch)


async def test_an_end_while_it_subscribes_again_leaves_no_subscription_behind() -> None:
    source = SlowSource()
    client = EventClient(source, source, FakeLot())
    async with client.subscribe("crm") as events:
        source.free.clear()
        source.lose()
        await until(lambda: source.asked == 2)
        ending = asyncio.create_task(events.close())
        await asyncio.sleep(0)
        source.free.set()
        await ending
    assert not source.place("crm").subscriptions
    assert len(asyncio.all_tasks()) == 1


async def test_an_end_does_not_wait_for_ever_for_a_parking_lot_that_is_away(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_DRAIN_SECS", 0.02)
    office.lot.failures = 1000
    office.publish(numbered_event(1))
    async with office.client.subscribe("crm") as events:
        [event] = await take(events, 1)
        event.reject("never")
    assert not office.settled, "it comes again"
    assert len(asyncio.all_tasks()) == 1


async def test_closing_the_client_ends_its_streams(office: Office) -> None:
    async with office.client as client:
        stream = await client.subscribe("crm").__aenter__()
        waiting = asyncio.create_task(stream.next_event())
        await asyncio.sleep(0)
    assert await asyncio.wait_for(waiting, 5) is None
    assert len(asyncio.all_tasks()) == 1


async def test_a_fault_in_the_report_function_is_raised_where_the_events_are_waited_for(
    office: Office,
) -> None:
    def broken(_: object) -> None:
        raise LookupError("no log")

    client = type(office.client)(office.source, office.source, office.lot, broken)
    async with client.subscribe("crm") as events:
        office.source.lose()
        with pytest.raises(LookupError, match="no log"):
            await asyncio.wait_for(events.next_event(), 5)
