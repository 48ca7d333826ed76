"""Cuts the byte stream of a manager connection into packets.

Strategy. All bytes go into one buffer; a packet ends at the leftmost empty line (CRLF CRLF). Where no end
is found the search goes on later from where it stopped, so that each byte is looked at a bounded number of
times whatever the chunking. Two packets are not ended by their first empty line: the banner is the first
line of a connection, and the answer `Response: Follows` of Asterisk 13 and older is raw command output
up to its `--END COMMAND--`.

Invariants
* The packets depend on the bytes alone, never on how they were cut into chunks.
* The buffer never holds more than `Limits.max_packet_bytes` and one chunk. What breaches a limit comes
  out as one MALFORMED packet with a bounded prefix of its bytes, and reading goes on at the next end.
* Every byte except stray empty lines, packet ends and the rest of an over-long packet stands in one `raw`.
* No input raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Final, NamedTuple, cast

EVENT: Final = 0
RESPONSE: Final = 1
BANNER: Final = 2
MALFORMED: Final = 3

KEPT_BYTES: Final = 1024
"""How many bytes of a packet that breaches a limit are kept in its `raw`."""

TRUNCATED: Final = "truncated: the connection ended inside the packet"
OVER_PACKET_BYTES: Final = "longer than the limit of {} bytes a packet"
OVER_HEADERS: Final = "more headers than the limit of {}"
OVER_LINE_BYTES: Final = "a line longer than the limit of {} bytes"
NO_OUTPUT_END: Final = "command output without its --END COMMAND--"
NO_KIND: Final = "the first line is neither Event nor Response"

_CRLF: Final = b"\r\n"
_BLANK: Final = b"\r\n\r\n"

# What the reader is in: at the first line, between or inside packets, inside command output, or skipping
# the rest of what breached a limit.
_FIRST_LINE, _PACKET, _OUTPUT, _SKIP_PACKET, _SKIP_OUTPUT = range(5)

_EVENT_LINE = re.compile(rb"(?i)event:")
_RESPONSE_LINE = re.compile(rb"(?i)response:")
_FOLLOWS_LINE = re.compile(rb"(?i)response: ?follows\r\n")
# Asterisk itself, astmanproxy, CallWeaver and other descendants greet "<name> Call Manager.../<version>".
_BANNER_LINE = re.compile(rb"[^:\r\n]{0,64}Call Manager[^:\r\n]{0,64}/[^\r\n]{0,64}\r\n")
_BANNER_BYTES: Final = 64 + 12 + 64 + 1 + 64 + 2
# Output ends at its own mark. A forged "Response: Follows" (a variable that holds CRLF) has no mark and
# would swallow the stream up to the limit: so it also ends before what only Asterisk writes, an event with
# its Privilege line or an answer of a known kind. A real output holds neither.
_OUTPUT_END = re.compile(
    rb"--END COMMAND--\r\n\r\n"
    rb"|\r\n\r\n(?=Event: [^\r\n]{1,80}\r\nPrivilege: [a-z]{1,16},)"
    rb"|\r\n\r\n(?=Response: (?:Success|Error|Follows|Goodbye)\r\n)"
)
_OUTPUT_END_BYTES: Final = 4 + 7 + 80 + 2 + 11 + 17
"""The longest stretch that `_OUTPUT_END` looks at: a match cannot begin earlier than this before the end
of a buffer in which there is none."""


class Packet(NamedTuple):
    """One packet as it came. `raw` ends with CRLF and lacks the empty line; a banner is its line.

    `kind` is EVENT, RESPONSE, BANNER or MALFORMED; only a malformed packet has a `reason`. `dropped` says
    that it breached a limit: `raw` then holds no more than its first `KEPT_BYTES` bytes.
    """

    kind: int
    raw: bytes
    reason: str = ""
    dropped: bool = False


# The generated __new__ of a NamedTuple is Python code; this is not. It matters at 10,000 events a second.
_packet: Final = cast(Callable[[tuple[int, bytes, str, bool]], Packet], partial(tuple.__new__, Packet))


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one packet. Lengths are in bytes; the line length is without its CRLF.

    Asterisk's own lists are many small packets; its longest ones are configuration files and command
    outputs, of which a few MB were seen. Header and line limits do not apply inside `Response: Follows`.
    """

    max_packet_bytes: int = 8 << 20
    max_headers: int = 1 << 16
    max_line_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        """Raises ValueError for limits too small to hold Asterisk's own packets."""
        if self.max_packet_bytes < KEPT_BYTES or self.max_line_bytes < 64 or self.max_headers < 4:
            raise ValueError(
                f"the limits must be at least {KEPT_BYTES} bytes a packet, 4 headers and 64 bytes a line"
            )


class PacketReader:
    """Reads one connection's bytes: `receive_data` gives the packets that they complete, in order.

    `work_bytes` counts the bytes that were searched or copied, so that the cost can be watched.
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        # A packet that is not longer than this breaches no limit (a header has 3 bytes or more).
        self._surely_within = min(limits.max_packet_bytes, limits.max_line_bytes, 3 * limits.max_headers)
        self._state = _FIRST_LINE
        self._buffer = bytearray()
        self._searched = 0  # no end begins before this offset of the buffer
        self.work_bytes = 0

    @property
    def buffered_bytes(self) -> int:
        """How many bytes wait for their packet's end."""
        return len(self._buffer)

    def receive_data(self, data: bytes) -> list[Packet]:
        """Take bytes cut anywhere, give the packets that they complete. Never raises."""
        buffer = self._buffer
        buffer += data
        packets: list[Packet] = []
        if self._end_is_here():
            whole = bytes(buffer)
            self.work_bytes += len(whole)
            self._searched = 0
            rest = self._cut(whole, packets)
            buffer.clear()
            buffer += whole[rest:]
        self._bound(packets)
        return packets

    def receive_eof(self) -> list[Packet]:
        """The connection has ended: what stands unfinished, if anything, becomes one MALFORMED packet."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        if self._state in (_SKIP_PACKET, _SKIP_OUTPUT) or rest in (b"", b"\r"):
            return []
        return [Packet(MALFORMED, rest, TRUNCATED)]

    def _end_is_here(self) -> bool:
        """Whether the buffer completes something; if not, remember how far it was searched."""
        buffer, start, state = self._buffer, self._searched, self._state
        self.work_bytes += len(buffer) - start
        if state in (_OUTPUT, _SKIP_OUTPUT):
            found, overlap = _OUTPUT_END.search(buffer, start) is not None, _OUTPUT_END_BYTES
        elif state == _FIRST_LINE:
            found, overlap = buffer.find(_CRLF, start) >= 0, 1
        else:
            # A stray CRLF in front goes at once, so that a packet's length never depends on it.
            stray = state == _PACKET and buffer.startswith(_CRLF)
            found, overlap = stray or buffer.find(_BLANK, start) >= 0, 3
        if not found:
            self._searched = max(0, len(buffer) - overlap)
        return found

    def _cut(self, data: bytes, packets: list[Packet]) -> int:
        """Cut all that is whole off `data` into `packets`; returns where the unfinished rest begins."""
        find, surely_within = data.find, self._surely_within
        pos = 0
        while True:
            if self._state != _PACKET:
                pos, found = self._cut_other(data, pos, packets)
                if not found:
                    return pos
            events: list[bytes] = []
            while (end := find(_BLANK, pos)) >= 0:
                raw = data[pos : end + 2]
                if raw[:7] != b"Event: " or end - pos >= surely_within:
                    break
                events.append(raw)
                pos = end + 4
            packets += map(_packet, zip(repeat(EVENT), events, repeat(""), repeat(False)))
            start = pos
            while data.startswith(_CRLF, pos):
                pos += 2
            if pos > start:
                continue
            if end < 0:
                return pos
            if _FOLLOWS_LINE.match(raw):
                self._state = _OUTPUT
            else:
                packets.append(self._judged(raw))
                pos = end + 4

    def _cut_other(self, data: bytes, pos: int, packets: list[Packet]) -> tuple[int, bool]:
        """The states other than _PACKET: where to go on, and whether what was sought was found."""
        if self._state == _FIRST_LINE:
            while data.startswith(_CRLF, pos):
                pos += 2
            end = data.find(_CRLF, pos)
            if end < 0:
                return pos, False
            if _BANNER_LINE.match(data, pos):
                packets.append(Packet(BANNER, data[pos : end + 2]))
                pos = end + 2
        elif self._state == _SKIP_PACKET:
            pos = data.index(_BLANK, pos) + 4  # it is there: only `_end_is_here` lets this state come here
        else:
            match = _OUTPUT_END.search(data, pos)
            if match is None:
                return pos, False
            if self._state == _OUTPUT:
                packets.append(self._judged_output(data, pos, match))
            pos = match.end()
        self._state = _PACKET
        return pos, True

    def _judged(self, raw: bytes) -> Packet:
        """A packet off the common path: of which kind it is, and whether it keeps the limits."""
        limits = self._limits
        if len(raw) > limits.max_packet_bytes:
            return self._too_long(raw)
        if len(raw) > self._surely_within:
            if raw.count(_CRLF) > limits.max_headers:
                return Packet(MALFORMED, raw[:KEPT_BYTES], OVER_HEADERS.format(limits.max_headers), True)
            if max(map(len, raw.split(_CRLF))) > limits.max_line_bytes:
                return Packet(
                    MALFORMED, raw[:KEPT_BYTES], OVER_LINE_BYTES.format(limits.max_line_bytes), True
                )
        if _EVENT_LINE.match(raw):
            return Packet(EVENT, raw)
        if _RESPONSE_LINE.match(raw):
            return Packet(RESPONSE, raw)
        return Packet(MALFORMED, raw, NO_KIND)

    def _judged_output(self, data: bytes, pos: int, end: re.Match[bytes]) -> Packet:
        """A `Response: Follows` whose end was found: whole, over-long, or without its end mark."""
        if end.start() - pos > self._limits.max_packet_bytes:
            return self._too_long(data[pos : pos + KEPT_BYTES])
        if end.group().startswith(_CRLF):
            return Packet(MALFORMED, data[pos : end.start() + 2], NO_OUTPUT_END)
        return Packet(RESPONSE, data[pos : end.end() - 2])

    def _too_long(self, raw: bytes) -> Packet:
        return Packet(
            MALFORMED, raw[:KEPT_BYTES], OVER_PACKET_BYTES.format(self._limits.max_packet_bytes), True
        )

    def _bound(self, packets: list[Packet]) -> None:
        """Give up what cannot be within the limits any more, and keep the buffer bounded meanwhile."""
        buffer, most = self._buffer, self._limits.max_packet_bytes
        if self._state == _FIRST_LINE and len(buffer) > _BANNER_BYTES:
            self._state = _PACKET
        if self._state == _PACKET and len(buffer) - 1 > most:
            if _FOLLOWS_LINE.match(buffer):
                self._state, self._searched = _OUTPUT, 0
            else:
                packets.append(self._too_long(bytes(buffer[:KEPT_BYTES])))
                self._state = _SKIP_PACKET
        if self._state == _OUTPUT and len(buffer) - _OUTPUT_END_BYTES > most:
            packets.append(self._too_long(bytes(buffer[:KEPT_BYTES])))
            self._state = _SKIP_OUTPUT
        if self._state == _SKIP_PACKET:
            self._keep_tail(3)
        elif self._state == _SKIP_OUTPUT:
            self._keep_tail(_OUTPUT_END_BYTES)

    def _keep_tail(self, count: int) -> None:
        del self._buffer[:-count]
        self._searched = 0


def is_suspect(raw: bytes) -> bool:
    """Whether an unsolicited event lacks the `Privilege` line that Asterisk writes second (forged, split)."""
    return not raw.startswith(b"Privilege:", raw.find(_CRLF) + 2)
