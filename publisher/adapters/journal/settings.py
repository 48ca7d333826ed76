"""What can be set about a journal. The defaults are the ones of the configuration file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Durability = Literal["process", "power"]


@dataclass(slots=True, frozen=True)
class JournalSettings:
    """Bounds and promises of one journal.

    `durability`: "process" survives the end of the process at any point (a power cut may cost the last
    seconds, which are then announced), "power" waits for the disk at each commit.
    `keep_secs`, `keep_bytes`: what is older, or beyond, is deleted oldest first, delivered or not.
    `memory_limit_bytes`: what is held while the disk refuses or hangs; beyond it the oldest records are
    lost and announced. `tail_records`, `tail_bytes`: the newest records that stay in memory for readers.
    `commit_spacing_secs`: the least time from one group commit to the next, unless
    `full_batch_records` wait; it trades latency for processor time.
    """

    durability: Durability = "process"
    keep_secs: float = 7 * 86_400.0
    keep_bytes: int = 10 << 30
    memory_limit_bytes: int = 64 << 20
    tail_records: int = 8_000
    tail_bytes: int = 16 << 20
    commit_spacing_secs: float = 0.002
    full_batch_records: int = 500
    retry_secs: float = 1.0
    retention_check_secs: float = 60.0
