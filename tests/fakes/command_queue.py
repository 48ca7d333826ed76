"""A command queue in memory that fails before or after a call took effect, when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from publisher.commanding.entries import (
    ALL,
    CANCELLED,
    EXPIRED,
    GONE,
    NOT_OURS,
    SEND,
    Claim,
    FinalReply,
    Memory,
    QueuedCommand,
    Tenure,
    Verdict,
)
from publisher.errors import CommandQueueError, QueueFenced, QueueHeld
from schemas.command import MAX_BODY_BYTES
from schemas.reply import FINAL
from tests.fakes.command_store import FakeCommandStore, Hash, last_entry, number, word

_CLOCK_MARGIN_MS: Final = 2_000
_CANCELS_AT_ONCE: Final = 100
_LARGEST_OTHER: Final = 300


class FakeCommandQueue:
    """Implements `publisher.command_ports.CommandQueue` as `RedisCommandQueue` does, on a `FakeCommandStore`.

    `before` and `after` hold, for each method's name, errors that its next calls raise, one each: before the
    call took effect, or after it (its answer got lost). `trouble` is raised by every call until it is None.
    `calls` counts them.
    """

    def __init__(
        self,
        store: FakeCommandStore,
        owner: str = "owner",
        *,
        lease_ms: int = 15_000,
        keep_ms: int = 86_400_000,
        max_depth: int = 10_000,
    ) -> None:
        self.store = store
        self.before: dict[str, list[CommandQueueError]] = {}
        self.after: dict[str, list[CommandQueueError]] = {}
        self.trouble: CommandQueueError | None = None
        self.calls: dict[str, int] = {}
        self.closed = False
        self._owner = owner
        self._lease_ms, self._keep_ms, self._max_depth = lease_ms, keep_ms, max_depth
        self._tenure = ""
        self._memory = Memory()

    @property
    def memory(self) -> Memory:
        return self._memory

    async def take(self, memory: Memory) -> Tenure:
        await self._begin("take")
        store, fence = self.store, self.store.data.fence
        now = store.now_ms()
        left = int(fence.get("until", 0)) - now
        most = int(fence.get("lease", self._lease_ms)) + _CLOCK_MARGIN_MS
        if fence.get("owner", self._owner) != self._owner and 0 < left <= most:
            self._end("take")
            name = fence["owner"][:8]
            raise QueueHeld(
                f"another collector ({name}) has the turn for {left / 1000:.0f} s more", left / 1000
            )
        doubt = self._doubt(memory, now) or fence.get("doubt", "")
        epoch = max(int(fence.get("epoch", 0)), memory.epoch) + 1
        tenure = f"{epoch}:{self._owner}"
        fence |= {"epoch": str(epoch), "owner": self._owner, "until": str(now + self._lease_ms)}
        fence["lease"] = str(self._lease_ms)
        fence |= {"identity": store.identity, "max_depth": str(self._max_depth), "tenure": tenure}
        fence["doubt"] = doubt
        writes = self._count_write()
        self._end("take")
        self._tenure = tenure
        self._memory = Memory(epoch, store.identity, writes, now, exact=True)
        return Tenure(
            epoch=epoch,
            identity=store.identity,
            now_ms=now,
            trusted=not doubt,
            watermarks=(last_entry(store.data.interactive), last_entry(store.data.bulk)),
            why_not=doubt,
        )

    def _doubt(self, memory: Memory, now: int) -> str:
        fence = self.store.data.fence
        if "epoch" not in fence:
            return "its data is gone" if memory.epoch else ""
        ours = fence["owner"] == self._owner
        epoch, writes = int(fence["epoch"]), int(fence["writes"])
        if ours and (writes < memory.writes or epoch < memory.epoch):
            return "its data has gone back in time"
        away = now - memory.seen_ms
        same = ours and memory.exact and epoch == memory.epoch
        within = -_CLOCK_MARGIN_MS < away < self._lease_ms - _CLOCK_MARGIN_MS
        if fence["identity"] != self.store.identity and not (same and within):
            return "it was restarted or replaced, and what it forgot cannot be told"
        return ""

    async def confirm(self) -> None:
        await self._begin("confirm")
        self._refuse()
        self.store.data.fence["doubt"] = ""
        self._answered("confirm", self._count_write())

    async def renew(self) -> int:
        await self._begin("renew")
        self._refuse()
        fence = self.store.data.fence
        fence["until"] = str(self.store.now_ms() + self._lease_ms)
        self._answered("renew", int(fence["writes"]))
        return len(self.store.data.active)

    async def release(self) -> None:
        await self._begin("release")
        if self.store.data.fence.get("tenure") == self._tenure:
            self.store.data.fence["until"] = "0"
        self._end("release")

    async def wait(self, timeout_secs: float) -> None:
        await self._begin("wait")
        if not self.store.pending():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_secs):
                    await self.store.changed()
        self._end("wait")

    async def claim(self, most: int, upto: tuple[str, str] = ALL) -> Claim:
        await self._begin("claim")
        self._refuse()
        data, now = self.store.data, self.store.now_ms()
        cancelled, data.cancels = tuple(data.cancels[:_CANCELS_AT_ONCE]), data.cancels[_CANCELS_AT_ONCE:]
        claimed: list[QueuedCommand] = []
        looked_at = 0
        for stream, last in zip((data.interactive, data.bulk), upto, strict=True):
            within = [entry for entry in stream if last == "+" or _place(entry) <= _place(last)]
            for entry in within[: most - looked_at]:
                looked_at += 1
                id = stream.pop(entry)
                known = self.store.command(id)
                if known.get("state") == b"queued":
                    known |= {"state": b"claimed", "tenure": self._tenure.encode()}
                    known["owner"] = self._owner.encode()
                    data.active[id] = now
                    claimed.append(described(id, known))
        self._answered("claim", self._count_write() if claimed or cancelled else 0)
        return Claim(now, cancelled, tuple(claimed), looked_at)

    async def orphans(self) -> list[QueuedCommand]:
        await self._begin("orphans")
        self._refuse()
        found: list[QueuedCommand] = []
        for id in list(self.store.data.active):
            known = self.store.command(id)
            if word(known, "state") in ("", *FINAL):
                del self.store.data.active[id]
                continue
            found.append(described(id, known))
            known["tenure"] = self._tenure.encode()
        self._answered("orphans", self._count_write() if found else 0)
        return found

    async def mark_sending(self, ids: Sequence[str]) -> list[Verdict]:
        await self._begin("mark_sending")
        self._refuse()
        self.store.data.fence["until"] = str(self.store.now_ms() + self._lease_ms)
        verdicts = [self._last_look(id) for id in ids]
        self._answered("mark_sending", self._count_write())
        return verdicts

    def _last_look(self, id: str) -> Verdict:
        now, known = self.store.now_ms(), self.store.command(id)
        state, left = word(known, "state"), number(known, "expires") - now
        if not state:
            return Verdict(GONE, left)
        if word(known, "tenure") != self._tenure or state not in ("claimed", "sending"):
            return Verdict(NOT_OURS, left)
        if state == "sending" and word(known, "owner") != self._owner:
            # Another collector may have sent it.
            return Verdict(NOT_OURS, left)
        if left <= 0:
            return Verdict(EXPIRED, left)
        if "cancel" in known and state == "claimed":
            return Verdict(CANCELLED, left)
        if state == "claimed":
            known |= {"state": b"sending", "sending": str(now).encode(), "owner": self._owner.encode()}
            self.store.tell(id, "sending", "sending")
        return Verdict(SEND, left)

    async def finish(self, finals: Sequence[FinalReply]) -> list[str]:
        await self._begin("finish")
        ours = self.store.data.fence.get("tenure") == self._tenure
        verdicts = [self._finish(final, ours) for final in finals]
        writes = self._count_write() if ours else 0
        self._end("finish")
        self._memory = replace(self._memory, writes=max(self._memory.writes, writes))
        return verdicts

    def _finish(self, final: FinalReply, ours: bool) -> str:
        known, store = self.store.command(final.id), self.store
        state = word(known, "state")
        if state in FINAL:
            return "already" if known.get("reply") == final.reply else "other"
        owners = "tenure" in known and word(known, "tenure").endswith(f":{self._owner}")
        if not (ours if not state else owners or (ours and state == "queued")):
            return "not_ours"
        if not state:
            fields: Hash = {"body": final.body}
            fields |= {"client": final.client.encode(), "action": final.action.encode()}
            store.data.commands[final.id] = known | fields
        elif state == "queued":
            store.unqueue(known)
        store.finish(final.id, str(final.state), final.reply, self._keep_ms)
        return "done"

    async def tell(self, id: str, state: str, step: str, more: str = "") -> None:
        await self._begin("tell")
        self.store.tell(id, state, step, more.encode())
        self._end("tell")

    async def close(self) -> None:
        self.closed = True

    # -- every call ---------------------------------------------------------

    async def _begin(self, name: str) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        _raise_next(self.before, name)

    def _end(self, name: str) -> None:
        _raise_next(self.after, name)

    def _answered(self, name: str, writes: int) -> None:
        self._end(name)
        known = self._memory
        now = max(known.seen_ms, self.store.now_ms())
        self._memory = replace(known, writes=max(known.writes, writes), seen_ms=now)

    def _count_write(self) -> int:
        fence = self.store.data.fence
        fence["writes"] = str(int(fence.get("writes", 0)) + 1)
        return int(fence["writes"])

    def _refuse(self) -> None:
        fence = self.store.data.fence
        if fence.get("tenure") != self._tenure:
            raise QueueFenced(
                f"another turn has begun ({fence.get('owner', '')[:8] or 'the queue is empty'})"
            )
        if self.store.identity != self._memory.identity:
            raise QueueFenced("the queue's server was restarted or replaced")


def described(id: str, known: Hash) -> QueuedCommand:
    """A command as a claim brings it."""
    body = known.get("body", b"")
    known = {name: value for name, value in known.items() if len(value) <= _LARGEST_OTHER}
    return QueuedCommand(
        id=id,
        state=word(known, "state"),
        body=body if len(body) <= MAX_BODY_BYTES else b"",
        at_ms=number(known, "at"),
        ttl_ms=number(known, "ttl"),
        signature=word(known, "signature"),
        queued_ms=number(known, "queued"),
        expires_ms=number(known, "expires"),
        owner=word(known, "owner"),
        cancelled=bool(known.get("cancel")),
        entry=word(known, "entry"),
        bulk=word(known, "priority") == "bulk",
        client=word(known, "client"),
        action=word(known, "action"),
    )


def _raise_next(errors: dict[str, list[CommandQueueError]], name: str) -> None:
    if waiting := errors.get(name):
        raise waiting.pop(0)


def _place(entry: str) -> tuple[int, int]:
    """A stream's entry as numbers to compare."""
    ms, _, number = entry.partition("-")
    return (int(ms) if ms.isdecimal() else 0), (int(number) if number.isdecimal() else 0)
