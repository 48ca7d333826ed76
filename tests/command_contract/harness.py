"""What the contract suite needs from a queue: that of commanders, the clients' side, and a look inside.

Another implementation joins by a `Harness` of its own in `KINDS` (see conftest.py): every test of the suite
then runs against it too.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from publisher.command_ports import CommandQueue
from publisher.commanding.entries import Claim, FinalReply, QueuedCommand
from schemas.command import Command
from schemas.reply import State
from tests.fakes.command_store import News

KEEP_MS = 3_600_000


class Harness(Protocol):
    """One PBX's queue on some server, empty at the beginning."""

    name: str
    pbx: str

    def queue(
        self, owner: str = "owner", *, lease_ms: int = 15_000, keep_ms: int = KEEP_MS, max_depth: int = 10_000
    ) -> CommandQueue:
        """The queue as a commander of that name has it, with connections of its own."""
        ...

    async def enqueue(
        self, id: str, body: bytes = b"body", *, ttl_ms: int = 30_000, bulk: bool = False, at_ms: int = 0
    ) -> tuple[str, ...]:
        """As a client does; what enqueue.lua answers."""
        ...

    async def cancel(self, id: str) -> tuple[str, ...]:
        """What cancel.lua answers."""
        ...

    async def expire(self, id: str, reply: bytes, grace_ms: int = 0) -> tuple[str, bytes]:
        """What expire.lua answers: a state, and the final reply or how many ms are left."""
        ...

    async def look(self, id: str) -> dict[str, bytes]:
        """All fields of a command."""
        ...

    async def write(self, id: str, fields: Mapping[str, bytes]) -> None:
        """Overwrite fields of a command, as anybody may who reaches the server."""
        ...

    async def erase(self, id: str, *names: str) -> None:
        """Remove fields of a command, or all of it."""
        ...

    async def ttl_ms(self, id: str) -> int:
        """How long the command is still kept."""
        ...

    async def news(self) -> list[News]:
        """All news there are."""
        ...

    async def waiting(self) -> tuple[int, int]:
        """How many entries each of the two streams has."""
        ...

    async def now_ms(self) -> int:
        """The server's clock."""
        ...

    async def forget(self) -> None:
        """Lose all data of this PBX."""
        ...

    async def close(self) -> None: ...


class BreakableHarness(Harness, Protocol):
    """A queue on a server that this test has to itself."""

    async def restart(self) -> None:
        """Another run of the server, with all its data."""
        ...

    async def copied(self) -> Any:
        """A copy of the data as they are now."""
        ...

    async def roll_back(self, copy: Any) -> None:
        """A restart with an earlier copy of the data."""
        ...


async def clock_passed(place: Harness, ms: int) -> None:
    """Return when the server's clock is beyond a moment."""
    while await place.now_ms() <= ms:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.002)


def new_pbx() -> str:
    """The name of a PBX that no other test has."""
    return f"pbx-{uuid.uuid4().hex[:12]}"


def final_of(id: str, reply: bytes = b"reply", state: State = State.SUCCEEDED) -> FinalReply:
    return FinalReply(id, state, reply, b"the command's body")


def body_of(id: str, action: str = "Ping", **fields: Any) -> bytes:
    """The body of a command that can be read."""
    return Command.make(action, fields, client="crm", id=id).encode()


def ids_of(found: Claim | Sequence[QueuedCommand]) -> list[str]:
    commands = found.commands if isinstance(found, Claim) else found
    return [one.id for one in commands]
