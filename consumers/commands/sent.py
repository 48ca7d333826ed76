"""A command on its way: what happens to it, and its final reply."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

from consumers.commands.patience import Patience
from consumers.errors import NoReplyYet, QueueUnreachable
from schemas.errors import CommandError
from schemas.reply import FINAL, Reason, Reply, State
from schemas.timestamps import timestamp_text

_STEPS_KEPT: Final = 100


@dataclass(slots=True, frozen=True)
class Progress:
    """One step of a command: a word of `schemas.reply.Step` or "final", the state, and a channel's name where
    the step has one."""

    step: str
    state: str
    channel: str = ""


class Settling(Protocol):
    """What a command on its way asks its client."""

    async def settle(self, sent: SentCommand) -> tuple[str, bytes]:
        """How it stands: "missing", "final" with the reply, or its state. Raises `QueueUnreachable`, which is
        no reason to give up."""
        ...


class SentCommand:
    """One command on its way. Made by `CommandClient.send` and `CommandClient.follow`."""

    def __init__(self, owner: Settling, pbx: str, id: str, action: str, patience: Patience) -> None:
        self._owner = owner
        self._patience = patience
        self._news: asyncio.Queue[tuple[Progress, bytes]] = asyncio.Queue(_STEPS_KEPT)
        self._reply: Reply | None = None
        self.pbx = pbx
        self.id = id
        self.action = action
        self.expires_ms = 0

    def hear(self, progress: Progress, reply: bytes) -> None:
        """News of it; the oldest give way when nobody takes them."""
        if self._news.full():
            self._news.get_nowait()
        self._news.put_nowait((progress, reply))

    def look_soon(self) -> None:
        """Its news may have gone by before anybody heard them."""
        self.hear(Progress("", ""), b"")

    async def reply(self, patience_secs: float | None = None) -> Reply:
        """The final reply. Raises `NoReplyYet` after `patience_secs`, by default so long that one must have
        come; it can be asked for again."""
        async for _ in self.steps(patience_secs):
            pass
        assert self._reply is not None
        return self._reply

    async def steps(self, patience_secs: float | None = None) -> AsyncIterator[Progress]:
        """What happens to it, until the final reply has come. Raises as `reply` does."""
        if patience_secs is None:
            left_ms = self.expires_ms - time.time_ns() // 1_000_000
            patience_secs = max(0.0, left_ms / 1000) + self._patience.after_secs
        deadline = time.monotonic() + patience_secs
        missing_since: float | None = None
        while self._reply is None:
            if time.monotonic() >= deadline:
                raise NoReplyYet(f"no reply to {self.action} {self.id} came within {patience_secs:g} s")
            try:
                async with asyncio.timeout(min(self._patience.look_secs, deadline - time.monotonic())):
                    progress, encoded = await self._news.get()
            except TimeoutError:
                progress, encoded = Progress("", ""), b""
            if progress.step and progress.state not in FINAL:
                yield progress
                continue
            if (reply := self._read(encoded)) is not None:
                self._reply = reply
            else:
                missing_since = await self._look(missing_since)
        yield Progress("final", str(self._reply.state))

    def own_reply(self, state: State, reason: Reason, message: str) -> Reply:
        """A reply that is given here and not by a collector."""
        at = timestamp_text(time.time_ns() // 1000)
        return Reply(
            id=self.id, pbx=self.pbx, action=self.action, state=state, at=at, reason=reason, message=message
        )

    def _read(self, encoded: bytes) -> Reply | None:
        """The reply, if that is one to this command."""
        try:
            reply = Reply.decode(encoded)
        except CommandError:
            return None
        return reply if reply.id == self.id else None

    async def _look(self, missing_since: float | None) -> float | None:
        """See for oneself how it stands; since when the queue does not know it."""
        try:
            state, encoded = await self._owner.settle(self)
        except QueueUnreachable:
            return missing_since
        if state == "final":
            message = "it is over, and its reply cannot be read"
            self._reply = self._read(encoded) or self.own_reply(State.UNKNOWN, Reason.NO_REPLY, message)
        if state != "missing":
            return None
        now = time.monotonic()
        missing_since = missing_since or now
        if now - missing_since >= self._patience.forgotten_secs:
            message = "the queue does not know the command any more: it may have been executed"
            self._reply = self.own_reply(State.UNKNOWN, Reason.QUEUE_ROLLED_BACK, message)
        return missing_since
