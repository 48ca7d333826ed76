"""The resync: after a gap the live state is read from the PBX and put on the bus.

Each list event is journalled the moment it arrives, in its place in the PBX's stream, marked as a
snapshot: a later change can therefore never be overwritten by an older state. When the list of channels
is complete, each call that we knew and that is not in it has ended unseen and gets a synthetic Hangup.
That is said one answer later: a Hangup that was under way while the PBX made the list comes before it.

The lists are asked for one after another, so that at most one is pending. A list that the PBX lacks
(older than 13: device and extension states) or refuses is reported and skipped; without the list of
channels no call is declared ended, but after a restart of the PBX, which no call outlives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from publisher.ami.framing import Packet
from publisher.ami.reports import Reply
from publisher.reports import Report, ResyncDone, ResyncIncomplete
from publisher.services.recorder import Recorder


@dataclass(slots=True, frozen=True)
class StateList:
    """An action that lists live state, and the event that ends its list."""

    action: str
    end: str


CHANNELS: Final = StateList("CoreShowChannels", "CoreShowChannelsComplete")
STATE_LISTS: Final = (
    CHANNELS,
    StateList("QueueStatus", "QueueStatusComplete"),
    StateList("DeviceStateList", "DeviceStateListComplete"),
    StateList("ExtensionStateList", "ExtensionStateListComplete"),
)

_UNKNOWN_ACTION: Final = "Invalid/unknown command"


class Resync:
    """One reading of the live state. `ask` sends a list action and returns its ActionID."""

    def __init__(
        self,
        recorder: Recorder,
        ask: Callable[[StateList], str],
        report: Callable[[Report], None],
        pbx: str,
        restarted: bool = False,
    ) -> None:
        self._recorder = recorder
        self._ask = ask
        self._report = report
        self._pbx = pbx
        self._restarted = restarted
        self._channels_listed = False
        # Calls that lived when we last saw the PBX: only these can have ended unseen.
        self._known = recorder.live.uniqueids()
        self._seen: set[str] = set()
        self._waiting = list(STATE_LISTS)
        self._current: StateList | None = None
        self._action_id = ""
        self.channels_known = False
        self.snapshots = 0
        self.ended = 0

    @property
    def active(self) -> bool:
        return self._current is not None

    def start(self) -> None:
        self._next()

    def owns(self, action_id: str) -> bool:
        return self._current is not None and action_id == self._action_id

    def item(self, packet: Packet, received_us: int) -> None:
        """One event of the current list."""
        parsed = self._recorder.snapshot(packet, received_us)
        self.snapshots += 1
        if self._current is CHANNELS:
            uniqueid = parsed.fields.get("Uniqueid") or parsed.fields.get("UniqueID")
            if isinstance(uniqueid, str):
                self._seen.add(uniqueid)

    def reply(self, reply: Reply, received_us: int) -> None:
        """The current list ended, or did not come."""
        complete, message = reply.complete and reply.success, said(reply)
        current = self._current
        if current is None:
            return
        if self._channels_listed:
            self._channels_listed = False
            for channel in self._recorder.live.reconcile(self._seen, self._known):
                self._recorder.synthetic(self._recorder.live.synthetic_hangup(channel), received_us)
                self.ended += 1
        if current is CHANNELS:
            self.channels_known = complete
            self._channels_listed = complete or self._restarted
        if not complete and not (message.startswith(_UNKNOWN_ACTION) and current is not CHANNELS):
            self._report(ResyncIncomplete(self._pbx, current.action, message))
        self._next()

    def _next(self) -> None:
        if self._waiting:
            self._current = self._waiting.pop(0)
            self._action_id = self._ask(self._current)
            return
        self._current = None
        self._report(ResyncDone(self._pbx, self.snapshots, self.ended))


def said(reply: Reply) -> str:
    """Why a request was not answered with success: the PBX's own words, or what happened."""
    if reply.reason or reply.response is None:
        return reply.reason
    message = reply.response.fields.get("Message", "")
    return message if isinstance(message, str) else message[0]
