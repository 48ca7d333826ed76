"""The switchboard: which channels of one PBX live, which leg each carries, which call each leg is part of.

Nothing is told here; `turn.py` does that. What may exist:
* A channel (Uniqueid) carries one leg, a leg is carried by one channel, and names are unique among legs.
* A leg is in one call; a call without legs is over.
* A Linkedid leads to one call at most. It finds the call of a new channel, and nothing else: members of one
  conference share a Linkedid and are calls of their own.

Bounds: `Bounds`; at the bound the call that nothing was heard of for longest is forgotten. A call takes in
no more than 512 legs. The Uniqueids of the 1,024 channels and the keys of the 1,024 calls that ended last are
kept, so that what trails behind an end begins nothing, and no key comes again soon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from consumers.calls.call import MAX_LINKS, MAX_UNIQUEIDS, Call
from consumers.calls.channel_name import ChannelKind, ChannelName, channel_name
from consumers.calls.leg import Leg

MAX_CHANNELS: Final = 65_536
MAX_CALLS: Final = 16_384
MAX_LEGS: Final = 512
ENDED_KEPT: Final = 1024
IDLE_SECS: Final = 24 * 3600

_UNUSABLE: Final = frozenset({"", "<null>", "<unknown>", "<none>"})


@dataclass(slots=True, frozen=True)
class Bounds:
    """`max_channels` and `max_calls` a PBX; `idle_secs` without an event, by the events' time."""

    max_channels: int = MAX_CHANNELS
    max_calls: int = MAX_CALLS
    idle_secs: int = IDLE_SECS


class Recent:
    """The 1,024 texts that were added last."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts = dict.fromkeys(texts)

    def __contains__(self, text: str) -> bool:
        return text in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def add(self, text: str) -> None:
        self._texts.pop(text, None)
        self._texts[text] = None
        if len(self._texts) > ENDED_KEPT:
            del self._texts[next(iter(self._texts))]

    def discard(self, text: str) -> None:
        self._texts.pop(text, None)


class Switchboard:
    """Channels, legs and calls of one PBX. `trunks`: peers' names (`mytrunk`) or devices' (`SIP/mytrunk`)."""

    def __init__(self, trunks: Iterable[str] = (), bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self.trunks = frozenset(name.strip().casefold() for name in trunks)
        self.epoch = -1
        self.seq = -1
        self.gaps = 0
        self.boot = ""
        self.sweep_us = 0
        self.heard_us = 0
        self.started = 0
        self.channels: dict[str, Leg] = {}
        self.names: dict[str, Leg] = {}
        self.calls: dict[str, Call] = {}
        self.links: dict[str, Call] = {}
        self.bridges: dict[str, dict[Leg, None]] = {}
        self.unsaid: dict[Leg, int] = {}
        self.ended = Recent()
        self.ended_calls = Recent()

    # -- finding and beginning ----------------------------------------------

    def find(self, uniqueid: str, name: str = "") -> Leg | None:
        """The leg that this channel carries. A leg of that name whose channel is another one moves here."""
        leg = self.channels.get(uniqueid)
        if leg is not None or not name:
            return leg
        known = self.names.get(channel_name(name).base)
        if known is not None and uniqueid not in _UNUSABLE and uniqueid not in self.ended:
            self._carry(uniqueid, known)
        return known

    def begin(self, uniqueid: str, name: str, linkedid: str, key: str, now_us: int, new: bool) -> Leg | None:
        """The leg of a channel that was not known, in the call of its Linkedid or in one of its own.

        None for what is no leg: the PBX's own channels, and one that has ended (unless `new`: a restart).
        """
        read = channel_name(name)
        if uniqueid in _UNUSABLE or read.kind == ChannelKind.NOBODY or read.zombie or read.base in self.names:
            return None
        if uniqueid in self.ended:
            if not new:
                return None
            self.ended.discard(uniqueid)
        linked = self.links.get(linkedid) if linkedid else None
        if linked is None or len(linked.legs) >= MAX_LEGS:
            linked = self._new_call((key, linkedid, uniqueid), now_us)
            linked.unseen = not new
        leg = Leg(read.base, read.kind, read.peer, uniqueid, linked, linkedid=linkedid)
        leg.trunk = self._is_trunk(read)
        self.channels[uniqueid] = leg
        self.names[read.base] = leg
        linked.legs[leg] = None
        self._note_uniqueid(linked, uniqueid)
        self.link(linked, linkedid)
        return leg

    def _new_call(self, keys: Iterable[str], now_us: int) -> Call:
        """A call by the first of these keys that no other has, or had lately."""
        self.started += 1
        candidates = [key for key in keys if key]
        free = [key for key in candidates if key not in self.calls and key not in self.ended_calls]
        key = free[0] if free else f"{candidates[-1]}.{self.started}"
        call = self.calls[key] = Call(key, self.started, now_us, self.gaps, touched_us=now_us)
        return call

    def _is_trunk(self, read: ChannelName) -> bool:
        if not self.trunks or not read.peer:
            return False
        peer = read.peer.casefold()
        return peer in self.trunks or f"{read.technology.casefold()}/{peer}" in self.trunks

    def _note_uniqueid(self, call: Call, uniqueid: str) -> None:
        if len(call.uniqueids) < MAX_UNIQUEIDS and uniqueid not in call.uniqueids:
            call.uniqueids.append(uniqueid)

    def link(self, call: Call, linkedid: str) -> None:
        """Channels to come with this Linkedid are of this call, unless it is taken."""
        if linkedid and linkedid not in self.links and len(call.links) < MAX_LINKS:
            self.links[linkedid] = call
            call.links.append(linkedid)
        if linkedid and not call.linkedid:
            call.linkedid = linkedid

    def touch(self, call: Call, now_us: int) -> None:
        """Something was heard of it: it is the last to be forgotten."""
        call.touched_us = now_us
        if self.calls.pop(call.key, None) is not None:
            self.calls[call.key] = call

    # -- names --------------------------------------------------------------

    def rename(self, uniqueid: str, new_name: str) -> tuple[Leg, Leg] | None:
        """The channel goes by another name. Where that is another leg's, the two change channels.

        Then returns the leg that this channel carries now and the one that it carried before.
        """
        read = channel_name(new_name)
        leg, known = self.channels.get(uniqueid), self.names.get(read.base)
        if known is leg:
            return None
        if known is None:
            if leg is not None and read.base and not read.zombie:
                del self.names[leg.name]
                leg.name, leg.kind, leg.peer = read.base, read.kind, read.peer
                leg.trunk = self._is_trunk(read)
                self.names[read.base] = leg
            return None
        if leg is None:
            if uniqueid not in _UNUSABLE:
                self._carry(uniqueid, known)
            return None
        self.channels[uniqueid], self.channels[known.uniqueid] = known, leg
        known.uniqueid, leg.uniqueid = leg.uniqueid, known.uniqueid
        self._note_uniqueid(known.call, uniqueid)
        self._exchange_places(known, leg)
        return known, leg

    def _carry(self, uniqueid: str, leg: Leg) -> None:
        if self.channels.get(leg.uniqueid) is leg:
            del self.channels[leg.uniqueid]
        leg.uniqueid = uniqueid
        self.channels[uniqueid] = leg
        self._note_uniqueid(leg.call, uniqueid)

    def _exchange_places(self, one: Leg, other: Leg) -> None:
        """A masquerade: each is now in the bridge that the other was in."""
        mine, theirs = one.bridge, other.bridge
        self.leave(one)
        self.leave(other)
        if theirs:
            self.enter(one, theirs)
        if mine:
            self.enter(other, mine)

    def unhook(self, uniqueid: str) -> None:
        """This channel carries its leg no longer; the leg will be found by its name."""
        self.channels.pop(uniqueid, None)
        self.note_ended(uniqueid)

    # -- bridges ------------------------------------------------------------

    def enter(self, leg: Leg, bridge: str) -> list[Leg]:
        """The leg is in this bridge now; returns who was in it already."""
        if leg.bridge != bridge:
            self.leave(leg)
        members = self.bridges.setdefault(bridge, {})
        others = [one for one in members if one is not leg]
        members[leg] = None
        leg.bridge = bridge
        return others

    def leave(self, leg: Leg) -> None:
        members = self.bridges.get(leg.bridge)
        if members is not None:
            members.pop(leg, None)
            if not members:
                del self.bridges[leg.bridge]
        leg.bridge = ""

    # -- calls --------------------------------------------------------------

    def move(self, leg: Leg, call: Call) -> None:
        """The leg becomes part of `call`. The call that it left is over where it has no other."""
        left = leg.call
        left.legs.pop(leg, None)
        leg.call = call
        call.legs[leg] = None
        self._note_uniqueid(call, leg.uniqueid)
        if left.legs:
            return
        links = list(left.links)
        self.close(left)
        for linkedid in links:
            self.link(call, linkedid)

    def absorb(self, call: Call, other: Call) -> None:
        """All legs of `other` become `call`'s, and `other` is over. Only legs and links are taken over."""
        links, uniqueids = list(other.links), list(other.uniqueids)
        for leg in list(other.legs):
            leg.call = call
            call.legs[leg] = None
        other.legs.clear()
        self.close(other)
        for uniqueid in uniqueids:
            self._note_uniqueid(call, uniqueid)
        for linkedid in links:
            self.link(call, linkedid)

    def drop(self, leg: Leg) -> None:
        """The leg's channel has ended."""
        self.leave(leg)
        self.unsaid.pop(leg, None)
        if self.channels.get(leg.uniqueid) is leg:
            del self.channels[leg.uniqueid]
        if self.names.get(leg.name) is leg:
            del self.names[leg.name]
        call = leg.call
        call.legs.pop(leg, None)
        call.holders.pop(leg, None)
        if call.caller_leg is leg:
            call.caller_leg = None
        self.note_ended(leg.uniqueid)

    def note_ended(self, uniqueid: str) -> None:
        if uniqueid not in _UNUSABLE:
            self.ended.add(uniqueid)

    def close(self, call: Call) -> None:
        """The call is over; what legs it has left are forgotten with it."""
        for leg in list(call.legs):
            self.drop(leg)
        if self.calls.get(call.key) is call:
            del self.calls[call.key]
            self.ended_calls.add(call.key)
        for linkedid in call.links:
            if self.links.get(linkedid) is call:
                del self.links[linkedid]
        call.links.clear()

    # -- bounds -------------------------------------------------------------

    def beyond_bounds(self) -> Iterator[Call]:
        """Calls to be forgotten for want of room, the longest silent first. Close each before the next."""
        while len(self.calls) > self.bounds.max_calls or len(self.names) > self.bounds.max_channels:
            yield next(iter(self.calls.values()))

    def idle(self, now_us: int) -> Iterator[Call]:
        """Calls of which nothing was heard for too long. Close each before the next."""
        before = now_us - self.bounds.idle_secs * 1_000_000
        while self.calls:
            oldest = next(iter(self.calls.values()))
            if oldest.touched_us >= before:
                return
            yield oldest
