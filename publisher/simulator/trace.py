"""A recorded AMI session, cut into the events that a replay sends.

What answers the recording client (greeting, responses, raw command output) belongs to that session and is
left out; everything else goes out byte for byte, forged and broken packets too. A last packet without its
empty line is left out as well: the recording ended in the middle of it.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from publisher.errors import PublisherError
from publisher.simulator.style import Style, style_of_banner

END: Final = b"\r\n\r\n"
BLOCK_BYTES: Final = 64 * 1024
MAX_TRACE_BYTES: Final = 1 << 30
_UPTIME: Final = re.compile(rb"^Uptime: (\d{1,9})\r$", re.MULTILINE)


class TraceError(PublisherError):
    """The trace cannot be read, or holds nothing to replay."""


@dataclass(slots=True)
class Trace:
    """`events` in order, each with its closing empty line. `style` is that of the greeting, if there is one.

    `blocks` are the same events joined to about 64 KB, with the number of events in each.
    `boots` says that the first event is FullyBooted: the login's own, with the PBX's `uptime` in seconds.
    """

    events: list[bytes]
    style: Style | None
    blocks: list[tuple[bytes, int]]
    boots: bool
    uptime: int | None

    @classmethod
    def read(cls, path: Path) -> Trace:
        """Load a `.ami` file, gzipped if its content is. Raises `TraceError`; at most 1 GiB unpacked."""
        try:
            with path.open("rb") as file:
                packed = file.read(2) == b"\x1f\x8b"
            with gzip.open(path) if packed else path.open("rb") as file:
                data = file.read(MAX_TRACE_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "damaged gzip data"
            raise TraceError(f"the trace {path} cannot be read: {reason}") from error
        if len(data) > MAX_TRACE_BYTES:
            raise TraceError(f"the trace {path} is too large: at most {MAX_TRACE_BYTES} bytes unpacked")
        trace = cls.cut(data)
        if not trace.events:
            raise TraceError(f"the trace {path} holds no AMI event")
        return trace

    @classmethod
    def cut(cls, data: bytes) -> Trace:
        style = None
        if data.startswith(b"Asterisk Call Manager/"):
            banner, _, data = data.partition(b"\r\n")
            style = style_of_banner(banner)
        events: list[bytes] = []
        in_output = False
        for piece in data.split(END)[:-1]:
            if in_output:
                in_output = b"--END COMMAND--" not in piece
            elif piece.startswith(b"Response: "):
                in_output = piece.startswith(b"Response: Follows") and b"--END COMMAND--" not in piece
            else:
                events.append(piece + END)
        boots = bool(events) and events[0].startswith(b"Event: FullyBooted\r\n")
        uptime = _UPTIME.search(events[0]) if boots else None
        return cls(events, style, _join(events), boots, int(uptime[1]) if uptime else None)


def _join(events: list[bytes]) -> list[tuple[bytes, int]]:
    blocks: list[tuple[bytes, int]] = []
    batch: list[bytes] = []
    size = 0
    for event in events:
        batch.append(event)
        size += len(event)
        if size >= BLOCK_BYTES:
            blocks.append((b"".join(batch), len(batch)))
            batch, size = [], 0
    if batch:
        blocks.append((b"".join(batch), len(batch)))
    return blocks
