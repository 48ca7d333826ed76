"""Live channels: which channels of a PBX live now, with what the end of one would have to say.

After a gap the PBX's list of channels is compared with what is known here: a channel that was known before
the gap and is not in the list has ended unseen, and gets the Hangup that nobody sent (`synthetic_hangup`).

Only the events in `names` (and the list events of a resync) say anything new; all others, VarSet first of
all, must not be handed over. A packet without a Privilege line (forged or split) changes nothing.

Bound: 65,536 channels; beyond that the longest known is forgotten and gets no synthetic end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgpack  # type: ignore[import-untyped]

Fields = Mapping[str, str | list[str]]

MAX_CHANNELS: Final = 65_536

_STATE_VERSION: Final = 1
# What a Hangup carries, in its order: since 12 a whole snapshot; up to 11, without Linkedid, a few headers.
_SNAPSHOT: Final = (
    *("Channel", "ChannelState", "ChannelStateDesc", "CallerIDNum", "CallerIDName", "ConnectedLineNum"),
    *("ConnectedLineName", "Language", "AccountCode", "Context", "Exten", "Priority", "Uniqueid", "Linkedid"),
)
_SHORT: Final = (
    *("Channel", "Uniqueid", "CallerIDNum", "CallerIDName", "ConnectedLineNum", "ConnectedLineName"),
    "AccountCode",
)
# What a masquerade of <= 11 exchanges between its two channels, besides their names; a Hangup writes
# `<unknown>` for those that are empty.
_EXCHANGED: Final = ("CallerIDNum", "CallerIDName", "ConnectedLineNum", "ConnectedLineName")
# How <= 11 spells some headers of CoreShowChannel and Status.
_OTHER_SPELLINGS: Final = {
    "UniqueID": "Uniqueid",
    "CallerIDnum": "CallerIDNum",
    "CallerIDname": "CallerIDName",
    "Extension": "Exten",
    "Account": "AccountCode",
    "State": "ChannelStateDesc",
}
_LISTED: Final = frozenset({"CoreShowChannel", "Status"})
_LONGEST_VALUE: Final = 1024


@dataclass(slots=True)
class LiveChannel:
    """One channel: its Uniqueid and the last known value of each header that a Hangup carries."""

    uniqueid: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def has_linkedid(self) -> bool:
        """True for Asterisk 12 and newer."""
        return bool(self.headers.get("Linkedid"))


class LiveChannels:
    """The live channels of one PBX. `encoding` is the one in which its text is decoded."""

    names: Final = frozenset(
        {"Hangup", "Masquerade", "NewCallerid", "NewConnectedLine", "Newchannel", "Newstate", "Rename"}
    )

    def __init__(self, encoding: str = "utf-8") -> None:
        self._encoding = encoding
        self._channels: dict[str, LiveChannel] = {}
        self._by_name: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def channel(self, uniqueid: str) -> LiveChannel | None:
        """The live channel with this Uniqueid."""
        return self._channels.get(uniqueid)

    def uniqueids(self) -> frozenset[str]:
        """The Uniqueids of all that live now."""
        return frozenset(self._channels)

    # -- what events tell ---------------------------------------------------

    def note(self, name: str, fields: Fields) -> None:
        """Take in one event whose name is in `names`; any other is ignored."""
        if name not in self.names or "Privilege" not in fields:
            return
        if name == "Masquerade":
            self._masquerade(fields)
            return
        uniqueid = fields.get("Uniqueid")
        if not isinstance(uniqueid, str) or not uniqueid:
            return
        if name == "Hangup":
            self._end(uniqueid)
        elif name == "Rename":
            channel = self._channels.get(uniqueid)
            new = fields.get("Newname")
            if channel is not None and isinstance(new, str):
                self._rename(channel, new)
        else:
            self._update(uniqueid, fields)

    def note_snapshot(self, name: str, fields: Fields) -> None:
        """Take in one list event of a resync: CoreShowChannel or Status; any other is ignored."""
        if name not in _LISTED:
            return
        spelled = {_OTHER_SPELLINGS.get(header, header): value for header, value in fields.items()}
        uniqueid = spelled.get("Uniqueid")
        if isinstance(uniqueid, str) and uniqueid:
            self._update(uniqueid, spelled)

    def _update(self, uniqueid: str, fields: Fields) -> None:
        channel = self._channels.get(uniqueid)
        if channel is None:
            if "Channel" not in fields:
                return
            if len(self._channels) >= MAX_CHANNELS:
                self._end(next(iter(self._channels)))
            channel = self._channels[uniqueid] = LiveChannel(uniqueid)
        name = fields.get("Channel")
        if isinstance(name, str):
            self._rename(channel, name)
        headers = channel.headers
        for header in _SNAPSHOT:
            value = fields.get(header)
            if isinstance(value, str):
                headers[header] = value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE]

    def _rename(self, channel: LiveChannel, name: str) -> None:
        old = channel.headers.get("Channel", "")
        if old == name:
            return
        if self._by_name.get(old) == channel.uniqueid:
            del self._by_name[old]
        channel.headers["Channel"] = name
        self._by_name[name] = channel.uniqueid

    def _masquerade(self, fields: Fields) -> None:
        """<= 11: the Original goes on with the Clone's device and parties, the Clone ends with its own."""
        clone, original = self._named(fields.get("Clone")), self._named(fields.get("Original"))
        if clone is None or original is None:
            return
        for header in _EXCHANGED:
            mine, theirs = clone.headers.get(header, ""), original.headers.get(header, "")
            clone.headers[header], original.headers[header] = theirs, mine

    def _named(self, name: object) -> LiveChannel | None:
        uniqueid = self._by_name.get(name) if isinstance(name, str) else None
        return None if uniqueid is None else self._channels.get(uniqueid)

    def _end(self, uniqueid: str) -> None:
        channel = self._channels.pop(uniqueid, None)
        if channel is not None and self._by_name.get(channel.headers.get("Channel", "")) == uniqueid:
            del self._by_name[channel.headers["Channel"]]

    # -- after a gap --------------------------------------------------------

    def reconcile(self, seen: Collection[str], known_before: Collection[str]) -> list[LiveChannel]:
        """The channels that ended unseen, in the order in which they began; they are live no more.

        `seen`: the Uniqueids in the PBX's list. `known_before`: those known when it was asked for; what began
        later may be too new for the list.
        """
        ended = [
            channel
            for uniqueid, channel in self._channels.items()
            if uniqueid not in seen and uniqueid in known_before
        ]
        for channel in ended:
            self._end(channel.uniqueid)
        return ended

    def synthetic_hangup(self, channel: LiveChannel) -> bytes:
        """A Hangup packet as this PBX's Asterisk would have written it, without its closing empty line.

        The cause is not known: 0, as Asterisk itself writes it then.
        """
        lines = ["Event: Hangup", "Privilege: call,all"]
        for header in _SNAPSHOT if channel.has_linkedid else _SHORT:
            value = channel.uniqueid if header == "Uniqueid" else channel.headers.get(header, "")
            if not value and header in _EXCHANGED:
                value = "<unknown>"
            # Asterisk lets a raw LF through in a caller's name; our own packet stays whole.
            lines.append(f"{header}: {value}".replace("\r", " ").replace("\n", " "))
        lines += ["Cause: 0", "Cause-txt: Unknown", ""]
        text = "\r\n".join(lines)
        try:
            return text.encode(self._encoding, "surrogateescape")
        except UnicodeEncodeError:
            # The state was saved when another encoding was configured.
            return text.encode(self._encoding, "replace")

    # -- what outlives a crash ----------------------------------------------

    def dump(self) -> bytes:
        """All that is known, for `load`. A few microseconds a channel."""
        state = (_STATE_VERSION, [(channel.uniqueid, channel.headers) for channel in self._channels.values()])
        packed: bytes = msgpack.packb(state, unicode_errors="surrogateescape")
        return packed

    def load(self, state: bytes) -> None:
        """Take over a dumped state. One that cannot be read, or of another version, leaves nothing known."""
        self._channels = {}
        self._by_name = {}
        try:
            version, channels = msgpack.unpackb(state, unicode_errors="surrogateescape")
            if version != _STATE_VERSION:
                return
            loaded = {
                str(uniqueid): LiveChannel(str(uniqueid), dict(headers)) for uniqueid, headers in channels
            }
            names = {str(channel.headers["Channel"]): uniqueid for uniqueid, channel in loaded.items()}
        except (ValueError, TypeError, LookupError, msgpack.UnpackException):
            return
        self._channels, self._by_name = loaded, names
