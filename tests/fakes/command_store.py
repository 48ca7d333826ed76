"""One PBX's keys of a command queue's server, in memory: what the contract's scripts do to them, in Python.

Its clock is this machine's, moved by `shift_ms`. It can be restarted, forget everything and go back to an
earlier copy, as a server can.
"""

from __future__ import annotations

import asyncio
import copy
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from schemas.command import MAX_BODY_BYTES
from schemas.reply import FINAL

LARGEST_INLINE: Final = 2048
DEPTH_LIMIT: Final = 10_000
_AT_ONCE: Final = 100
_REMOVED_AT_ONCE: Final = 100

Hash = dict[str, bytes]


@dataclass(slots=True, frozen=True)
class News:
    """One entry of the stream of news."""

    id: str
    state: str
    step: str
    more: bytes = b""


@dataclass(slots=True)
class Data:
    """What a copy of the data holds. Streams have pairs of entry and id; `goes_ms` is when a command goes."""

    commands: dict[str, Hash] = field(default_factory=dict)
    goes_ms: dict[str, int] = field(default_factory=dict)
    interactive: dict[str, str] = field(default_factory=dict)
    bulk: dict[str, str] = field(default_factory=dict)
    active: dict[str, int] = field(default_factory=dict)
    cancels: list[str] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    fence: dict[str, str] = field(default_factory=dict)
    last_entry: tuple[int, int] = (0, 0)


class FakeCommandStore:
    """Shared by the queues of commanders and by clients. `data` may be looked at and tampered with."""

    def __init__(self) -> None:
        self.data = Data()
        self.identity = _identity()
        self.shift_ms = 0
        self._changed: list[asyncio.Future[None]] = []

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.shift_ms

    # -- what befalls a server ----------------------------------------------

    def restart(self) -> None:
        """Another run of the server, with all its data."""
        self.identity = _identity()

    def forget(self) -> None:
        """FLUSHALL."""
        self.data = Data()

    def copied(self) -> Data:
        """The data as they are now."""
        return copy.deepcopy(self.data)

    def roll_back(self, earlier: Data) -> None:
        """A restart with an earlier copy of the data."""
        self.data = copy.deepcopy(earlier)
        self.restart()

    # -- the scripts of clients ---------------------------------------------

    def enqueue(
        self,
        id: str,
        body: bytes,
        *,
        at_ms: int = 0,
        ttl_ms: int = 30_000,
        signature: str = "",
        client: str = "crm",
        action: str = "Ping",
        bulk: bool = False,
        keep_ms: int = 86_400_000,
    ) -> tuple[str, ...]:
        """What enqueue.lua answers, as words."""
        if len(body) > MAX_BODY_BYTES:
            return "oversize", str(MAX_BODY_BYTES)
        known = self.command(id)
        if "state" in known:
            if known.get("body") != body:
                return "conflict", word(known, "state")
            return "known", word(known, "state"), str(number(known, "expires"))
        now, data = self.now_ms(), self.data
        stream, other = (data.bulk, data.interactive) if bulk else (data.interactive, data.bulk)
        limit = int(data.fence.get("max_depth", DEPTH_LIMIT))
        if len(stream) + len(other) >= limit:
            for old in (stream, other):
                for entry in list(old)[:_REMOVED_AT_ONCE]:
                    if word(self.command(old[entry]), "state") != "queued":
                        del old[entry]
        depth = len(stream) + len(other)
        if depth >= limit:
            return "full", str(depth), str(limit)
        entry = self._next_entry(now)
        stream[entry] = id
        texts = {"state": "queued", "at": str(at_ms), "ttl": str(ttl_ms), "signature": signature}
        texts |= {"client": client, "action": action, "priority": "bulk" if bulk else "interactive"}
        texts |= {"queued": str(now), "expires": str(now + ttl_ms), "entry": entry}
        data.commands[id] = {name: text.encode() for name, text in texts.items()} | {"body": body}
        data.goes_ms[id] = now + ttl_ms + keep_ms
        self.wake()
        return "queued", str(now + ttl_ms), str(depth + 1)

    def cancel(self, id: str) -> tuple[str, ...]:
        """What cancel.lua answers."""
        known = self.command(id)
        state = word(known, "state")
        if not state:
            return ("missing",)
        if state in FINAL:
            return "final", state
        if state == "sending":
            return "late", state
        known["cancel"] = b"1"
        self.data.cancels.append(id)
        self.wake()
        return "asked", state

    def expire(self, id: str, reply: bytes, keep_ms: int, grace_ms: int) -> tuple[str, bytes]:
        """What expire.lua answers."""
        known = self.command(id)
        state = word(known, "state")
        if not state:
            return "missing", b""
        if state in FINAL:
            return "final", known.get("reply", b"")
        left = number(known, "expires") + grace_ms - self.now_ms()
        if left > 0 or state == "sending":
            return state, str(left).encode()
        self.unqueue(known)
        self.finish(id, "expired", reply, keep_ms)
        return "final", reply

    # -- for both sides -----------------------------------------------------

    def command(self, id: str) -> Hash:
        """A command's own hash; an empty one that belongs to nobody if there is none."""
        goes_ms = self.data.goes_ms.get(id)
        if goes_ms is not None and goes_ms <= self.now_ms():
            self.data.commands.pop(id, None)
            del self.data.goes_ms[id]
        return self.data.commands.get(id, {})

    def unqueue(self, known: Hash) -> None:
        """Take a command out of its stream."""
        for stream in (self.data.interactive, self.data.bulk):
            stream.pop(word(known, "entry"), None)

    def finish(self, id: str, state: str, reply: bytes, keep_ms: int) -> None:
        """Give a command its final reply; it is there."""
        now = self.now_ms()
        self.data.commands[id] |= {"state": state.encode(), "reply": reply, "finished": str(now).encode()}
        self.data.goes_ms[id] = now + keep_ms
        self.data.active.pop(id, None)
        self.tell(id, state, "final", reply if len(reply) <= LARGEST_INLINE else b"")

    def tell(self, id: str, state: str, step: str, more: bytes = b"") -> None:
        self.data.news.append(News(id, state, step, more))

    def pending(self) -> bool:
        """Whether there may be something to claim."""
        return bool(self.data.interactive or self.data.bulk or self.data.cancels)

    def wake(self) -> None:
        """Tell those that wait."""
        waiting, self._changed = self._changed, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def changed(self) -> None:
        """Return when there may be something new."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed.append(future)
        await future

    def _next_entry(self, now: int) -> str:
        ms, count = self.data.last_entry
        self.data.last_entry = (now, 0) if now > ms else (ms, count + 1)
        return "{}-{}".format(*self.data.last_entry)


def last_entry(stream: Iterable[str]) -> str:
    """The last of a stream's entries, "0-0" where there is none."""
    return list(stream)[-1] if stream else "0-0"


def word(known: Hash, name: str) -> str:
    """A field as text; empty where there is none."""
    return known.get(name, b"").decode("utf-8", "replace")


def number(known: Hash, name: str) -> int:
    """A field as a whole number; 0 for what is none."""
    text = word(known, name)
    return int(text) if len(text) <= 18 and text.isascii() and text.lstrip("-").isdecimal() else 0


def _identity() -> str:
    return f"{uuid.uuid4().hex}:{uuid.uuid4().hex}"
