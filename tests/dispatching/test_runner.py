"""One binding served, in virtual time: order, tries, parking, outages, ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from consumers.dispatching.intake import Answer
from consumers.dispatching.settings import DispatchSettings
from consumers.errors import BusRefused, SinkUnavailable
from consumers.plugin import DONE, Outcome, Reject, Retry, SinkEvent
from consumers.reports import (
    BindingBusDown,
    BindingEnded,
    EventParked,
    FilterQuarantined,
    FilterTimedOut,
    ParkingFailed,
    SinkDown,
)
from schemas import Event
from tests.dispatching.office import NAME, Office, ScriptedSink, message
from tests.fakes.virtual_time import run_virtual

NO = Retry("no")


def poison(*numbers: int, outcome: Outcome | Exception | float = NO) -> ScriptedSink:
    """A sink that never takes these."""
    return ScriptedSink(lambda event: outcome if event.event.seq in numbers else DONE)


def test_every_event_reaches_the_sink_once_in_the_order_of_its_call() -> None:
    async def world() -> None:
        office = Office(sink=ScriptedSink(lambda event: 0.01 * (event.event.seq % 7)))
        async with office.served():
            office.publish(*(message(number, f"call-{number % 5}") for number in range(1, 300)))
            await office.all_settled()
        office.check()
        assert office.sink.most_at_once == 5

    run_virtual(world())


def test_takes_overlap_up_to_the_concurrency() -> None:
    async def world() -> None:
        office = Office(DispatchSettings(concurrency=3), sink=ScriptedSink(lambda event: 1.0))
        async with office.served():
            office.publish(*(message(number, f"call-{number}") for number in range(1, 20)))
            await office.all_settled()
        assert office.sink.most_at_once == 3

    run_virtual(world())


def test_a_batch_holds_events_of_several_calls_each_in_order() -> None:
    async def world() -> None:
        office = Office(DispatchSettings(concurrency=2, most_events=50))
        async with office.served():
            office.publish(*(message(number, f"call-{number % 9}") for number in range(1, 400)))
            await office.all_settled()
        office.check()

    run_virtual(world())


@pytest.mark.parametrize("outcome", [Retry("no"), ValueError("a fault"), Reject("never"), 1e6])
def test_a_poison_event_is_parked_with_its_reason_and_its_call_goes_on(
    outcome: Outcome | Exception | float,
) -> None:
    async def world() -> None:
        office = Office(DispatchSettings(tries=4), sink=poison(2, outcome=outcome))
        async with office.served():
            office.publish(*(message(number) for number in range(1, 6)), message(1, "call-2", "branch"))
            await office.all_settled()
        office.check()
        [parked] = office.lot.events.values()
        assert parked.message.headers.seq == 2
        assert parked.tries == (1 if isinstance(outcome, Reject) else 4)
        words = {Retry: "no", ValueError: "ValueError: a fault", Reject: "never", float: "longer than 30 s"}
        assert words[type(outcome)] in parked.reason
        assert [report.id for report in office.told(EventParked)] == ["main-1-2"]  # type: ignore[attr-defined]

    run_virtual(world())


def test_other_calls_do_not_wait_for_a_poison_event() -> None:
    async def world() -> None:
        office = Office(DispatchSettings(tries=1000), sink=poison(1))
        async with office.served():
            office.publish(message(1, "bad"), message(2, "bad"))
            office.publish(*(message(number, f"call-{number}") for number in range(3, 50)))
            await office.settled_count(47)
        assert "main-1-1" not in office.settled
        assert "main-1-2" not in office.settled

    run_virtual(world())


@pytest.mark.parametrize("says_so", [True, False])
def test_a_sink_that_is_away_for_a_night_costs_no_event_its_place(says_so: bool) -> None:
    async def world() -> None:
        sink = ScriptedSink()
        office = Office(DispatchSettings(tries=5), sink=sink)
        if says_so:
            sink.away = True
        else:
            sink.behave = lambda event: Retry("500")
        async with office.served():
            office.publish(*(message(number, f"call-{number % 20}") for number in range(1, 200)))
            await asyncio.sleep(8 * 3600)
            assert office.settled == []
            sink.away = False
            sink.behave = lambda event: DONE
            await office.all_settled(within_secs=120)
        # At most the first lane may have looked like poison before a second one failed too.
        assert office.parked == []
        office.check()
        assert bool(office.told(SinkDown)) == says_so

    run_virtual(world())


def test_a_sink_that_goes_away_in_the_middle_is_opened_again_and_gets_the_same_events() -> None:
    async def world() -> None:
        sink = ScriptedSink()
        raised = 0

        def behave(event: SinkEvent) -> Outcome | Exception:
            nonlocal raised
            if event.event.seq == 10 and raised < 3:
                raised += 1
                return SinkUnavailable("connection reset")
            return DONE

        sink.behave = behave
        office = Office(DispatchSettings(tries=1), sink=sink)
        async with office.served():
            office.publish(*(message(number) for number in range(1, 30)))
            await office.all_settled()
        office.check()
        assert office.parked == []
        assert sink.opened == 4

    run_virtual(world())


def test_a_retry_waits_as_long_as_the_other_side_asks() -> None:
    async def world() -> None:
        times: list[float] = []

        def behave(event: SinkEvent) -> Outcome:
            times.append(asyncio.get_running_loop().time())
            return Retry("busy", after_secs=120.0) if len(times) == 1 else DONE

        office = Office(sink=ScriptedSink(behave))
        async with office.served():
            office.publish(message(1))
            await office.all_settled()
        assert 120 <= times[1] - times[0] < 125

    run_virtual(world())


def test_what_was_lost_with_the_bus_comes_again_and_nothing_that_was_taken_is_given_again() -> None:
    async def world() -> None:
        office = Office(DispatchSettings(concurrency=4), sink=ScriptedSink(lambda event: 0.5))
        async with office.served():
            office.publish(*(message(number, f"call-{number % 6}") for number in range(1, 100)))
            for _ in range(6):
                await asyncio.sleep(1.7)
                office.source.lose()
            await office.all_settled()
        # What was under way when the bus was lost is known by its id when it comes again.
        office.check()
        assert len(office.told(BindingBusDown)) == 6

    run_virtual(world())


def test_a_bus_that_refuses_is_asked_again_and_told() -> None:
    async def world() -> None:
        office = Office()
        office.source.errors = [BusRefused("not allowed"), BusRefused("not allowed")]
        async with office.served():
            office.publish(message(1))
            await office.all_settled()
        assert [report.reason for report in office.told(BindingBusDown)] == ["not allowed"] * 2  # type: ignore[attr-defined]

    run_virtual(world())


def test_what_cannot_be_parked_waits_until_it_can() -> None:
    async def world() -> None:
        office = Office(sink=poison(1, outcome=Reject("never")))
        office.lot.failures = 3
        async with office.served():
            office.publish(message(1), message(2), replace(message(3, "call-2"), body=b"not a body"))
            await office.all_settled()
        assert sorted(office.parked) == ["main-1-1", "main-1-3"]
        assert len(office.told(ParkingFailed)) == 3
        assert office.sink.done == ["main-1-2"]

    run_virtual(world())


def test_at_the_end_what_is_under_way_is_finished_and_the_rest_stays_on_the_bus() -> None:
    async def world() -> None:
        office = Office(DispatchSettings(concurrency=2), sink=ScriptedSink(lambda event: 5.0))
        async with office.served():
            office.publish(*(message(number, f"call-{number}") for number in range(1, 10)))
            await asyncio.sleep(1)
        assert sorted(office.settled) == sorted(office.sink.done) == ["main-1-1", "main-1-2"]
        assert len(office.source.place(NAME).waiting) == 7
        assert not office.sink.is_open
        assert len(office.told(BindingEnded)) == 1

    run_virtual(world())


def test_a_take_that_does_not_end_is_cut_off_at_the_end() -> None:
    async def world() -> None:
        office = Office(DispatchSettings(drain_secs=3, take_secs=1e6), sink=ScriptedSink(lambda event: 1e5))
        async with office.served():
            office.publish(message(1))
            await asyncio.sleep(1)
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - before < 4
        assert office.settled == []

    run_virtual(world())


class ScriptedGate:
    """Answers as it is told, by number."""

    def __init__(self, answers: dict[int, Answer]) -> None:
        self.answers_by_number = answers
        self.quarantine_secs = 60.0

    async def answers(self, events: Sequence[Event]) -> Sequence[Answer]:
        return [self.answers_by_number.get(event.seq, Answer.YES) for event in events]

    async def close(self) -> None:
        return None


def test_what_the_filter_leaves_is_settled_and_what_it_could_not_decide_is_parked() -> None:
    async def world() -> None:
        office = Office(gate=ScriptedGate({1: Answer.NO, 2: Answer.TIMEOUT}))
        async with office.served():
            office.publish(message(1), message(2), message(3))
            await office.all_settled()
        assert (office.sink.done, office.parked) == (["main-1-3"], ["main-1-2"])
        assert office.runner.filtered_out == 1
        assert len(office.told(FilterTimedOut)) == 1

    run_virtual(world())


def test_a_filter_in_quarantine_holds_its_binding_up_and_nothing_is_lost() -> None:
    async def world() -> None:
        gate = ScriptedGate({5: Answer.QUARANTINED})
        office = Office(gate=gate)
        async with office.served():
            office.publish(*(message(number) for number in range(1, 10)))
            await asyncio.sleep(200)
            assert office.sink.done == [f"main-1-{number}" for number in range(1, 5)]
            gate.answers_by_number.clear()
            await office.all_settled(within_secs=61)
        office.check()
        assert len(office.told(FilterQuarantined)) == 4

    run_virtual(world())


def test_an_id_that_comes_twice_is_given_once_where_the_binding_asks_for_it() -> None:
    async def world() -> None:
        for once, times in ((True, 1), (False, 2)):
            office = Office(DispatchSettings(once=once))
            async with office.served():
                office.publish(message(1), message(1))
                await office.settled_count(2)
            assert len(office.sink.done) == times

    run_virtual(world())


@pytest.mark.parametrize("said", [None, "done", [None], [DONE, DONE, DONE]])
def test_a_sink_that_says_what_it_may_not_is_tried_again_and_its_event_parked(said: object) -> None:
    async def world() -> None:
        office = Office(DispatchSettings(tries=3))
        takes = 0

        async def take(events: Sequence[SinkEvent]) -> object:
            nonlocal takes
            takes += 1
            return said

        office.sink.take = take  # type: ignore[method-assign,assignment]
        async with office.served():
            office.publish(message(1))
            await office.all_settled()
        assert office.parked == ["main-1-1"]
        assert takes == 3

    run_virtual(world())


def test_what_cannot_be_parked_for_a_reason_of_its_own_is_told_and_not_tried_at_once_again() -> None:
    async def world() -> None:
        office = Office(sink=poison(1, outcome=Reject("never")))
        tries: list[float] = []

        async def park(*_: object) -> None:
            tries.append(asyncio.get_running_loop().time())
            if len(tries) < 4:
                raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

        office.lot.park = park  # type: ignore[method-assign,assignment]
        async with office.served():
            office.publish(message(1))
            office.source.place(NAME).on_settle = lambda id: None
            await office.all_settled()
        assert len(office.told(ParkingFailed)) == 3
        assert tries[-1] - tries[0] > 5

    run_virtual(world())
