"""One simulated PBX, one collector and its real journal: what the tests of this folder play with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from publisher.adapters.clock import SystemClock
from publisher.adapters.journal import SqliteJournal, open_journal
from publisher.adapters.tcp import TcpConnector
from publisher.ami.session import SessionSettings
from publisher.app import leave_out_filters
from publisher.backoff import Backoff
from publisher.decoding import EventDecoder, PbxNaming
from publisher.ports import AmiConnector, Clock
from publisher.reports import Report
from publisher.services.collector import Collector, CollectorSettings
from publisher.simulator import Channel, SimulatedPbx
from schemas import Event, decode

SECRET = "obviously-fake"
WAIT_SECS = 20.0


class ImpatientClock(SystemClock):
    """The real clock, with the waits between tries cut short and remembered."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, secs: float) -> None:
        if secs >= 0.25:
            self.waits.append(secs)
        await asyncio.sleep(min(secs, 0.01))


@dataclass
class Office:
    """`reports` is what the collector said; `events()` what stands in the journal, decoded."""

    pbx: SimulatedPbx
    journal: SqliteJournal
    collector: Collector
    task: asyncio.Task[None]
    clock: ImpatientClock
    reports: list[Report] = field(default_factory=list)

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait for a state; fail with the reports if it does not come."""
        try:
            async with asyncio.timeout(WAIT_SECS):
                while not done():  # noqa: ASYNC110 - no single event says it
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"it did not come about; the collector said {self.reports}") from None

    async def up(self) -> None:
        """Wait until events flow and the live state is read."""

        def settled() -> bool:
            link = self.collector.link
            return self.collector.up and link is not None and not link.resyncing

        await self.until(settled)

    async def until_up_again(self, ups: int) -> None:
        """Wait for the `ups`-th time that the link came up, and its resync."""
        await self.until(lambda: self.count("PbxUp") >= ups and self.count("ResyncDone") >= ups)

    def count(self, report: str) -> int:
        return sum(type(said).__name__ == report for said in self.reports)

    def call(self, extension: str, **settings: object) -> Channel:
        """A channel that lives, and the event that says so."""
        channel = self.pbx.state.new_channel(extension, **settings)
        self.say("Newchannel", channel)
        return channel

    def hang_up(self, channel: Channel) -> None:
        self.pbx.state.end_channel(channel)
        self.say("Hangup", channel)

    def say(self, event: str, channel: Channel) -> None:
        fields = [
            ("Channel", channel.name),
            ("CallerIDNum", channel.caller_num),
            ("CallerIDName", channel.caller_name),
            ("Exten", channel.exten),
            ("Context", channel.context),
            ("Uniqueid", channel.uniqueid),
        ]
        if self.pbx.options.version != "11":
            fields.append(("Linkedid", channel.linkedid))
        self.pbx.emit(event, "call,all", fields)

    async def events(self) -> list[Event]:
        """All that stands in the journal, from the beginning."""
        decoder = EventDecoder(PbxNaming(self.journal.pbx))
        events: list[Event] = []
        pos = 0
        last = self.journal.next_pos - 1
        if last:
            await self.journal.wait_beyond(last - 1)
        while records := await self.journal.read(pos):
            for record in records:
                message = decoder.message(record)
                events.append(decode(message.content_type, message.body))
            pos = records[-1].pos + records[-1].span - 1
        return events

    async def controls(self) -> list[tuple[str, str]]:
        """The control events: kind and, where it has one, cause."""
        return [
            (str(event.control["kind"]), str(event.control.get("cause", "")))
            for event in await self.events()
            if event.control is not None
        ]


@contextlib.asynccontextmanager
async def open_office(
    pbx: SimulatedPbx,
    folder: Path,
    *,
    connector: AmiConnector | None = None,
    leave_out: tuple[str, ...] = (),
    name: str = "main",
    **session: Any,
) -> AsyncIterator[Office]:
    """A collector that serves the PBX, with its journal in the folder. Stops like a service."""
    journal = await open_journal(folder, name)
    clock = ImpatientClock()
    reports: list[Report] = []
    settings = CollectorSettings(
        SessionSettings(username="bus", secret=SECRET, filters=leave_out_filters(leave_out), **session),
        leave_out=leave_out,
        backoff=Backoff(0.5, 30.0),
    )
    used: Clock = clock
    collector = Collector(
        settings, connector or TcpConnector(pbx.host, pbx.port), journal, used, reports.append
    )
    task = asyncio.create_task(collector.run())
    try:
        yield Office(pbx, journal, collector, task, clock, reports)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await journal.close()
