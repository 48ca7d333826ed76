"""The record: one thing that stands in a PBX's journal, in the order in which it happened.

Invariants
* `pos` counts every record of a journal from 1 without a hole, across epochs and restarts.
* `seq` counts from 1 within an epoch without a hole: `seq == pos - first_pos_of_epoch + 1`.
* What was lost still has its numbers: a GAP record that stands for lost records takes the first lost
  number and `span` says how many numbers it stands for. So a hole in `seq` is always an announced one.
* `raw` is the packet as Asterisk sent it, without the empty line that ends it (it ends with CRLF).
  For CONTROL records it is the msgpack map of the control event (see `publisher.control`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from publisher.ami.fields import ParsedPacket
    from schemas.message import Message

EVENT: Final = 0
CONTROL: Final = 1

# Flags, a bit each; stored with the record.
SNAPSHOT: Final = 1  # read by a resync, not reported by the PBX of itself
SYNTHETIC: Final = 2  # made by us: the end of a call that ended while we were blind
SUSPECT: Final = 4  # an unsolicited event without its Privilege line: forged or split


@dataclass(slots=True)
class Record:
    """One journal record.

    `received_us` is in microseconds since the Unix epoch, UTC. `call` is the key on which one call's
    events stay together, the PBX's name where no call is concerned. `parsed` and `message` are caches
    that live only while the record is in memory; they are never stored.
    """

    pos: int
    epoch: int
    seq: int
    received_us: int
    kind: int
    flags: int
    call: str
    raw: bytes
    span: int = 1
    parsed: ParsedPacket | None = None
    message: Message | None = None
