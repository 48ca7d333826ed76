"""The commander: takes a PBX's commands out of the queue, has them executed at most once, answers each once.

Its parts, each a noun of its own: the turn says whether the queue may be served from here; the intake
judges what is claimed; the dispatcher sends; the flights wait for the PBX; the settlement answers; the
recovery finds out what was before.

Each turn begins alike: where the queue's data cannot be trusted, the replies of the journal are given again
and everything older is answered from it, or `unknown`; then what is claimed in the queue and in nobody's
hand here is taken over.

Bounds: `most_held` commands claimed and not yet answered that have not been sent; a client's share of those
that wait is the policy's; news of `_NEWS_WAITING` steps, beyond which they are not told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from publisher.command_ports import ActionLine
from publisher.commanding.entries import Claim, JournalledCommand, QueuedCommand, Tenure
from publisher.commanding.outcomes import Outcome
from publisher.commanding.waiting import WaitingCommand
from publisher.errors import CommandJournalError, CommandQueueError
from publisher.ports import Journal
from publisher.reports import CommandJournalAlarm, CommandsFrozen, CommandsReady
from publisher.services.dispatcher import Dispatcher, DispatchSettings, cancelled, forgotten
from publisher.services.in_flight import InFlight
from publisher.services.intake import Intake
from publisher.services.recovery import Recovery, unread
from publisher.services.settlement import CommandDesk, Handled, Settlement
from publisher.services.supervisor import CallbackFaults
from publisher.services.turn import Turn
from schemas.reply import Reason, State, Step

_CLAIM_AT_ONCE: Final = 256
_TICK_SECS: Final = 0.1
_JOURNAL_RETRY_SECS: Final = 1.0
_NEWS_WAITING: Final = 1_000

T = TypeVar("T")


@dataclass(slots=True, frozen=True)
class CommanderSettings:
    """`lease_secs`: as the queue's. `keep_secs`: how long replies are kept, and restored after a rollback.
    `forgetful`: the queue is known to begin empty with each process, which is no news."""

    lease_secs: float = 15.0
    keep_secs: float = 86_400.0
    most_held: int = 2_000
    dispatch: DispatchSettings = field(default_factory=DispatchSettings)
    encoding: str = "utf-8"
    forgetful: bool = False


class Commander:
    """One PBX's. `run` ends only by cancellation; then the turn is given up.

    `watch` is told the names of the events that matter to it from then on; they come to `in_flight.on_event`.
    """

    def __init__(
        self,
        desk: CommandDesk,
        intake: Intake,
        events: Journal,
        line: ActionLine,
        settings: CommanderSettings,
        watch: Callable[[frozenset[str]], None],
    ) -> None:
        self._desk = desk
        self._intake = intake
        self._settings = settings
        self._tell_watched = watch
        self._now = (0, 0.0)
        self._news: asyncio.Queue[tuple[str, Step, str]] = asyncio.Queue(_NEWS_WAITING)
        self.settlement = Settlement(desk)
        self._faulty = asyncio.Event()
        self._faults = CallbackFaults(self._faulty.set)
        self.in_flight = InFlight(line, self._give, self._tell, self._faults)
        self.dispatcher = Dispatcher(desk, events, line, self.in_flight, self.settlement, settings.dispatch)
        self.dispatcher.on_known = self._known
        self.settlement.on_settled = self.dispatcher.wake
        self._turn = Turn(desk, settings.lease_secs, self._begin, self._count, self._stand_by)
        self._recovery = Recovery(
            desk, events, settings.encoding, self.in_flight, self.settlement, self._watch
        )

    @property
    def serving(self) -> bool:
        """Whether this commander has the turn."""
        return self._turn.held

    @property
    def waiting(self) -> int:
        """How many commands wait to be sent."""
        return len(self.dispatcher.waiting)

    def wake(self) -> None:
        """The PBX's connection came or went."""
        self.dispatcher.wake()

    async def run(self) -> None:
        """Serve the queue until cancelled."""
        self._faults.forget()
        self._faulty.clear()
        await self._recovery.take_up_sent(self._has)
        self._turn.remember(await self._retried(self._desk.journal.memory))
        works = (self._turn.run, self._claim, self._dispatch, self._look, self._tell_news, self._fail)
        try:
            async with asyncio.TaskGroup() as group:
                for work in works:
                    group.create_task(work())
                group.create_task(self.settlement.run())
        except ExceptionGroup as crashes:
            # The first one is what went wrong; the others ended because of it.
            raise crashes.exceptions[0] from None

    # -- a turn begins ------------------------------------------------------

    async def _begin(self, tenure: Tenure) -> None:
        self._set_now(tenure.now_ms)
        if tenure.trusted:
            await self._take_over()
        else:
            await self._freeze(tenure)
        self._desk.report(CommandsReady(self._desk.pbx, tenure.epoch, self.waiting))

    async def _freeze(self, tenure: Tenure) -> None:
        """Answer everything that is older than this turn, and send nothing of it; all of that before the data
        counts as trusted again."""
        if not self._settings.forgetful:
            self._desk.report(CommandsFrozen(self._desk.pbx, tenure.why_not))
        held = {one.id: one for one in self.dispatcher.clear()}
        await self._retried(lambda: self._recovery.restore_replies(self._settings.keep_secs))
        # What was claimed before this turn is older, and what stood in the streams at its beginning.
        older = [one for one in await self._desk.queue.orphans() if not self._has(one.id)]
        looked_at = True
        while looked_at:
            for one in older:
                held.pop(one.id, None)
            await self._sort(older, frozen=True)
            await self._settled(self._settings.most_held)
            claim = await self._desk.queue.claim(_CLAIM_AT_ONCE, tenure.watermarks)
            older, looked_at = [*claim.commands], bool(claim.looked_at)
        for waiting in held.values():
            self._give(_unsent(waiting), forgotten())
        await self._settled(1)

    async def _settled(self, below: int) -> None:
        """Wait until fewer replies than that are still to be given; the lease goes on meanwhile."""
        due = 0.0
        while len(self.settlement) >= below:
            if self._desk.clock.monotonic() >= due:
                await self._desk.queue.renew()
                due = self._desk.clock.monotonic() + self._settings.lease_secs / 3
            await self._desk.clock.sleep(_TICK_SECS)

    def _stand_by(self) -> None:
        """Another collector has the turn: what was claimed and not sent is its own now."""
        self.dispatcher.clear()

    async def _count(self, active: int) -> None:
        """More is ours in the queue than is in hand: an answer got lost, and something nobody knows of."""
        flights = self.in_flight.calls + self.in_flight.others
        if active > len(self.dispatcher) + flights + len(self.settlement):
            await self._take_over()

    async def _take_over(self) -> None:
        """Take over what is claimed in the queue and in nobody's hand here."""
        found = [one for one in await self._desk.queue.orphans() if not self._has(one.id)]
        for one in await self._sort(found, frozen=False):
            self._admit(one, again=True)
        self.dispatcher.wake()

    async def _sort(self, found: list[QueuedCommand], frozen: bool) -> list[QueuedCommand]:
        return await self._retried(lambda: self._recovery.sort(found, frozen)) if found else []

    def _has(self, id: str) -> bool:
        return id in self.dispatcher or id in self.in_flight or id in self.settlement

    # -- claiming -----------------------------------------------------------

    async def _claim(self) -> None:
        while True:
            await self._turn.wait()
            room = self._settings.most_held - self.waiting - len(self.settlement)
            if room <= 0:
                await self._desk.clock.sleep(_TICK_SECS)
                continue
            try:
                claim = await self._desk.queue.claim(min(room, _CLAIM_AT_ONCE))
                self._take(claim)
                if not claim.looked_at and not claim.cancelled:
                    await self._desk.queue.wait(self._settings.lease_secs / 3)
            except CommandQueueError as error:
                self._turn.lose(error)
                await self._desk.clock.sleep(_TICK_SECS)

    def _take(self, claim: Claim) -> None:
        self._set_now(claim.now_ms)
        for id in claim.cancelled:
            waiting = self.dispatcher.cancel(id)
            if waiting is not None:
                self._give(_unsent(waiting), cancelled())
        for one in claim.commands:
            self._admit(one)
        self.dispatcher.wake()

    def _admit(self, one: QueuedCommand, again: bool = False) -> None:
        if self._has(one.id):
            # Claimed, and found among what is claimed, at the same time.
            return
        monotonic = self._desk.clock.monotonic()
        if one.cancelled and one.state != State.SENDING:
            self._give(unread(one, monotonic), cancelled())
            return
        handled, verdict = self._intake.admit(one, self._now_ms(), monotonic, again)
        if isinstance(verdict, Outcome):
            self._give(handled, verdict)
            return
        rules = self._intake.judge.rules(verdict.command.client)
        assert rules is not None
        if not self.dispatcher.waiting.add(verdict, rules.max_waiting):
            message = f"{rules.max_waiting} commands of {rules.name} wait already, no more are allowed"
            self._give(
                handled, Outcome(state=State.REJECTED, reason=Reason.TOO_MANY_WAITING, message=message)
            )

    # -- sending and waiting ------------------------------------------------

    async def _dispatch(self) -> None:
        while True:
            await self._turn.wait()
            try:
                wait = await self.dispatcher.step(self._now_ms())
            except CommandQueueError as error:
                self._turn.lose(error)
                await self._desk.clock.sleep(_TICK_SECS)
                continue
            self._watch()
            await self.dispatcher.wait(wait)

    async def _look(self) -> None:
        """Time passes for what is under way."""
        while True:
            await self._desk.clock.sleep(_TICK_SECS)
            self.in_flight.tick(self._desk.clock.monotonic())
            self._watch()

    async def _known(self, waiting: WaitingCommand, known: JournalledCommand) -> None:
        """A command came that the journal knows: it was sent or answered before, and the queue forgot it."""
        if known.body != waiting.body:
            message = "its id was used before, for another command; ids must not be used again"
            outcome = Outcome(state=State.REJECTED, reason=Reason.INVALID, message=message)
            self._give(_unsent(waiting), outcome)
        elif known.is_final:
            self.settlement.restore(known)
        elif known.id not in self.in_flight:
            await self._recovery.find_out([known])

    def _give(self, handled: Handled, outcome: Outcome) -> None:
        self.settlement.give(handled, outcome)
        self.dispatcher.wake()

    def _watch(self) -> None:
        self._tell_watched(self.in_flight.watched)

    def _tell(self, id: str, step: Step, more: str) -> None:
        if not self._news.full():
            self._news.put_nowait((id, step, more))

    async def _fail(self) -> None:
        """A fault in a callback ends this service; it is started again."""
        await self._faulty.wait()
        self._faults.raise_first()

    async def _tell_news(self) -> None:
        """Steps of calls, for whoever watches; what cannot be told is dropped."""
        while True:
            id, step, more = await self._news.get()
            try:
                await self._desk.queue.tell(id, State.SENDING, step, more)
            except CommandQueueError:
                continue

    async def _retried(self, work: Callable[[], Awaitable[T]]) -> T:
        """What the journal must give before anything goes on; asked until it does."""
        while True:
            try:
                return await work()
            except CommandJournalError as error:
                self._desk.report(CommandJournalAlarm(self._desk.pbx, str(error)))
                await self._desk.clock.sleep(_JOURNAL_RETRY_SECS)

    # -- Redis's clock, as far as it is known --------------------------------

    def _set_now(self, now_ms: int) -> None:
        self._now = (now_ms, self._desk.clock.monotonic())

    def _now_ms(self) -> int:
        at_ms, monotonic = self._now
        return at_ms + int((self._desk.clock.monotonic() - monotonic) * 1000)


def _unsent(waiting: WaitingCommand) -> Handled:
    return Handled.of(waiting.command, waiting.body, waiting.taken_at, sent=False)
