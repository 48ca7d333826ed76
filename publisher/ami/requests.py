"""Requests that wait for their answer: which response, and which list events, belong to which.

How answers look (Asterisk 1.8 to 22). A plain answer is one response with our ActionID. A list is a
response that says `EventList: start`, then events with our ActionID and no `Privilege`, and an end event
with `EventList: Complete`. Asterisk 11 and older leave out the marks on several lists, which `LIST_ENDS`
names by their actions; two of them also leave the ActionID out of the items (`ITEM_EVENTS`). `Status` alone
gives its items a `Privilege: Call` line, where an event of its own accord has its classes (`call,all`).
"""

from __future__ import annotations

import heapq
import math
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple

from publisher.ami.errors import ActionRefused, TooManyRequests
from publisher.ami.fields import UTF_8, ParsedPacket, command_output, parse_packet
from publisher.ami.framing import Packet, is_suspect
from publisher.ami.reports import ListItem, Reply

MAX_RETIRED: Final = 256

LIST_ENDS: Final = {
    "dbget": b"DBGetComplete",
    "iaxpeerlist": b"PeerlistComplete",
    "iaxpeers": b"PeerlistComplete",
    "parkedcalls": b"ParkedCallsComplete",
    "parkinglots": b"ParkinglotsComplete",
    "queuestatus": b"QueueStatusComplete",
    "queuesummary": b"QueueSummaryComplete",
    "sippeers": b"PeerlistComplete",
    "status": b"StatusComplete",
    "voicemailuserslist": b"VoicemailUserEntryComplete",
    "waitevent": b"WaitEventComplete",
}
ITEM_EVENTS: Final = {"iaxpeers": b"PeerEntry", "parkinglots": b"Parkinglot"}

_ACTION_ID = re.compile(rb"(?:^|\r\n)(?i:ActionID): ?([^\r\n]*)\r\n")
_EVENT_NAME = re.compile(rb"(?:^|\r\n)Event: ?([^\r\n]*)\r\n")
_LIST_START = re.compile(rb"\r\n(?i:EventList: ?start)\r\n")
_LIST_COMPLETE = re.compile(rb"\r\n(?i:EventList: ?Complete)\r\n")
_ERROR = re.compile(rb"(?i:Response: ?Error)\r\n")
_STATUS_PRIVILEGE: Final = b"Privilege: Call\r\n"


@dataclass(slots=True)
class _Request:
    action_id: str
    timeout_secs: float
    deadline: float
    list_end: bytes
    item_event: bytes
    response: ParsedPacket | None = None
    response_raw: bytes = b""
    items: int = 0


class RequestsHeld(NamedTuple):
    """Requests in flight, ActionIDs remembered, deadlines noted."""

    pending: int
    retired: int
    deadlines: int


class PendingRequests:
    """At most `max_requests` at a time, each with at most `max_list_items` list events.

    A request whose answer does not go on for its timeout ends incomplete. The ActionIDs of the last
    `MAX_RETIRED` requests that ended so are remembered, and their late answers are dropped and counted.
    """

    def __init__(self, max_requests: int, max_list_items: int, encoding: str = UTF_8) -> None:
        self._max_requests = max_requests
        self._max_list_items = max_list_items
        self._encoding = encoding
        self._pending: dict[bytes, _Request] = {}
        self._retired: OrderedDict[bytes, None] = OrderedDict()
        self._deadlines: list[tuple[float, bytes]] = []
        self.late_answers = 0

    def held(self) -> RequestsHeld:
        """How much is kept: for a watch on memory."""
        return RequestsHeld(len(self._pending), len(self._retired), len(self._deadlines))

    @property
    def watching(self) -> bool:
        """Whether events need a look at all: something is pending, or an answer may still come late."""
        return bool(self._pending or self._retired)

    @property
    def next_deadline(self) -> float:
        """No request ends for want of an answer before this time; infinity where none waits."""
        return self._deadlines[0][0] if self._deadlines else math.inf

    def add(
        self, action: str, action_id: str, now: float, timeout_secs: float, list_end: str, item_event: str
    ) -> None:
        """Wait for an answer. Raises TooManyRequests at the bound, ActionRefused for an id in use."""
        key = action_id.encode()
        if len(self._pending) >= self._max_requests:
            raise TooManyRequests(f"{self._max_requests} requests wait for their answer, no more are allowed")
        if key in self._pending:
            raise ActionRefused(f"ActionID {action_id} is in use by a request that waits for its answer")
        self._retired.pop(key, None)
        name = action.lower()
        self._pending[key] = _Request(
            action_id,
            timeout_secs,
            now + timeout_secs,
            list_end.encode() or LIST_ENDS.get(name, b""),
            item_event.encode() or ITEM_EVENTS.get(name, b""),
        )
        heapq.heappush(self._deadlines, (now + timeout_secs, key))

    def take_response(self, packet: Packet, now: float) -> Reply | bool:
        """The reply that this response completes; True if it is ours but not the end, else False."""
        key = _first(_ACTION_ID, packet.raw)
        request = self._pending.get(key)
        if request is None or request.response is not None:
            return self._is_late(key)
        request.response = parse_packet(packet.raw, self._encoding)
        request.response_raw = packet.raw
        is_list = bool(request.list_end) or _LIST_START.search(packet.raw) is not None
        if is_list and not _ERROR.match(packet.raw):
            request.deadline = now + request.timeout_secs
            return True
        return self._finish(key)

    def take_event(self, packet: Packet, now: float) -> ListItem | Reply | bool:
        """What this event is to a request; True if it is a late answer, False if it answers nothing."""
        raw = packet.raw
        if not is_suspect(raw) and not raw.startswith(_STATUS_PRIVILEGE, raw.find(b"\r\n") + 2):
            return False
        event = _first(_EVENT_NAME, raw)
        key = _first(_ACTION_ID, raw) or self._key_by_item(event)
        request = self._pending.get(key)
        if request is None:
            return self._is_late(key)
        request.deadline = now + request.timeout_secs
        ends = event == request.list_end if request.list_end else event.endswith(b"Complete")
        if ends or _LIST_COMPLETE.search(raw):
            return self._finish(key, end=packet)
        if request.items >= self._max_list_items:
            return self._finish(
                key, reason=f"the list is longer than the {self._max_list_items} events allowed"
            )
        request.items += 1
        return ListItem(request.action_id, packet)

    def expire(self, now: float) -> list[Reply]:
        """End what has waited its time."""
        replies = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, key = heapq.heappop(self._deadlines)
            request = self._pending.get(key)
            if request is None:
                continue
            if request.deadline > now:
                heapq.heappush(self._deadlines, (request.deadline, key))
                continue
            what = "the list did not end" if request.response else "no answer came"
            replies.append(self._finish(key, reason=f"{what} within {request.timeout_secs:g} s"))
        return replies

    def give_up(self, reason: str) -> list[Reply]:
        """The session is over: end everything."""
        return [self._finish(key, reason=reason) for key in list(self._pending)]

    def _key_by_item(self, event: bytes) -> bytes:
        """Whose item this is, for events without ActionID that a request has named as its own."""
        for key, request in self._pending.items():
            if event and request.item_event == event and request.response is not None:
                return key
        return b""

    def _is_late(self, key: bytes) -> bool:
        late = key in self._retired
        self.late_answers += late
        return late

    def _finish(self, key: bytes, end: Packet | None = None, reason: str = "") -> Reply:
        request = self._pending.pop(key)
        if reason:
            self._retired[key] = None
            if len(self._retired) > MAX_RETIRED:
                self._retired.popitem(last=False)
        if len(self._deadlines) > 2 * len(self._pending) + 64:
            self._deadlines = [(other.deadline, name) for name, other in self._pending.items()]
            heapq.heapify(self._deadlines)
        response = request.response
        return Reply(
            request.action_id,
            response,
            response is not None and not _ERROR.match(request.response_raw),
            command_output(response) if response is not None else [],
            request.items,
            end,
            not reason,
            reason,
        )


def _first(pattern: re.Pattern[bytes], raw: bytes) -> bytes:
    found = pattern.search(raw)
    return found[1] if found else b""
