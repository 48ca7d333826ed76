"""The recorder: packets of one PBX become numbered records in its journal.

This is the path of every event, so it is one flat function and holds to these rules:
* nothing here waits, and nothing is looked up twice;
* a packet is parsed once; the parse travels with the record while the journal keeps it in memory;
* the journal gets a whole read's records in one call, before anyone else hears of them.

What must outlive a crash (which calls are tied together, which channels live, how the PBX was last seen)
is one state blob saved beside the records. On start the records after it are walked again, so that a
state once a second is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgpack  # type: ignore[import-untyped]

from publisher import control
from publisher.ami.fields import ParsedPacket, parse_packet
from publisher.ami.framing import Packet, is_suspect
from publisher.calls import CallTracker
from publisher.live_channels import LiveChannels
from publisher.ports import Journal
from publisher.records import CONTROL, EVENT, SNAPSHOT, SUSPECT, SYNTHETIC, Record

_STATE_VERSION = 1
_REPLAY_BATCH = 2000
_SAVE_QUIET_US = 10_000_000

Fields = Mapping[str, str | list[str]]

# Events that say something about the PBX itself.
NOTED_EVENTS = frozenset({"FullyBooted", "Shutdown", "Reload"})


class Recorder:
    """Numbers and journals what one PBX says. One instance a PBX; not shared between tasks.

    `left_out` counts the events that the configuration leaves out here (intended, never lost).
    `on_noted` is called with the parse of each event named in NOTED_EVENTS, `on_watched` with the name and
    headers of each one named in `watched`, left out or not; both must not raise and must not wait.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        encoding: str = "utf-8",
        leave_out: Iterable[str] = (),
        on_noted: Callable[[ParsedPacket], None] | None = None,
    ) -> None:
        self._journal = journal
        self._encoding = encoding
        self._leave_out = frozenset(leave_out)
        self._on_noted = on_noted
        self.watched: frozenset[str] = frozenset()
        self.on_watched: Callable[[str, Fields], None] = _unwatched
        self.calls = CallTracker(journal.pbx)
        self.live = LiveChannels(encoding)
        self.boot_text = ""
        self.boot_us = 0
        # All that the PBX had said by then has been received.
        self.last_seen_us = 0
        self.recorded = 0
        self.left_out = 0
        self._saved_pos = 0
        self._saved_seen_us = 0

    # -- the path of events -------------------------------------------------

    def events(self, packets: Sequence[Packet], received_us: int, flags: int = 0) -> None:
        """Journal event packets, in order, all received at `received_us`."""
        journal = self._journal
        pos, epoch, seq = journal.next_pos, journal.epoch, journal.next_seq
        encoding = self._encoding
        leave_out = self._leave_out
        watched = self.watched
        call_of = self.calls.call_of
        note_live = self.live.note
        live_names = self.live.names
        records: list[Record] = []
        add = records.append
        for packet in packets:
            raw = packet.raw
            parsed = parse_packet(raw, encoding)
            name = parsed.name
            if name in watched:
                self.on_watched(name, parsed.fields)
            if name in leave_out:
                self.left_out += 1
                continue
            fields = parsed.fields
            call = call_of(name, fields)
            if name in live_names:
                note_live(name, fields)
            elif name in NOTED_EVENTS and self._on_noted is not None:
                self._on_noted(parsed)
            its_flags = flags
            if not flags and is_suspect(raw):
                its_flags = SUSPECT
            add(Record(pos, epoch, seq, received_us, EVENT, its_flags, call, raw, 1, parsed))
            pos += 1
            seq += 1
        if records:
            self.recorded += len(records)
            journal.append(records)

    def snapshot(self, packet: Packet, received_us: int) -> ParsedPacket:
        """Journal one list event of a resync, marked as a snapshot; returns its parse."""
        parsed = parse_packet(packet.raw, self._encoding)
        self.live.note_snapshot(parsed.name, parsed.fields)
        call = self.calls.call_of(parsed.name, parsed.fields)
        self._append_one(EVENT, SNAPSHOT, call, packet.raw, received_us, parsed)
        return parsed

    def synthetic(self, raw: bytes, received_us: int) -> None:
        """Journal an event that we made because the PBX's own was missed."""
        parsed = parse_packet(raw, self._encoding)
        call = self.calls.call_of(parsed.name, parsed.fields)
        self.live.note(parsed.name, parsed.fields)
        self._append_one(EVENT, SYNTHETIC, call, raw, received_us, parsed)

    def leftover(self, raw: bytes, received_us: int) -> None:
        """Journal text that is neither event nor response: the tail of a packet that a value split."""
        self._append_one(EVENT, SUSPECT, self._journal.pbx, raw, received_us)

    def control(self, payload: bytes, received_us: int) -> None:
        """Journal a control event (a payload of `publisher.control`)."""
        self._append_one(CONTROL, 0, self._journal.pbx, payload, received_us)

    def _append_one(
        self, kind: int, flags: int, call: str, raw: bytes, at_us: int, parsed: ParsedPacket | None = None
    ) -> None:
        journal = self._journal
        record = Record(
            journal.next_pos, journal.epoch, journal.next_seq, at_us, kind, flags, call, raw, 1, parsed
        )
        self.recorded += 1
        journal.append([record])

    # -- what outlives a crash ----------------------------------------------

    def save(self) -> None:
        """Hand the state to the journal, if anything was recorded since the last time, or all was quiet
        for a while: a gap begins where the PBX was last heard, and that is part of the state."""
        pos = self._journal.next_pos - 1
        if pos == self._saved_pos and self.last_seen_us - self._saved_seen_us < _SAVE_QUIET_US:
            return
        self._saved_pos, self._saved_seen_us = pos, self.last_seen_us
        self._journal.save_state(self._dump(), pos)

    def _dump(self) -> bytes:
        state = {
            "v": _STATE_VERSION,
            "calls": self.calls.dump(),
            "live": self.live.dump(),
            "boot_text": self.boot_text,
            "boot_us": self.boot_us,
            "last_seen_us": self.last_seen_us,
        }
        packed: bytes = msgpack.packb(state)
        return packed

    def _load(self, blob: bytes) -> None:
        try:
            state = msgpack.unpackb(blob)
            if not isinstance(state, dict) or state.get("v") != _STATE_VERSION:
                return
            calls, live = state["calls"], state["live"]
            boot_text, boot_us, seen = state["boot_text"], state["boot_us"], state["last_seen_us"]
        except (ValueError, KeyError, msgpack.UnpackException):
            # A state that cannot be read is as good as none: the records after it tell the rest.
            return
        self.calls.load(calls)
        self.live.load(live)
        self.boot_text, self.boot_us, self.last_seen_us = str(boot_text), int(boot_us), int(seen)

    async def restore(self) -> None:
        """Bring the state to the journal's end: the saved one, then the records after it."""
        blob, pos = self._journal.load_state()
        if blob:
            self._load(blob)
        known_seen_us = self.last_seen_us
        while batch := await self._journal.read(pos, _REPLAY_BATCH):
            for record in batch:
                if record.kind == EVENT:
                    self._replay(record)
                elif record.kind == CONTROL:
                    said = control.unpack(record.raw)
                    if said["kind"] == control.UP:
                        self._replay_up(said)
                self.last_seen_us = record.received_us
            pos = batch[-1].pos + batch[-1].span - 1
        self._saved_pos = pos
        # What was received last says less than it seems: earlier events may have been under way still.
        self.last_seen_us = known_seen_us or self.last_seen_us

    def _replay(self, record: Record) -> None:
        parsed = parse_packet(record.raw, self._encoding)
        if not parsed.name:
            return
        self.calls.call_of(parsed.name, parsed.fields)
        if record.flags & SNAPSHOT:
            self.live.note_snapshot(parsed.name, parsed.fields)
        elif parsed.name in self.live.names:
            self.live.note(parsed.name, parsed.fields)

    def _replay_up(self, up: dict[str, object]) -> None:
        self.boot_text = str(up.get("boot", self.boot_text))
        self.boot_us = int(str(up.get("boot_us", self.boot_us)))


def _unwatched(name: str, fields: Fields) -> None:
    return
