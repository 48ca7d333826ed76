"""The link: one connection to a PBX, from the greeting to its end.

Phases
    LOGIN     greeting, challenge, login with `Events: off`, filters
    IDENTIFY  which run of Asterisk is this (CoreStatus)? It decides whether a new epoch begins
    ENABLE    events are switched on; the first event or the PBX's answer ends the phase
    LIVE      every read goes to the recorder at once; the resync reads the live state

Before LIVE, events that come all the same (a PBX that does not know `Events: off`) are held, because
their epoch is not known yet; the hold is bounded in time and bytes, and its end is always LIVE. Nothing is
dropped there.

The link waits for nothing: it is driven by `received`, `lost` and `tick`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from publisher import control
from publisher.ami.errors import SessionNotReady
from publisher.ami.fields import ParsedPacket
from publisher.ami.framing import MALFORMED, Packet
from publisher.ami.session import (
    AmiSession,
    CloseCause,
    Closed,
    FilterRefused,
    Greeted,
    ListItem,
    LoggedIn,
    LoginRefused,
    MalformedPacket,
    Reply,
    SessionEvent,
)
from publisher.boots import Boot, boot_of_core_status, boot_of_fully_booted
from publisher.command_ports import Taker
from publisher.ports import AmiStream, Clock, Journal
from publisher.reports import (
    EventsNotOn,
    FilterNotSet,
    GapAnnounced,
    MalformedSeen,
    PbxUp,
    Report,
)
from publisher.services.action_relay import ActionRelay
from publisher.services.link_end import LinkEnd, Phase
from publisher.services.proof import Proof
from publisher.services.recorder import Recorder
from publisher.services.resync import Resync, StateList, said

_IDENTIFY_SECS: Final = 2.0
_HELD_BYTES: Final = 8 << 20
_LIST_TIMEOUT_SECS: Final = 60.0
# How a session's end is called in a gap and in `down`; the other causes go by their own name.
_CAUSES: Final = {
    CloseCause.LOST: "link_lost",
    CloseCause.TRUNCATED: "cut_off",
    CloseCause.SHUTDOWN: "pbx_shutdown",
}
# Damage in the stream asks for a resync at most this often; a later one is put off, not dropped.
_RESYNC_EVERY_SECS: Final = 30.0


class Link:
    """Drives one session over one stream and feeds the recorder.

    `gap_cause` says why events may have been missed before this link ("" for a PBX never seen before).
    """

    def __init__(
        self,
        session: AmiSession,
        recorder: Recorder,
        journal: Journal,
        clock: Clock,
        report: Callable[[Report], None],
        gap_cause: str,
    ) -> None:
        self._session = session
        self._recorder = recorder
        self._journal = journal
        self._clock = clock
        self._report = report
        self._gap_cause = gap_cause
        self._stream: AmiStream | None = None
        self._held: list[tuple[Packet, int]] = []
        self._held_bytes = 0
        self._phase = Phase.LOGIN
        self._phase_until = 0.0
        self._boot = Boot()
        self._version = ""
        self._ami_version = ""
        self._relay = ActionRelay(session)
        self._status_id = ""
        self._resync: Resync | None = None
        self._resync_wanted_at: float | None = None
        self._resynced_at = float("-inf")
        self._events_id = ""
        self._lost_by = ""
        self._lost = False
        self._proof = Proof(session, clock)
        self.end: LinkEnd | None = None

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def version(self) -> str:
        return self._version

    @property
    def ami_version(self) -> str:
        return self._ami_version

    @property
    def channels_known(self) -> bool:
        """Whether the PBX's list of channels was read on this link: what it had not is not there."""
        return self._phase is Phase.LIVE and self._resync is not None and self._resync.channels_known

    @property
    def resyncing(self) -> bool:
        return self._resync is not None and self._resync.active

    def attach(self, stream: AmiStream) -> None:
        """The connection stands; the PBX speaks first, and may have said too much already."""
        self._stream = stream
        if self._phase is Phase.ENDED:
            stream.abort()
            return
        self._proof.begin()
        self.flush()

    # -- what the outside says ----------------------------------------------

    def received(self, data: bytes) -> None:
        """Bytes from the PBX."""
        if self._phase is Phase.ENDED:
            return
        now_us = self._clock.now_us()
        self._take(self._session.receive_data(data, self._clock.monotonic()), now_us)
        if self._proof.heard():
            self._recorder.last_seen_us = self._proof.since_us
        self.flush()

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if self._phase is Phase.ENDED:
            return
        if error is not None:
            self._lost_by = str(error)
        self._lost = True
        self._take(self._session.receive_eof(self._clock.monotonic()), self._clock.now_us())

    def tick(self) -> None:
        """Time passes: timers of the session, of the phase, of a put-off resync."""
        if self._phase is Phase.ENDED:
            return
        now = self._clock.monotonic()
        self._take(self._session.tick(now), self._clock.now_us())
        if self._session.closed is not None:
            return
        if self._phase in (Phase.IDENTIFY, Phase.ENABLE) and now >= self._phase_until:
            self._advance(self._clock.now_us())
        if self._resync_wanted_at is not None and now >= self._resync_wanted_at and not self.resyncing:
            self._start_resync()
        if self._phase is Phase.LIVE:
            self._proof.ask()
        self.flush()

    def stop(self, reason: str) -> None:
        """End the link from our side."""
        if self._phase is not Phase.ENDED:
            self._finish("collector_stopped", reason)

    def want_resync(self) -> None:
        """Events of this PBX were missed: read the live state, now or as soon as the last one is over."""
        if self._phase is Phase.LIVE and self._resync_wanted_at is None:
            self._resync_wanted_at = max(self._clock.monotonic(), self._resynced_at + _RESYNC_EVERY_SECS)

    # -- what the session says ----------------------------------------------

    def _take(self, happened: Sequence[SessionEvent], now_us: int) -> None:
        """Session events in stream order; runs of plain packets go to the recorder in one piece."""
        run: list[Packet] = []
        for item in happened:
            if type(item) is Packet:
                run.append(item)
                continue
            if run:
                self._packets(run, now_us)
                run = []
            self._other(item, now_us)
        if run:
            self._packets(run, now_us)

    def _packets(self, run: list[Packet], now_us: int) -> None:
        if self._phase is Phase.LIVE:
            self._recorder.events(run, now_us)
        elif self._phase is Phase.ENABLE:
            self._advance(now_us)
            self._recorder.events(run, now_us)
        elif self._phase is not Phase.ENDED:
            self._hold(run, now_us)

    def _hold(self, packets: list[Packet], now_us: int) -> None:
        self._held.extend((packet, now_us) for packet in packets)
        self._held_bytes += sum(len(packet.raw) for packet in packets)
        if self._held_bytes <= _HELD_BYTES:
            return
        if self._phase is Phase.LOGIN:
            self._finish("not_ami", "the PBX sends events without end before it has answered the login")
        else:
            self._go_live(now_us)

    def _other(self, item: SessionEvent, now_us: int) -> None:
        match item:
            case ListItem():
                if self._relay.item(item.action_id, item.packet):
                    pass
                elif self._resync is not None and self._resync.owns(item.action_id):
                    self._resync.item(item.packet, now_us)
            case Reply():
                self._reply(item, now_us)
            case MalformedPacket():
                self._malformed(item.packet, now_us)
            case Greeted():
                self._version, self._ami_version = item.version_text, item.ami_version
            case LoggedIn():
                self._phase = Phase.IDENTIFY
                self._phase_until = self._clock.monotonic() + _IDENTIFY_SECS
                self._status_id = self._ask("CoreStatus")
            case FilterRefused():
                self._report(FilterNotSet(self._journal.pbx, item.message))
            case LoginRefused():
                self._finish("login_refused", item.message, refused=True)
            case Closed():
                self._finish(_CAUSES.get(item.cause, item.cause.value), self._lost_by or item.reason)

    def _reply(self, reply: Reply, now_us: int) -> None:
        if self._relay.reply(reply):
            return
        if self._session.closed is not None:
            # Given up with the session, whose `Closed` comes next: nothing goes on from here.
            return
        if reply.action_id == self._status_id:
            if reply.response is not None:
                self._boot = boot_of_core_status(reply.response.fields)
            self._status_id = ""
            if self._phase is Phase.IDENTIFY:
                self._advance(now_us)
            elif self._phase is Phase.LIVE:
                self._identified_late(now_us)
        elif reply.action_id == self._events_id:
            if not reply.success:
                self._report(EventsNotOn(self._journal.pbx, said(reply)))
            if self._phase is Phase.ENABLE:
                self._advance(now_us)
        elif self._resync is not None and self._resync.owns(reply.action_id):
            self._resync.reply(reply, now_us)

    def _malformed(self, packet: Packet, now_us: int) -> None:
        if self._phase is not Phase.LIVE:
            # What comes before events are on belongs to no event; else it is held like one.
            if (self._held or self._phase is Phase.ENABLE) and self._session.closed is None:
                self._hold([packet], now_us)
            return
        # A stray packet is whole and goes out with its text; one over a limit is cut, so an event is lost.
        dropped = packet.dropped or self._lost
        if self._lost:
            # Half a packet at the end of the connection: the gap of the lost link is its gap too.
            pass
        elif dropped:
            self._gap("malformed", self._recorder.last_seen_us, now_us, 1)
            self.want_resync()
        else:
            self._recorder.leftover(packet.raw, now_us)
        self._report(MalformedSeen(self._journal.pbx, packet.reason, dropped))

    def noted(self, parsed: ParsedPacket) -> None:
        """An event that says something about the PBX itself."""
        if parsed.name == "FullyBooted" and not self._boot.text:
            self._boot = boot_of_fully_booted(parsed.fields, self._clock.now_us())

    # -- the phases ---------------------------------------------------------

    def _advance(self, now_us: int) -> None:
        if self._phase is Phase.IDENTIFY:
            self._phase = Phase.ENABLE
            self._phase_until = self._clock.monotonic() + _IDENTIFY_SECS
            self._events_id = self._session.turn_on_events(self._clock.monotonic())
            if self._held:
                self._go_live(now_us)
        elif self._phase is Phase.ENABLE:
            self._go_live(now_us)

    def _go_live(self, now_us: int) -> None:
        self._phase = Phase.LIVE
        recorder, journal = self._recorder, self._journal
        earlier = Boot(recorder.boot_text, recorder.boot_us)
        restarted = self._boot.is_restart_after(earlier)
        if self._gap_cause == "pbx_shutdown" and not self._boot.text:
            # It said that it stops, and it does not say since when it runs now.
            restarted = True
        if restarted or not journal.epoch:
            journal.begin_epoch(max(now_us // 1000, journal.epoch + 1))
        if restarted or self._boot.text or self._boot.started_us:
            recorder.boot_text, recorder.boot_us = self._boot.text, self._boot.started_us
        first_us = self._held[0][1] if self._held else now_us
        recorder.control(control.up(self._version, recorder.boot_text, recorder.boot_us), first_us)
        if self._gap_cause:
            cause = "pbx_restart" if restarted else self._gap_cause
            self._gap(cause, recorder.last_seen_us or now_us, now_us, None)
        recorder.last_seen_us = self._proof.since_us
        recorder.save()
        self._report(PbxUp(journal.pbx, self._version, journal.epoch))
        self._start_resync(restarted)
        held, self._held, self._held_bytes = self._held, [], 0
        for packet, received_us in held:
            if packet.kind == MALFORMED:
                self._malformed(packet, received_us)
            else:
                recorder.events([packet], received_us)

    def _identified_late(self, now_us: int) -> None:
        """The PBX was too busy to say in time which run it is. If it is another one, its epoch begins here;
        the gap before it was announced when the link went live."""
        recorder, journal = self._recorder, self._journal
        restarted = self._boot.is_restart_after(Boot(recorder.boot_text, recorder.boot_us))
        if self._boot.text:
            recorder.boot_text, recorder.boot_us = self._boot.text, self._boot.started_us
        if restarted:
            journal.begin_epoch(max(now_us // 1000, journal.epoch + 1))
            recorder.control(control.up(self._version, recorder.boot_text, recorder.boot_us), now_us)
            self._report(PbxUp(journal.pbx, self._version, journal.epoch))
            self._start_resync(restarted)

    def _gap(self, cause: str, from_us: int, to_us: int, count: int | None) -> None:
        self._recorder.control(control.gap(cause, from_us, to_us, count), to_us)
        self._report(GapAnnounced(self._journal.pbx, cause, from_us, to_us, count))

    def _start_resync(self, restarted: bool = False) -> None:
        self._resync_wanted_at = None
        self._resynced_at = self._clock.monotonic()
        self._resync = Resync(self._recorder, self._ask_list, self._report, self._journal.pbx, restarted)
        self._resync.start()

    def _finish(self, cause: str, reason: str, refused: bool = False) -> None:
        if self._phase is Phase.ENDED:
            # A refusal is followed by the session's `Closed`, which knows less.
            return
        was_live = self._phase is Phase.LIVE
        self._phase = Phase.ENDED
        if was_live:
            self._recorder.control(control.down(cause, reason), self._clock.now_us())
            self._recorder.save()
        self.end = LinkEnd(cause, reason, was_live, refused)
        self.flush()
        if self._stream is not None:
            self._stream.abort()
        self._relay.end(reason)

    # -- what we say --------------------------------------------------------

    def send(
        self,
        action: str,
        headers: Iterable[tuple[str, str]],
        action_id: str,
        taker: Taker,
        timeout_secs: float,
    ) -> None:
        """Hand an action to the session; `flush` writes it. Its answer goes to the taker, exactly one, at the
        latest when the link ends. Raises `publisher.ami.errors.AmiError`; then nothing is sent."""
        if self._phase is not Phase.LIVE:
            raise SessionNotReady(f"{action} cannot be sent: the PBX is not connected")
        self._relay.send(action, headers, action_id, taker, self._clock.monotonic(), timeout_secs)

    def _ask(self, action: str) -> str:
        return self._session.request(action, (), now=self._clock.monotonic())

    def _ask_list(self, wanted: StateList) -> str:
        return self._session.request(
            wanted.action,
            (),
            now=self._clock.monotonic(),
            list_end=wanted.end,
            timeout_secs=_LIST_TIMEOUT_SECS,
        )

    def flush(self) -> None:
        """Write what the session wants to say; the greeting may come before the stream is attached."""
        if self._stream is not None and (data := self._session.data_to_send()):
            self._stream.write(data)
