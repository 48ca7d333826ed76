import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.errors import BusLost, BusRefused, BusUnreachable
from publisher.records import CONTROL, Record
from publisher.reports import (
    BusBlocked,
    BusDown,
    BusRefusal,
    BusUp,
    MessagesRefused,
    MessagesUnroutable,
    Report,
)
from publisher.services.forwarder import CURSOR, Forwarder, ForwarderSettings
from schemas.message import Message
from tests.fakes.bus import FakeBus
from tests.fakes.clock import HurryingClock
from tests.fakes.journal import FakeJournal
from tests.forwarder.oracle import decode, duplicates, first_arrivals_in_order, lost, until


class Bench:
    """A forwarder between a fake journal and a fake bus."""

    def __init__(self, window: int = 100, batch: int = 25) -> None:
        self.journal = FakeJournal()
        self.bus = FakeBus()
        self.clock = HurryingClock()
        self.reports: list[Report] = []
        self.limits = ForwarderSettings(window=window, batch=batch, settle_secs=2)
        self.forwarder = self.new_forwarder()

    def new_forwarder(self) -> Forwarder:
        return Forwarder(self.journal, self.bus, decode, self.reports.append, self.clock, self.limits)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.forwarder.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def seqs(self) -> list[int]:
        return [message.headers.seq for message in self.bus.stored]

    async def confirmed(self, pos: int) -> None:
        await until(lambda: self.journal.durable_cursor(CURSOR) >= pos)

    def told(self, kind: type[Report]) -> list[Report]:
        return [report for report in self.reports if isinstance(report, kind)]


def of(*seqs: int) -> Callable[[Message], bool]:
    return lambda message: message.headers.seq in seqs


async def test_every_record_reaches_the_bus_once_and_in_order() -> None:
    bench = Bench()
    bench.journal.append_events(1000)
    async with bench.running():
        await bench.confirmed(1000)
    assert bench.seqs == list(range(1, 1001))
    assert bench.forwarder.counters.forwarded == bench.forwarder.counters.confirmed == 1000
    assert bench.forwarder.counters.resent == 0
    assert bench.forwarder.backlog == 0


async def test_records_that_come_later_are_forwarded_as_they_come() -> None:
    bench = Bench()
    async with bench.running():
        for count in (1, 7, 300):
            bench.journal.append_events(count)
            await bench.confirmed(bench.journal.next_pos - 1)
    assert bench.seqs == list(range(1, 309))


async def test_never_more_than_the_window_is_in_flight() -> None:
    bench = Bench(window=40, batch=25)
    bench.bus.confirming = False
    bench.journal.append_events(500)
    async with bench.running():
        await until(lambda: len(bench.bus.stored) == 40)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(bench.bus.stored) == 40
        bench.bus.confirming = True
        bench.bus.session.lose()
        await bench.confirmed(500)
    assert bench.bus.most_in_flight == 40
    assert lost(bench.seqs, 500) == set()
    assert duplicates(bench.seqs) == 40


async def test_the_window_is_counted_from_the_cursor_that_a_crash_would_find() -> None:
    bench = Bench(window=50)
    bench.journal = FakeJournal(commit_secs=None)
    bench.forwarder = bench.new_forwarder()
    bench.journal.append_events(500)
    bench.journal.commit()
    async with bench.running():
        await until(lambda: bench.journal.cursor(CURSOR) == 50)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(bench.bus.stored) == 50, "confirmed, but not yet durable: no more may be sent"
    bench.journal.crash()
    bench.forwarder = bench.new_forwarder()
    async with bench.running():
        while bench.journal.durable_cursor(CURSOR) < 500:
            bench.journal.commit()
            await asyncio.sleep(0.001)
    assert lost(bench.seqs, 500) == set()
    assert duplicates(bench.seqs) == 50


async def test_what_a_lost_session_left_unconfirmed_is_sent_again_in_order() -> None:
    bench = Bench(window=60)
    bench.bus.confirming = False
    bench.journal.append_events(200)
    async with bench.running():
        await until(lambda: len(bench.bus.stored) == 60)
        bench.bus.confirming = True
        bench.bus.session.lose(BusLost("the line was cut"))
        await bench.confirmed(200)
    assert bench.seqs == [*range(1, 61), *range(1, 201)]
    assert bench.forwarder.counters.resent == 60
    assert bench.forwarder.counters.reconnects == 1
    [down] = bench.told(BusDown)
    assert isinstance(down, BusDown)
    assert (down.reason, down.unconfirmed) == ("the line was cut", 60)
    assert len(bench.told(BusUp)) == 2


async def test_a_bus_that_cannot_be_reached_is_tried_again_with_growing_pauses_up_to_5_s() -> None:
    bench = Bench()
    bench.bus.open_errors = [BusUnreachable("nothing listens there") for _ in range(12)]
    bench.journal.append_events(3)
    async with bench.running():
        await bench.confirmed(3)
    pauses = bench.clock.slept
    assert len(pauses) == 12
    assert 0.2 <= pauses[0] <= 0.4
    assert all(pause <= 5 for pause in pauses)
    assert pauses[-1] > pauses[0]
    assert bench.seqs == [1, 2, 3]


async def test_a_refusal_is_told_as_such_and_tried_again_at_most_every_30_s() -> None:
    bench = Bench()
    bench.bus.open_errors = [BusRefused("wrong password") for _ in range(12)]
    bench.journal.append_events(3)
    async with bench.running():
        await bench.confirmed(3)
    assert [report.reason for report in bench.told(BusRefusal) if isinstance(report, BusRefusal)] == [
        "wrong password"
    ] * 12
    assert max(bench.clock.slept) <= 30
    assert max(bench.clock.slept) >= 15
    assert bench.seqs == [1, 2, 3]


async def test_a_nacked_message_and_those_after_it_are_sent_again_in_order() -> None:
    bench = Bench(window=50)
    tries = 0

    def nack_twice(message: Message) -> bool:
        nonlocal tries
        tries += message.headers.seq == 120
        return message.headers.seq == 120 and tries <= 2

    bench.bus.nack = nack_twice
    bench.journal.append_events(400)
    async with bench.running():
        await bench.confirmed(400)
    assert lost(bench.seqs, 400) == set()
    assert duplicates(bench.seqs) <= 50
    after = bench.seqs[bench.seqs.index(120) :]
    assert after == list(range(120, 401)), "from the refused one on, the last copies stand in order"
    assert bench.forwarder.counters.refused == 2
    assert len(bench.told(MessagesRefused)) == 2


async def test_a_message_that_is_refused_for_long_is_tried_alone_with_growing_pauses() -> None:
    bench = Bench(window=50)
    bench.bus.nack = of(10)
    bench.journal.append_events(100)
    async with bench.running():
        await until(lambda: len(bench.told(MessagesRefused)) >= 8)
        assert bench.bus.session.batches[-6:] == [1] * 6
        assert bench.journal.cursor(CURSOR) == 9, "nothing passes the refused one"
        assert max(bench.clock.slept) <= 5
        assert max(bench.clock.slept) > 1
        bench.bus.nack = of()
        await bench.confirmed(100)
    assert lost(bench.seqs, 100) == set()
    assert bench.bus.session.batches[-1] > 1, "the window grows back"


async def test_nothing_is_published_while_the_bus_is_blocked() -> None:
    bench = Bench()
    async with bench.running():
        await until(lambda: bool(bench.bus.sessions))
        bench.bus.session.block("low on memory")
        bench.journal.append_events(300)
        await until(lambda: bool(bench.told(BusBlocked)))
        assert bench.bus.stored == []
        assert "low on memory" in bench.forwarder.state
        bench.bus.session.unblock()
        await bench.confirmed(300)
    assert bench.seqs == list(range(1, 301))
    reasons = [report.reason for report in bench.told(BusBlocked) if isinstance(report, BusBlocked)]
    assert reasons == ["low on memory", ""]


async def test_a_session_lost_while_blocked_is_replaced() -> None:
    bench = Bench()
    async with bench.running():
        await until(lambda: bool(bench.bus.sessions))
        bench.bus.session.block("low on disk")
        bench.journal.append_events(30)
        await until(lambda: bool(bench.told(BusBlocked)))
        bench.bus.session.lose()
        await bench.confirmed(30)
    assert bench.seqs == list(range(1, 31))


async def test_messages_that_no_queue_takes_are_counted_and_not_sent_again() -> None:
    bench = Bench()
    bench.bus.unroutable = of(3, 4, 5)
    bench.journal.append_events(10)
    async with bench.running():
        await bench.confirmed(10)
    assert bench.seqs == list(range(1, 11))
    assert bench.forwarder.counters.unroutable == 3
    told = [
        report.count for report in bench.told(MessagesUnroutable) if isinstance(report, MessagesUnroutable)
    ]
    assert sum(told) == 3

    bench = Bench(window=30)
    bench.bus.confirming = False
    bench.journal.append_events(30)
    task = asyncio.create_task(bench.forwarder.run())
    await until(lambda: len(bench.bus.stored) == 30)
    task.cancel()
    await asyncio.sleep(0)
    session = bench.bus.session
    for number in range(1, 31):
        session._confirms.ack(number, multiple=False)
    session._news.set()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert session.closed
    assert bench.journal.cursor(CURSOR) == 30


async def test_a_gap_record_moves_the_cursor_past_all_the_numbers_it_stands_for() -> None:
    bench = Bench()
    journal = bench.journal
    journal.append_events(5)
    epoch = journal.epoch
    journal.append([Record(6, epoch, 6, 0, CONTROL, 0, "main", b"", span=5000)])
    journal.append_events(5)
    async with bench.running():
        await bench.confirmed(5010)
    assert bench.seqs == [1, 2, 3, 4, 5, 6, 5006, 5007, 5008, 5009, 5010]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["lose", "block", "unblock", "nack", "mute", "speak", "append"]),
            st.integers(0, 30),
        ),
        max_size=25,
    ),
    st.integers(1, 40),
)
def test_whatever_happens_nothing_is_lost_and_duplicates_stay_within_the_window(
    script: list[tuple[str, int]], window: int
) -> None:
    async def play() -> None:
        bench = Bench(window=window, batch=7)
        bus, refusals, faults = bench.bus, set[int](), 0

        def nack(message: Message) -> bool:
            if message.headers.seq in refusals:
                refusals.discard(message.headers.seq)
                return True
            return False

        bus.nack = nack
        bench.journal.append_events(20)
        async with bench.running():
            await until(lambda: bool(bus.sessions))
            for action, number in script:
                if action == "lose":
                    bus.session.lose()
                    faults += 1
                elif action == "block":
                    bus.session.block("low on memory")
                elif action == "unblock":
                    bus.session.unblock()
                elif action == "nack":
                    refusals.add(bench.journal.cursor(CURSOR) + number)
                    faults += 1
                elif action == "append":
                    bench.journal.append_events(number + 1)
                else:
                    bus.confirming = action == "speak"
                    # What was stored unsaid stays unsaid: only a lost session brings it back.
                    if action == "speak":
                        bus.session.lose()
                        faults += 1
                for _ in range(number):
                    await asyncio.sleep(0)
            bus.confirming = True
            bus.session.lose()
            faults += 1
            while bench.journal.cursor(CURSOR) < bench.journal.next_pos - 1:
                bus.session.unblock()
                await asyncio.sleep(0)
        count = bench.journal.next_pos - 1
        assert lost(bench.seqs, count) == set()
        assert duplicates(bench.seqs) <= window * faults
        if not any(action == "nack" for action, _ in script):
            assert first_arrivals_in_order(bench.seqs)
        ids = {message.headers.seq: message.message_id for message in bus.stored}
        assert all(ids[message.headers.seq] == message.message_id for message in bus.stored)

    asyncio.run(asyncio.wait_for(play(), 30))


async def test_a_decoder_that_fails_once_costs_neither_order_nor_a_double() -> None:
    bench = Bench()
    failed = 0

    def fails_at_30(record: Record) -> Message:
        nonlocal failed
        if record.pos == 30 and not failed:
            failed += 1
            raise RuntimeError("a fault of our own")
        return decode(record)

    bench.forwarder = Forwarder(
        bench.journal, bench.bus, fails_at_30, bench.reports.append, bench.clock, bench.limits
    )
    bench.journal.append_events(100)
    with pytest.raises(RuntimeError, match="our own"):
        await bench.forwarder.run()
    async with bench.running():
        await bench.confirmed(100)
    assert first_arrivals_in_order(bench.seqs)
    assert bench.forwarder.counters.confirmed == 100
    assert len(bench.seqs) <= 125, "nothing but the batch in flight comes twice"
