"""Calls: the key on which all events of one call stay together, kept across transfers.

Asterisk >= 12 puts a Linkedid into almost every event, but a transfer may change it; Asterisk <= 11 has none
and says piecemeal which channels belong together. So channels are gathered into calls, and whatever ties two
channels ties their calls for good:

* >= 12: the same Linkedid; a channel whose Linkedid changes; DialBegin/State/End; entering a bridge that a
  call is in; LocalBridge and the optimisation of Local channels; BlindTransfer, AttendedTransfer; pickup.
* <= 11: Dial (UniqueID, DestUniqueID), Bridge (Uniqueid1, Uniqueid2), LocalBridge, Masquerade (by the names
  of the channels), Transfer, AgentCalled. Rename says which name a channel goes by from then on.

A call's key is its first Linkedid (<= 11: its first Uniqueid). When two calls are tied, every event emitted
from then on belongs to the one that started earlier. What concerns no call has the PBX's name as its key.

Invariants
* The key depends on the events and their order alone: no clock, no randomness; the same after dump and load.
* All channels with one Linkedid are in one call.
* Holding bridges (parking lots) tie nobody: several calls wait in one.
* A packet that Asterisk cannot have written itself (no Privilege and no ActionID line) and a UserEvent are
  looked up but never change what is known.
* The cost of an event does not grow with the number of channels: nothing is searched through, and a tie
  moves the smaller call.

Bounds. An ended channel is kept until 1,024 more have ended, for its trailing events (Cdr, VarSet); such an
event after that has its own Uniqueid as key, which for a call's first channel is the same. At most 65,536
channels and 16,384 bridges: beyond that the longest known is forgotten, as after a missed Hangup. A channel
keeps its eight latest Linkedids.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

from publisher.call_ties import (
    CALLESS,
    NAMING_EVENTS,
    OWN_CHANNEL,
    OWN_HEADERS,
    TIED_BY_NAME,
    TIED_CHANNELS,
    ChannelHeaders,
)

Fields = Mapping[str, str | list[str]]

MAX_CHANNELS: Final = 65_536
MAX_BRIDGES: Final = 16_384
ENDED_KEPT: Final = 1024
# Asterisk's own limit on a Uniqueid (AST_MAX_UNIQUEID); anything longer is made up.
MAX_UNIQUEID_LENGTH: Final = 149
_MAX_NAME_LENGTH: Final = 512
_MAX_LINKS: Final = 8

_STATE_VERSION: Final = 1
_BRIDGES: Final = frozenset({"BridgeEnter", "BridgeDestroy", "BridgeMerge"})
_BEGINNINGS: Final = frozenset({"Newchannel", "Newstate", "CoreShowChannel", "Status", "Rename"})
_TELLING: Final = (
    frozenset({"Hangup", "Rename", "Newchannel"}) | _BRIDGES | TIED_CHANNELS.keys() | TIED_BY_NAME.keys()
)


class _Call:
    """Channels that belong together. `links`: how many of them have had which Linkedid (<= 11: Uniqueid)."""

    __slots__ = ("bridges", "channels", "key", "links", "order")

    def __init__(self, key: str, order: int) -> None:
        self.key = key
        self.order = order
        self.channels: set[str] = set()
        self.links: dict[str, int] = {}
        self.bridges: set[str] = set()


class _Channel:
    """`links`: the Linkedids that it has had, the latest last (<= 11: its Uniqueid)."""

    __slots__ = ("call", "ended", "linkedid", "links", "name")

    def __init__(self, call: _Call, linkedid: str, links: tuple[str, ...]) -> None:
        self.call = call
        self.linkedid = linkedid
        self.links = links
        self.name = ""
        self.ended = False


class CallTracker:
    """Which call each event of one PBX belongs to. Feed it every event, in order."""

    def __init__(
        self,
        pbx: str,
        *,
        max_channels: int = MAX_CHANNELS,
        max_bridges: int = MAX_BRIDGES,
        ended_kept: int = ENDED_KEPT,
    ) -> None:
        self._pbx = pbx
        self._max_channels = max_channels
        self._max_bridges = max_bridges
        self._ended_kept = ended_kept
        self._clear()

    def _clear(self) -> None:
        self._started = 0
        self._channels: dict[str, _Channel] = {}
        self._names: dict[str, str] = {}
        self._links: dict[str, _Call] = {}
        self._bridges: dict[str, _Call] = {}
        self._ended: deque[str] = deque()

    def call_of(self, name: str, fields: Fields) -> str:
        """The key of the call that the event belongs to; the PBX's name where no call is concerned."""
        try:
            channel = self._channels.get(fields.get("Uniqueid"))  # type: ignore[arg-type]
        except TypeError:  # a repeated header: made up
            return self._pbx
        if channel is not None and name not in _TELLING:
            linkedid = fields.get("Linkedid")
            if linkedid == channel.linkedid or linkedid is None:
                return channel.call.key
        elif name in CALLESS:
            return self._pbx
        return self._note(name, fields)

    # -- what events tell ---------------------------------------------------

    def _note(self, name: str, fields: Fields) -> str:
        if name == "UserEvent" or ("Privilege" not in fields and "ActionID" not in fields):
            return self._look_up(name, fields)
        if name in _BRIDGES:
            return self._note_bridge(name, fields)
        if name in TIED_CHANNELS or name in TIED_BY_NAME:
            return self._note_tie(name, fields)
        if name == "Hangup":
            return self._note_end(name, fields)
        if name == "Newchannel":
            # The PBX counts its Uniqueids anew after a restart: this is another channel.
            self._forget_ended(_text(fields, "Uniqueid"))
        channel = self._channel(fields, OWN_CHANNEL, name in _BEGINNINGS)
        if channel is None:
            return self._look_up(name, fields)
        if name == "Rename":
            self._set_name(_text(fields, "Uniqueid"), channel, _text(fields, "Newname"))
        return channel.call.key

    def _note_tie(self, name: str, fields: Fields) -> str:
        call: _Call | None = None
        for headers in TIED_CHANNELS.get(name, ()):
            channel = self._channel(fields, headers, True)
            if channel is not None:
                call = channel.call if call is None else self._tie(call, channel.call)
        for header in TIED_BY_NAME.get(name, ()):
            channel = self._named(_text(fields, header))
            if channel is not None:
                call = channel.call if call is None else self._tie(call, channel.call)
        return self._look_up(name, fields) if call is None else call.key

    def _note_bridge(self, name: str, fields: Fields) -> str:
        if name == "BridgeMerge":
            into = self._bridges.get(_text(fields, "ToBridgeUniqueid"))
            merged = self._bridges.get(_text(fields, "FromBridgeUniqueid"))
            both = self._tie(into, merged) if into and merged else into or merged
            return both.key if both else self._look_up(name, fields)
        bridge = _text(fields, "BridgeUniqueid")
        if name == "BridgeDestroy":
            call = self._bridges.pop(bridge, None)
            if call is None:
                return self._pbx
            call.bridges.discard(bridge)
            return call.key
        channel = self._channel(fields, OWN_CHANNEL, True)
        if channel is None:
            return self._look_up(name, fields)
        if not _usable(bridge) or _text(fields, "BridgeTechnology") == "holding_bridge":
            return channel.call.key
        inside = self._bridges.get(bridge)
        if inside is not None:
            return self._tie(inside, channel.call).key
        if len(self._bridges) >= self._max_bridges:
            oldest = next(iter(self._bridges))
            self._bridges.pop(oldest).bridges.discard(oldest)
        self._bridges[bridge] = channel.call
        channel.call.bridges.add(bridge)
        return channel.call.key

    def _note_end(self, name: str, fields: Fields) -> str:
        uniqueid = _text(fields, "Uniqueid")
        if uniqueid not in self._channels:
            return self._look_up(name, fields)
        channel = self._channel(fields, OWN_CHANNEL, False)
        assert channel is not None
        if not channel.ended:
            channel.ended = True
            self._ended.append(uniqueid)
            if len(self._ended) > self._ended_kept:
                self._forget_ended(self._ended.popleft())
        return channel.call.key

    def _look_up(self, name: str, fields: Fields) -> str:
        """The key of an event that changes nothing."""
        for uniqueid_header, linkedid_header, _ in NAMING_EVENTS.get(name, OWN_HEADERS):
            uniqueid = _text(fields, uniqueid_header)
            if not _usable(uniqueid):
                continue
            channel = self._channels.get(uniqueid)
            if channel is not None:
                return channel.call.key
            linkedid = _text(fields, linkedid_header)
            link = linkedid if _usable(linkedid) else uniqueid
            call = self._links.get(link)
            return link if call is None else call.key
        bridge = self._bridges.get(_text(fields, "BridgeUniqueid"))
        if bridge is not None:
            return bridge.key
        channel = self._named(_text(fields, "Channel"))
        return self._pbx if channel is None else channel.call.key

    # -- channels and calls -------------------------------------------------

    def _named(self, name: str) -> _Channel | None:
        uniqueid = self._names.get(name)
        return None if uniqueid is None else self._channels.get(uniqueid)

    def _channel(self, fields: Fields, headers: ChannelHeaders, begins: bool) -> _Channel | None:
        """The channel that these headers describe, brought up to date.

        An unknown one is begun where it has a Linkedid or where the event is one that `begins` channels;
        other events of a channel that nobody told of (<= 11) are no reason to keep it.
        """
        uniqueid = _text(fields, headers.uniqueid)
        if not _usable(uniqueid):
            return None
        linkedid = _text(fields, headers.linkedid)
        if not _usable(linkedid):
            linkedid = ""
        channel = self._channels.get(uniqueid)
        if channel is None:
            return (
                self._begin(uniqueid, linkedid, _text(fields, headers.channel))
                if begins or linkedid
                else None
            )
        if linkedid and linkedid != channel.linkedid:
            self._relink(channel, linkedid)
        return channel

    def _begin(self, uniqueid: str, linkedid: str, name: str) -> _Channel:
        link = linkedid or uniqueid
        call = self._links.get(link)
        if call is None:
            self._started += 1
            call = _Call(link, self._started)
        channel = _Channel(call, linkedid, (link,))
        self._channels[uniqueid] = channel
        call.channels.add(uniqueid)
        self._link(call, link)
        self._set_name(uniqueid, channel, name)
        if len(self._channels) > self._max_channels:
            self._forget(next(iter(self._channels)))
        return channel

    def _relink(self, channel: _Channel, linkedid: str) -> None:
        channel.linkedid = linkedid
        if linkedid in channel.links:
            return
        other = self._links.get(linkedid)
        call = channel.call if other is None else self._tie(channel.call, other)
        self._link(call, linkedid)
        channel.links = (*channel.links, linkedid)
        if len(channel.links) > _MAX_LINKS:
            self._unlink(call, channel.links[0])
            channel.links = channel.links[1:]

    def _link(self, call: _Call, link: str) -> None:
        self._links[link] = call
        call.links[link] = call.links.get(link, 0) + 1

    def _unlink(self, call: _Call, link: str) -> None:
        left = call.links[link] - 1
        if left:
            call.links[link] = left
        else:
            del call.links[link]
            del self._links[link]

    def _tie(self, one: _Call, other: _Call) -> _Call:
        """One call of two: the larger takes in the smaller and goes by the key of the elder."""
        if one is other:
            return one
        elder = one if one.order < other.order else other
        key, order = elder.key, elder.order
        large, small = (one, other) if len(one.channels) >= len(other.channels) else (other, one)
        for uniqueid in small.channels:
            self._channels[uniqueid].call = large
        for link, count in small.links.items():
            self._links[link] = large
            large.links[link] = large.links.get(link, 0) + count
        for bridge in small.bridges:
            self._bridges[bridge] = large
        large.channels |= small.channels
        large.bridges |= small.bridges
        large.key, large.order = key, order
        return large

    def _set_name(self, uniqueid: str, channel: _Channel, name: str) -> None:
        # A masquerade swaps names in three steps: another channel may go by the old one already.
        if self._names.get(channel.name) == uniqueid:
            del self._names[channel.name]
        channel.name = name if len(name) <= _MAX_NAME_LENGTH else ""
        if channel.name:
            self._names[channel.name] = uniqueid

    def _forget_ended(self, uniqueid: str) -> None:
        channel = self._channels.get(uniqueid)
        # The Uniqueid may have begun anew since.
        if channel is not None and channel.ended:
            self._forget(uniqueid)

    def _forget(self, uniqueid: str) -> None:
        channel = self._channels.pop(uniqueid)
        call = channel.call
        self._set_name(uniqueid, channel, "")
        for link in channel.links:
            self._unlink(call, link)
        call.channels.discard(uniqueid)
        if not call.channels:
            for bridge in call.bridges:
                del self._bridges[bridge]

    # -- what outlives a crash ----------------------------------------------

    def dump(self) -> bytes:
        """All that is known, for `load`. About a microsecond a channel: meant for once a second or so."""
        calls: dict[_Call, int] = {}
        channels = []
        for uniqueid, channel in self._channels.items():
            number = calls.setdefault(channel.call, len(calls))
            channels.append((uniqueid, channel.linkedid, channel.links, channel.name, channel.ended, number))
        state = (
            _STATE_VERSION,
            self._started,
            [(call.key, call.order) for call in calls],
            channels,
            list(self._ended),
            [(bridge, calls[call]) for bridge, call in self._bridges.items()],
            list(self._names.items()),
        )
        packed: bytes = msgpack.packb(state, unicode_errors="surrogateescape")
        return packed

    def load(self, state: bytes) -> None:
        """Take over a dumped state. One that cannot be read, or of another version, leaves nothing known."""
        self._clear()
        try:
            self._load(msgpack.unpackb(state, unicode_errors="surrogateescape"))
        except (ValueError, TypeError, LookupError, AttributeError, msgpack.UnpackException):
            self._clear()

    def _load(self, state: Any) -> None:
        version, started, calls, channels, ended, bridges, names = state
        if version != _STATE_VERSION:
            raise ValueError("a state of another version")
        self._started = int(started)
        known = [_Call(str(key), int(order)) for key, order in calls]
        for uniqueid, linkedid, links, name, has_ended, number in channels:
            call = known[number]
            channel = _Channel(call, linkedid, tuple(links))
            channel.ended = bool(has_ended)
            self._channels[uniqueid] = channel
            call.channels.add(uniqueid)
            for link in channel.links:
                self._link(call, link)
            channel.name = name
        self._names.update(names)
        self._ended.extend(str(uniqueid) for uniqueid in ended)
        for bridge, number in bridges:
            self._bridges[bridge] = known[number]
            known[number].bridges.add(bridge)


def _text(fields: Fields, header: str) -> str:
    """A header's value; empty where it is missing or, made up, stands several times."""
    value = fields.get(header, "")
    return value if isinstance(value, str) else ""


def _usable(uniqueid: str) -> bool:
    """False for no id at all: an OriginateResponse without a channel has `<null>`, from 20 on `<unknown>`."""
    return 0 < len(uniqueid) <= MAX_UNIQUEID_LENGTH and uniqueid not in ("<null>", "<unknown>")
