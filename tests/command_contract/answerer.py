"""Answers commands as a commander does, with no PBX behind it; counts how often each would have been sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from publisher.command_ports import CommandQueue
from publisher.commanding.entries import SEND, FinalReply, QueuedCommand
from publisher.errors import CommandQueueError
from schemas.command import Command
from schemas.reply import Reply, State

Script = Callable[[QueuedCommand], Reply]


def succeeds(queued: QueuedCommand) -> Reply:
    """The reply of a PBX that does everything; it bears the command's id in a field too."""
    action = Command.decode(queued.body).action
    return Reply(
        id=queued.id,
        pbx="any",
        action=action,
        state=State.SUCCEEDED,
        at="2026-01-01T00:00:00.000000Z",
        fields={"Uniqueid": queued.id},
    )


class Answerer:
    """Works on one queue until it is stopped. Trouble with the queue it takes as a commander does: it begins
    a new turn, takes over what was left, and sends nothing a second time."""

    def __init__(self, queue: CommandQueue, script: Script = succeeds) -> None:
        self._queue = queue
        self._script = script
        self._replies: dict[str, FinalReply] = {}
        self.sent: Counter[str] = Counter()
        self.untrusted = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def run(self) -> None:
        while True:
            with contextlib.suppress(CommandQueueError):
                await self._serve()
            await asyncio.sleep(0.01)

    async def _serve(self) -> None:
        tenure = await self._queue.take(self._queue.memory)
        self.untrusted += not tenure.trusted
        await self._answer(await self._queue.orphans())
        while True:
            claimed = (await self._queue.claim(20)).commands
            if claimed:
                await self._answer(claimed)
            else:
                await self._queue.wait(5.0)

    async def _answer(self, found: list[QueuedCommand] | tuple[QueuedCommand, ...]) -> None:
        await self.go_on.wait()
        new = [one for one in found if one.id not in self._replies]
        for one, verdict in zip(new, await self._queue.mark_sending([one.id for one in new]), strict=True):
            if verdict.word == SEND:
                self.sent[one.id] += 1
                reply = self._script(one)
                self._replies[one.id] = FinalReply(one.id, reply.state, reply.encode(), one.body)
        for one in new:
            if one.id in self._replies:
                await self._queue.tell(one.id, State.SENDING, "accepted")
                await self._queue.tell(one.id, State.SENDING, "ringing", "PJSIP/200-00000001")
        await self._queue.finish([self._replies[one.id] for one in found if one.id in self._replies])


@asynccontextmanager
async def answering(queue: CommandQueue, script: Script = succeeds) -> AsyncIterator[Answerer]:
    """Somebody answers meanwhile."""
    answerer = Answerer(queue, script)
    working = asyncio.create_task(answerer.run())
    try:
        yield answerer
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
