"""The collector around its link: faults of our own, and the journal's troubles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from publisher.ami.session import SessionSettings
from publisher.errors import PbxUnreachable
from publisher.records import Record
from publisher.reports import JournalAlarm, ResyncDone
from publisher.services.collector import Collector, CollectorSettings
from tests.collector.scripted import Wire, answers_to
from tests.fakes.clock import RealClock
from tests.fakes.journal import FakeJournal, FakeJournalState


class Brittle(FakeJournal):
    """A journal that has a fault of its own when it is told to, and an alarm."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.alarm = ""

    @property
    def state(self) -> FakeJournalState:
        state = FakeJournalState()
        state.alarm = self.alarm
        return state

    def append(self, records: Sequence[Record]) -> None:
        if self.broken:
            raise RuntimeError("a fault of our own")
        super().append(records)


class FastClock(RealClock):
    """Real order, twenty times the speed: a resync that is put off by half a minute comes soon."""

    def monotonic(self) -> float:
        return super().monotonic() * 20


class ScriptedPbx:
    """Implements `publisher.ports.AmiConnector`: a PBX that answers all it is asked, with empty lists."""

    def __init__(self) -> None:
        self.live = asyncio.Event()
        self.wire = Wire()
        self.on_data: Callable[[bytes], None] = lambda data: None
        self.on_lost: Callable[[Exception | None], None] = lambda error: None

    async def connect(
        self, on_data: Callable[[bytes], None], on_lost: Callable[[Exception | None], None]
    ) -> Wire:
        self.on_data, self.on_lost = on_data, on_lost
        self.wire = Wire(self._heard)
        asyncio.get_running_loop().call_soon(on_data, b"Asterisk Call Manager/9.0.0\r\n")
        return self.wire

    def _heard(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.on_data, answers_to(data))
        if b"ExtensionStateList" in data:
            self.live.set()


def collector_of(pbx: ScriptedPbx, journal: FakeJournal, reports: list[object]) -> Collector:
    settings = SessionSettings(username="bus", secret="obviously-fake", auth="plain")
    return Collector(CollectorSettings(settings), pbx, journal, FastClock(), reports.append)


@pytest.mark.parametrize("where", ["in an event", "at the end"])
async def test_a_fault_of_our_own_in_a_callback_is_raised_where_the_supervisor_hears_it(where: str) -> None:
    pbx, journal = ScriptedPbx(), Brittle()
    running = asyncio.create_task(collector_of(pbx, journal, []).run())
    await pbx.live.wait()
    journal.broken = True
    if where == "in an event":
        pbx.on_data(b"Event: Newstate\r\nPrivilege: call,all\r\n\r\n")
    else:
        pbx.on_lost(None)
    with pytest.raises(RuntimeError, match="our own"):
        await asyncio.wait_for(running, 20)


@pytest.mark.parametrize("left", ["", "the journal was damaged once"])
async def test_when_trouble_of_the_journal_is_over_the_live_state_is_read_again(left: str) -> None:
    pbx, journal = ScriptedPbx(), Brittle()
    reports: list[object] = []
    running = asyncio.create_task(collector_of(pbx, journal, reports).run())

    async def until(count: int, kind: type) -> None:
        async with asyncio.timeout(20):
            while sum(isinstance(said, kind) for said in reports) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    await until(1, ResyncDone)
    journal.alarm = "the disk is full"
    await until(1, JournalAlarm)
    journal.alarm = left
    await until(2, JournalAlarm)
    await until(2, ResyncDone)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Unreachable(ScriptedPbx):
    async def connect(
        self, on_data: Callable[[bytes], None], on_lost: Callable[[Exception | None], None]
    ) -> Wire:
        raise PbxUnreachable("there is nobody")


async def test_trouble_of_the_journal_is_told_while_the_pbx_is_away() -> None:
    journal = Brittle()
    journal.alarm = "the disk is full"
    reports: list[object] = []
    running = asyncio.create_task(collector_of(Unreachable(), journal, reports).run())
    async with asyncio.timeout(20):
        while len(reports) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert reports[0] == JournalAlarm("main", "the disk is full")
