"""One AMI session from the greeting to its end: bytes in, reports out, no sockets and no clock of its own.

Strategy. The reader cuts packets; an event that nobody waits for is passed on as it is, unread. Only while
requests are pending does an event without an ordinary `Privilege` line get a closer look. Responses are rare
and are parsed.

Invariants
* Reports come in stream order, in the list of the call that received their last byte.
* After `Closed` the session reports nothing, sends nothing and takes no request.
* Every request gets exactly one `Reply`, at the latest before `Closed`.
* Memory is bounded: the reader's buffer, `max_requests` in flight, `max_unsent_bytes` to send.
* Events are off until `turn_on_events`: what the caller asked before is answered before.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from dataclasses import replace

from publisher.ami.actions import action_ids, encode_action
from publisher.ami.errors import SessionNotReady, TooManyRequests
from publisher.ami.framing import BANNER, EVENT, RESPONSE, Packet, PacketReader
from publisher.ami.keepalive import Keepalive, Verdict
from publisher.ami.login import Login, Phase
from publisher.ami.reports import (
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
    UnsolicitedResponse,
)
from publisher.ami.requests import PendingRequests, RequestsHeld
from publisher.ami.settings import SessionSettings, filter_headers

__all__ = [
    "AmiSession",
    "CloseCause",
    "Closed",
    "FilterRefused",
    "Greeted",
    "ListItem",
    "LoggedIn",
    "LoginRefused",
    "MalformedPacket",
    "Reply",
    "SessionEvent",
    "SessionSettings",
    "UnsolicitedResponse",
]

_NO_GREETING = "the port does not greet like a manager port"
# The first bytes of the names of events that the session itself takes note of.
_NOTED = frozenset((b"FullyBoot", b"Shutdown\r"))


class AmiSession:
    """`receive_data`, `receive_eof` and `tick` give the reports; `data_to_send` gives the bytes to write.

    `now` is always the caller's monotonic clock in seconds, and `tick` is due at `next_deadline`.
    """

    def __init__(self, settings: SessionSettings, now: float) -> None:
        self._settings = settings
        self._ids = action_ids(settings.action_id_prefix or secrets.token_hex(8))
        self._ping_id = next(self._ids)
        self._probe_id = ""
        self._probe_sent_at: float | None = None
        self.probed_at = -math.inf
        self._login = Login(settings, next(self._ids), now)
        self._reader = PacketReader(settings.limits)
        self._keepalive = Keepalive(settings.ping_interval_secs, settings.pong_timeout_secs, now)
        self._requests = PendingRequests(settings.max_requests, settings.max_list_items, settings.encoding)
        self._filter_of: dict[str, str] = {}  # the session's own requests: ActionID -> filter
        self._events_id = ""
        self._unsent = bytearray()
        self._shutdown = False
        self._goodbye = False
        self.closed: Closed | None = None
        self.fully_booted: Packet | None = None

    @property
    def logged_in(self) -> bool:
        """Whether requests are taken."""
        return self._login.done and self.closed is None

    @property
    def encoding(self) -> str:
        """The encoding of the PBX's text."""
        return self._settings.encoding

    @property
    def late_answers(self) -> int:
        """How many packets answered a request that had already ended incomplete."""
        return self._requests.late_answers

    def requests_held(self) -> RequestsHeld:
        """How much is kept for requests."""
        return self._requests.held()

    @property
    def next_deadline(self) -> float:
        """When `tick` is due; infinity when the session is closed."""
        if self.closed is not None:
            return math.inf
        if not self._login.done:
            return self._login.deadline
        return min(self._keepalive.deadline, self._requests.next_deadline)

    def data_to_send(self) -> bytes:
        """The bytes to write now; they are handed out once."""
        data = bytes(self._unsent)
        self._unsent.clear()
        return data

    def receive_data(self, data: bytes, now: float) -> list[SessionEvent]:
        """Take what was read from the connection. Never raises, whatever the bytes."""
        reports: list[SessionEvent] = []
        if self.closed is not None:
            return reports
        self._keepalive.heard(now)
        # Nothing in what was read can make a request of the caller's: one look at the state is enough.
        passes = self._login.done and not self._requests.watching
        for packet in self._reader.receive_data(data):
            if packet[0] == EVENT and passes:
                if packet[1][7:16] in _NOTED:
                    self._note(packet)
                reports.append(packet)
            else:
                self._take(packet, now, reports)
                if self.closed is not None:
                    break
        return reports

    def receive_eof(self, now: float) -> list[SessionEvent]:
        """The connection has ended: what that means."""
        reports: list[SessionEvent] = []
        if self.closed is not None:
            return reports
        for packet in self._reader.receive_eof():
            reports.append(MalformedPacket(packet))
            if self._login.phase is Phase.GREETING:
                return self._close(CloseCause.NOT_AMI, _NO_GREETING, reports)
            return self._close(CloseCause.TRUNCATED, "the connection ended inside a packet", reports)
        if self._shutdown:
            return self._close(CloseCause.SHUTDOWN, "the PBX has shut down", reports)
        if self._goodbye:
            return self._close(CloseCause.GOODBYE, "the PBX said goodbye", reports)
        when = "" if self._login.done else " before the login was answered"
        return self._close(CloseCause.LOST, f"the PBX ended the connection{when}", reports)

    def tick(self, now: float) -> list[SessionEvent]:
        """Do what is due: a ping, the end of requests that waited too long, the end of a dead session."""
        reports: list[SessionEvent] = []
        if self.closed is not None:
            return reports
        if not self._login.done:
            if now >= self._login.deadline:
                what = "greet" if self._login.phase is Phase.GREETING else "answer the login"
                self._close(CloseCause.LOGIN_TIMEOUT, f"the PBX did not {what} in time", reports)
            return reports
        for reply in self._requests.expire(now):
            self._report_reply(reply, reports)
        verdict = self._keepalive.tick(now)
        if verdict is Verdict.PING:
            self._unsent += encode_action("Ping", (), self._ping_id)
        elif verdict is Verdict.DEAD:
            settings = self._settings
            silence = settings.ping_interval_secs + settings.pong_timeout_secs
            self._close(CloseCause.HALF_OPEN, f"no byte came for {silence:g} s, not even to a ping", reports)
        return reports

    def request(
        self,
        action: str,
        headers: Iterable[tuple[str, str]] = (),
        *,
        now: float,
        action_id: str = "",
        timeout_secs: float | None = None,
        list_end: str = "",
        item_event: str = "",
    ) -> str:
        """Send an action; its `Reply` comes in the reports, under the ActionID that this returns.

        `timeout_secs` is how long the answer may stand still. `list_end` and `item_event` name the event
        that ends a list, and list events that come without ActionID, where the server does not mark them;
        for the actions in `publisher.ami.requests.LIST_ENDS` they are known.

        Raises `publisher.ami.errors`: SessionNotReady, ActionRefused, TooManyRequests. Then nothing is sent.
        """
        if not self.logged_in:
            raise SessionNotReady(f"{action} cannot be sent: the session is not logged in")
        action_id = action_id or next(self._ids)
        data = encode_action(action, headers, action_id, self._settings.encoding)
        if len(self._unsent) + len(data) > self._settings.max_unsent_bytes:
            raise TooManyRequests(f"{len(self._unsent)} bytes wait to be sent, no more are allowed")
        timeout = self._settings.request_timeout_secs if timeout_secs is None else timeout_secs
        self._requests.add(action, action_id, now, timeout, list_end, item_event)
        self._unsent += data
        return action_id

    def probe(self, now: float) -> bool:
        """Ask for proof that nothing is missing so far: when the answer has come, `probed_at` is this `now`,
        and all that the PBX said before has come too, because a connection keeps its order.

        One at a time: False, and nothing is sent, while one is under way or before the login.
        """
        if not self.logged_in or self._probe_sent_at is not None:
            return False
        self._probe_sent_at, self._probe_id = now, next(self._ids)
        self._unsent += encode_action("Ping", (), self._probe_id)
        return True

    def turn_on_events(self, now: float) -> str:
        """Ask for the settings' event mask. Raises and returns like `request`."""
        self._events_id = self.request("Events", [("EventMask", self._settings.event_mask)], now=now)
        return self._events_id

    def _take(self, packet: Packet, now: float, reports: list[SessionEvent]) -> None:
        """Everything but an event that nobody waits for."""
        if self._login.phase is Phase.GREETING:
            if packet.kind != BANNER:
                reports.append(MalformedPacket(packet))
                self._close(CloseCause.NOT_AMI, _NO_GREETING, reports)
                return
            greeted, data = self._login.greet(packet, now)
            reports.append(greeted)
            self._unsent += data
        elif packet.kind == RESPONSE:
            self._take_response(packet, now, reports)
        elif packet.kind == EVENT:
            self._note(packet)
            self._take_event(packet, packet, now, reports)
        elif packet.raw.startswith(b"ActionID: "):
            # VoicemailUsersList of Asterisk 11 writes ActionID in front of Event in its items.
            self._take_event(Packet(EVENT, packet.raw), MalformedPacket(packet), now, reports)
        else:
            reports.append(MalformedPacket(packet))

    def _take_event(
        self, event: Packet, otherwise: SessionEvent, now: float, reports: list[SessionEvent]
    ) -> None:
        """Report an event as part of an answer, if it is one."""
        taken = self._requests.take_event(event, now)
        if isinstance(taken, Reply):
            self._report_reply(taken, reports)
        elif not isinstance(taken, bool):
            reports.append(taken)
        elif not taken:
            reports.append(otherwise)

    def _take_response(self, packet: Packet, now: float, reports: list[SessionEvent]) -> None:
        if not self._login.done:
            self._take_login_response(packet, now, reports)
            return
        if packet.raw.startswith(b"Response: Goodbye\r\n"):
            self._goodbye = True
        taken = self._requests.take_response(packet, now)
        if isinstance(taken, Reply):
            self._report_reply(taken, reports)
        elif not taken and not self._takes_pong(packet.raw):
            reports.append(UnsolicitedResponse(packet))

    def _takes_pong(self, raw: bytes) -> bool:
        """Whether a response answers a ping of our own."""
        if self._probe_sent_at is not None and f"\r\nActionID: {self._probe_id}\r\n".encode() in raw:
            self.probed_at, self._probe_sent_at = self._probe_sent_at, None
            return True
        return f"\r\nActionID: {self._ping_id}\r\n".encode() in raw

    def _take_login_response(self, packet: Packet, now: float, reports: list[SessionEvent]) -> None:
        taken = self._login.take_response(packet)
        if taken is None:
            reports.append(UnsolicitedResponse(packet))
            return
        report, data = taken
        self._unsent += data
        if isinstance(report, LoginRefused):
            reports.append(report)
            self._close(CloseCause.LOGIN_REFUSED, "the PBX refused the login", reports)
        elif isinstance(report, LoggedIn):
            reports.append(report)
            for text in self._settings.filters:
                self._filter_of[self.request("Filter", filter_headers(text), now=now)] = text

    def _report_reply(self, reply: Reply, reports: list[SessionEvent]) -> None:
        """A reply goes to the caller, but one to a filter is worth a report only if it was refused."""
        text = self._filter_of.pop(reply.action_id, None)
        if text is None:
            if reply.action_id == self._events_id and self._settings.event_mask != "off" and _says_off(reply):
                reply = replace(reply, success=False, reason="the PBX knows none of the classes asked for")
            reports.append(reply)
        elif not reply.success:
            reports.append(FilterRefused(text, reply.reason or _message(reply)))

    def _note(self, packet: Packet) -> None:
        if packet.raw.startswith(b"Event: Shutdown\r\n"):
            self._shutdown = True
        elif packet.raw.startswith(b"Event: FullyBooted\r\n"):
            self.fully_booted = packet

    def _close(self, cause: CloseCause, reason: str, reports: list[SessionEvent]) -> list[SessionEvent]:
        reports += [
            reply for reply in self._requests.give_up(reason) if reply.action_id not in self._filter_of
        ]
        self.closed = Closed(cause, reason)
        self._unsent.clear()
        reports.append(self.closed)
        return reports


def _message(reply: Reply) -> str:
    return "" if reply.response is None else str(reply.response.fields.get("Message", reply.response.name))


def _says_off(reply: Reply) -> bool:
    return reply.response is not None and reply.response.fields.get("Events") == "Off"
