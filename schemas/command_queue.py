"""The command queue as it stands in Redis: the names of its keys, and the scripts that clients run.

All keys of a PBX have one hash tag, so that they stand in one slot of a cluster and a script can use all:

    amibus:{main}:commands:interactive   stream: commands not yet claimed, first come first
    amibus:{main}:commands:bulk          stream: those that wait for the others
    amibus:{main}:command:<id>           hash: one command: state, body, at, ttl, signature, queued, expires,
                                         and when it is over finished and reply; goes `keep` after that
    amibus:{main}:active                 sorted set: claimed and not over, by when they were claimed
    amibus:{main}:cancels                stream: ids to be cancelled
    amibus:{main}:replies                stream of news: id, state, step, more (the reply, if it is small)
    amibus:{main}:fence                  hash: whose turn it is to send: epoch, owner, until, identity, …

A client in any language needs the three scripts here (`amibus schema enqueue.lua`) and the signature of
`schemas.command`. The scripts of the collector are its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from schemas.command import Priority

DEFAULT_KEEP_MS: Final = 24 * 3600 * 1000
# How long a collector that is there has to say `expired` itself before a client does.
EXPIRE_GRACE_MS: Final = 2_000
CLIENT_SCRIPTS: Final = ("enqueue", "expire", "cancel")


@dataclass(slots=True, frozen=True)
class CommandKeys:
    """The names of one PBX's keys."""

    pbx: str

    @property
    def prefix(self) -> str:
        return f"amibus:{{{self.pbx}}}:"

    @property
    def interactive(self) -> str:
        return f"{self.prefix}commands:interactive"

    @property
    def bulk(self) -> str:
        return f"{self.prefix}commands:bulk"

    @property
    def active(self) -> str:
        return f"{self.prefix}active"

    @property
    def cancels(self) -> str:
        return f"{self.prefix}cancels"

    @property
    def replies(self) -> str:
        return f"{self.prefix}replies"

    @property
    def fence(self) -> str:
        return f"{self.prefix}fence"

    def command(self, id: str) -> str:
        return f"{self.prefix}command:{id}"

    def streams(self, priority: Priority) -> tuple[str, str]:
        """The stream of that priority, and the other one."""
        both = (self.interactive, self.bulk)
        return both if priority is Priority.INTERACTIVE else (both[1], both[0])


def prelude() -> str:
    """What stands before every script."""
    return files("schemas").joinpath("lua/prelude.lua").read_text(encoding="utf-8")


def client_script(name: str) -> str:
    """A client's script, whole: "enqueue", "expire" or "cancel"."""
    assert name in CLIENT_SCRIPTS
    return prelude() + files("schemas").joinpath(f"lua/{name}.lua").read_text(encoding="utf-8")
