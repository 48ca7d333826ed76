"""What the services need from the outside world, as Protocols. Adapters implement them; fakes too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from publisher.records import Record
from schemas.message import Message


class Clock(Protocol):
    """Time, passed in. A fake clock drives the tests."""

    def now_us(self) -> int:
        """Wall clock, microseconds since the Unix epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for timers."""
        ...

    async def sleep(self, secs: float) -> None: ...


class AmiStream(Protocol):
    """One open connection to a PBX's manager port."""

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket. Never waits; the adapter bounds what it holds."""
        ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        """Close at once; `on_lost` follows."""
        ...


class AmiConnector(Protocol):
    """Opens the connection. Callbacks run on the event loop and must not wait."""

    async def connect(
        self, on_data: Callable[[bytes], None], on_lost: Callable[[Exception | None], None]
    ) -> AmiStream:
        """Raises `publisher.errors.PbxUnreachable` with one clear sentence."""
        ...


class JournalState(Protocol):
    """How a journal is: `alarm` is empty when all is well, else one sentence (disk full, …)."""

    @property
    def alarm(self) -> str: ...

    @property
    def bytes_on_disk(self) -> int: ...

    @property
    def records_in_memory(self) -> int: ...


class Journal(Protocol):
    """A PBX's journal. One writer (the collector), any number of readers in this process.

    `append` numbers nothing: the caller gives records with consecutive `pos`, starting at `next_pos`.
    """

    @property
    def pbx(self) -> str: ...

    @property
    def next_pos(self) -> int:
        """The position the next appended record must have."""
        ...

    @property
    def epoch(self) -> int:
        """The current epoch (milliseconds since the Unix epoch when it began); 0 before the first."""
        ...

    @property
    def next_seq(self) -> int: ...

    @property
    def durable_pos(self) -> int:
        """Records up to here may be read: on disk, or held in memory while the disk refuses."""
        ...

    @property
    def congested(self) -> bool:
        """True while uncommitted records exceed the bound: the collector then pauses reading."""
        ...

    def begin_epoch(self, epoch: int) -> None:
        """Start a new epoch at `next_pos`; `seq` starts again at 1. Epochs only grow."""
        ...

    def append(self, records: Sequence[Record]) -> None:
        """Take records for the next group commit. Never waits, never raises for want of space."""
        ...

    async def wait_beyond(self, pos: int) -> None:
        """Return as soon as `durable_pos > pos`."""
        ...

    async def read(self, after: int, max_records: int = 1000, max_bytes: int = 1 << 20) -> list[Record]:
        """Records with `pos > after`, in order, at least one if there is any, up to `durable_pos`.

        Recent records come from memory with their caches; older ones from disk. Where records were lost
        (retention, full disk, damage) a CONTROL gap record with `span` stands in their place, so the
        answer never skips a number silently.
        """
        ...

    def cursor(self, name: str) -> int:
        """Where the named reader stands: the last position it is done with; 0 for an unknown one."""
        ...

    def advance(self, name: str, pos: int) -> None:
        """Move a reader's cursor; it becomes durable with the next group commit (at once if idle)."""
        ...

    def durable_cursor(self, name: str) -> int:
        """The cursor as it would be found after a crash now."""
        ...

    async def wait_cursor(self, name: str, pos: int) -> None:
        """Return as soon as `durable_cursor(name) >= pos`."""
        ...

    def remove_cursor(self, name: str) -> None: ...

    def cursors(self) -> dict[str, int]: ...

    def save_state(self, state: bytes, pos: int) -> None:
        """Keep the collector's state as it is after record `pos`, with the next group commit."""
        ...

    def load_state(self) -> tuple[bytes, int]:
        """The last saved state and its position; (b"", 0) where there is none."""
        ...

    @property
    def state(self) -> JournalState: ...

    async def close(self) -> None:
        """Commit what was appended, then close."""
        ...


@dataclass(slots=True, frozen=True)
class Settled:
    """What the bus said since the last time: messages are named by their number in the session, from 1.

    `confirmed_through`: every message up to this number is settled, which means confirmed unless it was
    named in `refused` (the numbers the broker nacked, ascending), now or before. `unroutable`: how many
    confirmed messages no queue took, not even the one for unrouted ones.
    """

    confirmed_through: int
    refused: tuple[int, ...] = ()
    unroutable: int = 0


class BusSession(Protocol):
    """One session (for RabbitMQ: a connection and channel) in which messages are numbered from 1."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Send in one write. Never waits; the caller keeps the window. Raises BusLost if it is gone."""
        ...

    async def settled(self) -> Settled:
        """Wait for news. Raises `publisher.errors.BusLost`; then everything unconfirmed is unknown."""
        ...

    @property
    def blocked(self) -> str:
        """Why the bus takes nothing now (connection.blocked), or empty. Publish nothing meanwhile."""
        ...

    async def wait_unblocked(self) -> None:
        """Return when not blocked; raises BusLost."""
        ...

    async def close(self) -> None: ...


class Bus(Protocol):
    """Opens sessions. Each call connects anew and declares the topology it needs."""

    async def open(self) -> BusSession:
        """Raises `publisher.errors.BusUnreachable` or `publisher.errors.BusRefused`."""
        ...
