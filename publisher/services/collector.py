"""The collector: keeps one PBX's link up and its journal fed, for as long as the process lives.

One collector a PBX, sharing nothing with the others: a PBX that hangs, refuses or floods costs only its
own collector. At most one connection stands at a time. The next try comes after 0.5 s, doubling with
jitter to 30 s; after a refused login only once a minute, because each try is a line in the PBX's security
log and may get the address banned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from publisher.ami.errors import SessionNotReady
from publisher.ami.fields import ParsedPacket
from publisher.ami.session import AmiSession, SessionSettings
from publisher.backoff import Backoff
from publisher.command_ports import Taker
from publisher.errors import PbxUnreachable
from publisher.ports import AmiConnector, Clock, Journal
from publisher.reports import JournalAlarm, PbxDown, PbxLoginRefused, Report
from publisher.services.link import Link
from publisher.services.link_end import LinkEnd, Phase
from publisher.services.recorder import Recorder
from publisher.services.supervisor import CallbackFaults

OnEvent = Callable[[str, Mapping[str, str | list[str]]], None]

_TICK_SECS: Final = 0.25
_SAVE_EVERY_SECS: Final = 1.0
_REFUSED_SECS: Final = 60.0
# A link that lived this long was a good one: the next trouble starts from the shortest wait again.
_GOOD_LINK_SECS: Final = 10.0
_CONGESTION_CHECK_SECS: Final = 0.005


@dataclass(slots=True, frozen=True)
class CollectorSettings:
    """What a collector must know of its PBX. `leave_out` are names of events not wanted on the bus."""

    session: SessionSettings
    encoding: str = "utf-8"
    leave_out: tuple[str, ...] = ()
    backoff: Backoff = field(default_factory=Backoff)


class Collector:
    """Reads one PBX. `run` ends only by cancellation; then the link is closed and a `down` journalled."""

    def __init__(
        self,
        settings: CollectorSettings,
        connector: AmiConnector,
        journal: Journal,
        clock: Clock,
        report: Callable[[Report], None],
        opening_loss: str = "",
    ) -> None:
        self._settings = settings
        self._connector = connector
        self._journal = journal
        self._clock = clock
        self._report = report
        self._opening_loss = opening_loss
        self._link: Link | None = None
        self._changed = asyncio.Event()
        self._alarm = ""
        self._faults = CallbackFaults(self._changed.set)
        self.reconnects = 0
        self._ami_version = ""
        self._was_up = False
        self._on_link_changed: Callable[[], None] = lambda: None
        self.recorder = Recorder(
            journal,
            encoding=settings.encoding,
            leave_out=settings.leave_out,
            on_noted=self._noted,
        )

    @property
    def link(self) -> Link | None:
        """The link of the moment, for status pages and the commander."""
        return self._link

    @property
    def up(self) -> bool:
        return self._link is not None and self._link.phase is Phase.LIVE

    def on_watched(self, event: OnEvent, link_changed: Callable[[], None]) -> None:
        """Who hears of watched events, and of connections that come and go; neither may raise."""
        self.recorder.on_watched = event
        self._on_link_changed = link_changed

    def watch_events(self, names: frozenset[str]) -> None:
        """The names of the events to watch from now on."""
        self.recorder.watched = names

    @property
    def ami_version(self) -> str:
        """The manager interface's version; the last known one while there is no link."""
        known = self._link.ami_version if self._link is not None else ""
        return known or self._ami_version

    @property
    def channels_known(self) -> bool:
        return self._link is not None and self._link.channels_known

    def living(self, uniqueid: str) -> tuple[str, str] | None:
        """A live channel's name and state; None if none of that Uniqueid lives."""
        channel = self.recorder.live.channel(uniqueid)
        if channel is None:
            return None
        return channel.headers.get("Channel", ""), channel.headers.get("ChannelState", "")

    def send(
        self,
        action: str,
        headers: Iterable[tuple[str, str]],
        action_id: str,
        taker: Taker,
        timeout_secs: float,
    ) -> None:
        """Hand an action to the link of the moment (`Link.send`)."""
        if self._link is None:
            raise SessionNotReady(f"{action} cannot be sent: the PBX is not connected")
        self._link.send(action, headers, action_id, taker, timeout_secs)

    def flush(self) -> None:
        if self._link is not None:
            self._link.flush()

    async def run(self) -> None:
        """Connect, read, reconnect, until cancelled."""
        await self.recorder.restore()
        gap_cause = self._opening_loss or ("collector_restart" if self._journal.next_pos > 1 else "")
        backoff = self._settings.backoff
        while True:
            # Also where no link comes about: the disk may be full while the PBX is away.
            self._watch_journal()
            began = self._clock.monotonic()
            end = await self._one_link(gap_cause)
            if end.was_live:
                gap_cause = end.cause
                if self._clock.monotonic() - began >= _GOOD_LINK_SECS:
                    backoff.reset()
            wait = backoff.next_secs()
            if end.refused:
                wait = _REFUSED_SECS + wait
                self._report(PbxLoginRefused(self._journal.pbx, end.reason, wait))
            else:
                self._report(PbxDown(self._journal.pbx, end.cause, end.reason, wait))
            self.reconnects += 1
            await self._clock.sleep(wait)

    async def _one_link(self, gap_cause: str) -> LinkEnd:
        session = AmiSession(self._settings.session, now=self._clock.monotonic())
        link = Link(session, self.recorder, self._journal, self._clock, self._report, gap_cause)
        self._link = link
        self._faults.forget()
        self._changed.clear()
        guarded = self._faults.guarded
        try:
            stream = await self._connector.connect(guarded(self._on_data), guarded(self._on_lost))
        except PbxUnreachable as error:
            self._link = None
            return LinkEnd("unreachable", str(error), was_live=False)
        link.attach(stream)
        try:
            await self._live_with(link, stream.pause_reading, stream.resume_reading)
        finally:
            link.stop("the collector stops")
            self._tell_link(link)
            self._link = None
        assert link.end is not None
        return link.end

    async def _live_with(self, link: Link, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        saved_at = self._clock.monotonic()
        while link.end is None:
            if self._journal.congested:
                pause()
                while self._journal.congested and link.end is None and not self._faults.any:
                    await self._clock.sleep(_CONGESTION_CHECK_SECS)
                resume()
            try:
                async with asyncio.timeout(_TICK_SECS):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            self._faults.raise_first()
            link.tick()
            self._tell_link(link)
            now = self._clock.monotonic()
            if now - saved_at >= _SAVE_EVERY_SECS:
                saved_at = now
                self.recorder.save()
            self._watch_journal()

    def _tell_link(self, link: Link) -> None:
        self._ami_version = link.ami_version or self._ami_version
        if self.up != self._was_up:
            self._was_up = self.up
            self._on_link_changed()

    def _watch_journal(self) -> None:
        alarm = self._journal.state.alarm
        if alarm == self._alarm:
            return
        before, self._alarm = self._alarm, alarm
        self._report(JournalAlarm(self._journal.pbx, alarm))
        if before and self._link is not None:
            # That trouble is over, whether or not an older one is left. The journal announces what it lost;
            # what lives now must be read again all the same, as each new link does.
            self._link.want_resync()

    def _on_data(self, data: bytes) -> None:
        link = self._link
        if link is None:
            return
        link.received(data)
        if link.end is not None or self._journal.congested:
            self._changed.set()

    def _on_lost(self, error: Exception | None) -> None:
        if self._link is not None:
            self._link.lost(error)
            self._changed.set()

    def _noted(self, parsed: ParsedPacket) -> None:
        if self._link is not None:
            self._link.noted(parsed)
