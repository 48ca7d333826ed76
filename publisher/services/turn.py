"""The turn: whether this commander may serve the queue now.

Only one commander a PBX sends, whoever holds the fence in the queue. Any trouble with the queue ends the
turn, here or in one of the other parts (`lose`): nothing more is claimed or sent until a new one has begun,
and each begins alike, with `begin`. So a lost answer of the queue, a restart and a crash are one case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from publisher.backoff import Backoff
from publisher.commanding.entries import Memory, Tenure
from publisher.errors import (
    CommandJournalError,
    CommandQueueError,
    QueueFenced,
    QueueHeld,
    QueueRefused,
)
from publisher.reports import (
    CommandJournalAlarm,
    CommandsDown,
    CommandsElsewhere,
    CommandsRefusal,
)
from publisher.services.settlement import CommandDesk

_STANDBY_SECS: Final = 1.0
_RELEASE_SECS: Final = 1.0

OnTenure = Callable[[Tenure], Awaitable[None]]
OnActive = Callable[[int], Awaitable[None]]


class Turn:
    """One commander's. `on_active` hears how many commands the queue counts as ours, at each renewal."""

    def __init__(
        self,
        desk: CommandDesk,
        lease_secs: float,
        begin: OnTenure,
        on_active: OnActive,
        on_stand_by: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._lease_secs = lease_secs
        self._begin = begin
        self._on_active = on_active
        self._on_stand_by = on_stand_by
        self._held = asyncio.Event()
        self._lost = asyncio.Event()
        self._trouble: CommandQueueError | None = None
        self._before = Memory()

    def remember(self, before: Memory) -> None:
        """What an earlier process had of its last turn."""
        self._before = before

    @property
    def held(self) -> bool:
        return self._held.is_set()

    async def wait(self) -> None:
        """Return as soon as the turn is ours."""
        await self._held.wait()

    def lose(self, error: CommandQueueError) -> None:
        """Trouble with the queue in another part."""
        self._trouble = error
        self._held.clear()
        self._lost.set()

    async def run(self) -> None:
        """Begin turns and go on with them, until cancelled."""
        backoff = Backoff(0.1, 5.0)
        try:
            while True:
                self._lost.clear()
                try:
                    # This process's own memory is up to the last answer; the journal's may be older.
                    memory = self._desk.queue.memory
                    tenure = await self._desk.queue.take(memory if memory.epoch else self._before)
                    await self._note()
                    await self._begin(tenure)
                    if not tenure.trusted:
                        await self._desk.queue.confirm()
                except QueueHeld as error:
                    self._desk.report(CommandsElsewhere(self._desk.pbx, str(error)))
                    self._on_stand_by()
                    await self._desk.clock.sleep(min(_STANDBY_SECS, max(0.1, error.left_secs)))
                    continue
                except CommandQueueError as error:
                    self._tell(error, wait := backoff.next_secs())
                    await self._desk.clock.sleep(wait)
                    continue
                backoff.reset()
                await self._hold()
        finally:
            if self.held:
                self._held.clear()
                await self._release()

    async def _hold(self) -> None:
        """Renew until something goes wrong."""
        self._trouble = None
        self._held.set()
        try:
            while not self._lost.is_set():
                try:
                    async with asyncio.timeout(self._lease_secs / 3):
                        await self._lost.wait()
                except TimeoutError:
                    active = await self._desk.queue.renew()
                    await self._note()
                    await self._on_active(active)
        except CommandQueueError as error:
            self._trouble = error
        self._held.clear()
        if self._trouble is not None and not isinstance(self._trouble, QueueFenced):
            self._tell(self._trouble, 0.0)

    async def _note(self) -> None:
        try:
            await self._desk.journal.remember(self._desk.queue.memory)
        except CommandJournalError as error:
            # The turn goes on; what must not be forgotten is noted with each command, or that is not sent.
            self._desk.report(CommandJournalAlarm(self._desk.pbx, str(error)))

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(_RELEASE_SECS):
                await self._desk.queue.release()
        except (CommandQueueError, TimeoutError):
            # The lease ends by itself.
            return

    def _tell(self, error: CommandQueueError, retry_secs: float) -> None:
        kind = CommandsRefusal if isinstance(error, QueueRefused) else CommandsDown
        self._desk.report(kind(self._desk.pbx, str(error), retry_secs))
