"""Many filters against a stream of events: which of them takes which event.

Strategy. A batch of events is matched in one job of a thread pool. The job looks up, for each event, the
filters whose gate opens (filter_index.py): one scan of the packet's text tells for all patterns together
which of them it may hold. What that leaves open is confirmed by `regex`, within the time of a first
attempt. A pair of event and filter that needs longer is judged in the slow lane, with its own thread, and
delays nobody else.

Changes. `add`, `replace` and `remove` only note what is to change; the next job, or the builder, whichever is
first, applies it before anything else. So a filter counts for every batch that is handed in after it, and
whatever is removed while a batch is matched is taken out of the answer. New patterns are looked at one by
one until the builder's thread has compiled them together with others. Neither waits for the other longer
than it takes to swap a list.

Invariants
* An answer is that of `regex`, DOTALL, or it is named as undecided with the reason. Nothing is left out.
* One job and one build of an engine at a time; the index is touched by whoever holds the lock, and by
  nobody else.
* The event loop never waits for a lock, nor for a pattern.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic

from consumers.filtering.background import background_thread
from consumers.filtering.event_filter import CompiledFilter, EventFilter
from consumers.filtering.filter_index import FilterIndex
from consumers.filtering.judgement import Judge
from consumers.filtering.packet import Packet
from consumers.filtering.quarantine import Quarantine
from consumers.filtering.registration import Registration, Stay
from consumers.filtering.scanners import new_pattern_index, with_databases
from consumers.filtering.shared_pattern import SharedPattern
from consumers.filtering.slow_lane import Pair, SlowLane
from consumers.filtering.verdicts import (
    BUSY,
    PENDING,
    Answer,
    Id,
    PatternQuarantined,
    Reason,
    Verdict,
)
from schemas.envelope import Event

Reporter = Callable[[PatternQuarantined], None]

# Matching holds the interpreter nearly all the time: more threads would not make it faster.
_matching: Final = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "filter")
_building: Final = background_thread("filter-build")


_Found = tuple[list[Registration], list[tuple[Registration, Reason]]]
"""The filters that take one event, and those that are undecided."""


@dataclass(slots=True)
class _Change:
    """Registrations that leave and that come, either None."""

    gone: Registration | None
    new: Registration | None


class Decision(Generic[Id]):
    """The answer for a batch. `verdicts` stand in the order of the events."""

    __slots__ = ("_later", "_pairs", "verdicts")

    def __init__(
        self,
        verdicts: list[Verdict[Id]],
        pairs: Sequence[Pair],
        later: Future[list[Answer]] | None,
    ) -> None:
        self.verdicts = verdicts
        self._pairs = pairs
        self._later = later

    @property
    def pending(self) -> int:
        """How many pairs of event and filter the slow lane has yet to decide, or had when this was made."""
        return len(self._pairs)

    async def settled(self) -> list[Verdict[Id]]:
        """All verdicts with nothing pending: waits for the slow lane. May be awaited again."""
        if self._later is None:
            return self.verdicts
        answers = await asyncio.shield(asyncio.wrap_future(self._later))
        return self._merge(answers)

    def settled_now(self) -> list[Verdict[Id]]:
        """The same, for who has no event loop; waits in this thread."""
        return self.verdicts if self._later is None else self._merge(self._later.result())

    def _merge(self, answers: Sequence[Answer]) -> list[Verdict[Id]]:
        merged = [Verdict(verdict.matched, (), dict(verdict.undecided)) for verdict in self.verdicts]
        for (number, registration, _), answer in zip(self._pairs, answers, strict=True):
            if answer is not False and not registration.stay.ended:
                _note(merged[number], registration.id, answer)
        return merged


def _note(verdict: Verdict[Id], id_: Id, answer: Answer) -> None:
    if answer is True:
        verdict.matched = (*verdict.matched, id_)
    elif answer == PENDING:
        verdict.pending = (*verdict.pending, id_)
    elif answer is not False:
        verdict.undecided = {**verdict.undecided, id_: answer}


class FilterEngine(Generic[Id]):
    """Filters by id. Made, changed and asked from one thread, that of the event loop.

    `on_quarantine` is called, on the event loop, for each pattern that is put away. `clock` (monotonic,
    seconds) is what quarantine goes by. `hyperscan`: use it where it is installed.
    """

    def __init__(
        self,
        on_quarantine: Reporter | None = None,
        clock: Callable[[], float] = time.monotonic,
        hyperscan: bool = True,
    ) -> None:
        databases = hyperscan and with_databases()
        self._on_quarantine = on_quarantine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._index = FilterIndex(lambda: new_pattern_index(databases), databases)
        self._lock = threading.Lock()
        self._turn = asyncio.Lock()
        self._changes: deque[_Change] = deque()
        self._registered: dict[Id, Registration] = {}
        self._version = 0
        self._quarantine = Quarantine(clock)
        judge = Judge(self._quarantine, self._timed_out)
        self._at_once = judge.at_once
        self._slow_lane = SlowLane(judge.at_length)
        self._build_asked = False
        self._closed = False

    # -- filters ---------------------------------------------------------------

    def add(self, id_: Id, wanted: EventFilter | CompiledFilter) -> None:
        """Take a filter in; it counts for every batch from now on.

        Raises `FilterInvalid`, and `ValueError` where the id is taken. A filter is compiled here, which takes
        milliseconds for large patterns, unless it comes compiled (`EventFilter.compiled`, in another thread).
        """
        if id_ in self._registered:
            raise ValueError(f"there is a filter {id_!r} already")
        self.replace(id_, wanted)

    def replace(self, id_: Id, wanted: EventFilter | CompiledFilter) -> None:
        """The same, also where the id is taken; an invalid filter leaves the earlier one in place."""
        compiled = wanted.compiled() if isinstance(wanted, EventFilter) else wanted
        gone = self._registered.get(id_)
        # What the earlier filter says of a batch that is being matched still counts: it came before.
        new = Registration(id_, compiled, gone.stay if gone else Stay())
        self._change(_Change(gone, new))
        self._registered[id_] = new

    def remove(self, id_: Id) -> None:
        """Take a filter out: no answer that is given from now on names it. Nothing happens if it is not
        there.
        """
        gone = self._registered.pop(id_, None)
        if gone is not None:
            gone.stay.ended = True
            self._change(_Change(gone, None))

    def _change(self, change: _Change) -> None:
        self._version += 1
        self._changes.append(change)
        if not self._build_asked and not self._closed:
            self._ask_for_build()

    def __len__(self) -> int:
        return len(self._registered)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._registered

    # -- events ------------------------------------------------------------------

    async def decide(self, events: Sequence[Event]) -> Decision[Id]:
        """Match a batch. One job whatever its size: hundreds of events at a time are best."""
        loop = self._loop = asyncio.get_running_loop()
        async with self._turn:
            version = self._version
            matched, pairs = await loop.run_in_executor(_matching, self._match, events)
            return self._decision(version, matched, pairs)

    def decide_now(self, events: Sequence[Event]) -> Decision[Id]:
        """The same in this thread, for who has no event loop; reports are called from any thread then."""
        version = self._version
        matched, pairs = self._match(events)
        return self._decision(version, matched, pairs)

    def _match(self, events: Sequence[Event]) -> tuple[list[_Found], list[Pair]]:
        """The job. Pairs that need more time come beside the answers."""
        at_once = self._at_once
        pairs: list[Pair] = []
        answers: list[_Found] = []
        with self._lock:
            self._apply_changes()
            candidates = self._index.candidates
            for number, event in enumerate(events):
                packet = Packet(event)
                taken: list[Registration] = []
                doubts: list[tuple[Registration, Reason]] = []
                for registration in candidates(packet, taken):
                    answer = at_once(registration, packet)
                    if answer is True:
                        taken.append(registration)
                    elif answer == PENDING:
                        pairs.append((number, registration, packet))
                    elif answer is not False:
                        doubts.append((registration, answer))
                answers.append((taken, doubts))
        return answers, pairs

    def _decision(self, version: int, answers: list[_Found], pairs: list[Pair]) -> Decision[Id]:
        changed = version != self._version
        if changed:
            pairs = [pair for pair in pairs if not pair[1].stay.ended]
        verdicts = [self._verdict(*found, changed) for found in answers]
        taken, later = self._slow_lane.submit(pairs) if pairs else ((), None)
        for number, registration, _ in taken:
            _note(verdicts[number], registration.id, PENDING)
        for number, registration, _ in pairs[len(taken) :]:
            _note(verdicts[number], registration.id, BUSY)
        return Decision(verdicts, taken, later)

    def _verdict(
        self, taken: list[Registration], doubts: list[tuple[Registration, Reason]], changed: bool
    ) -> Verdict[Id]:
        if not taken and not doubts:
            return Verdict()
        if changed:
            taken = [registration for registration in taken if not registration.stay.ended]
            doubts = [doubt for doubt in doubts if not doubt[0].stay.ended]
        verdict: Verdict[Id] = Verdict(tuple([registration.id for registration in taken]))
        if doubts:
            verdict.undecided = {registration.id: reason for registration, reason in doubts}
        return verdict

    def _timed_out(self, shared: SharedPattern) -> None:
        """Called in the slow lane's thread."""
        secs = self._quarantine.timed_out(shared.pattern.name)
        if secs is None or self._on_quarantine is None:
            return
        filters = tuple(registration.id for registration in list(shared.users))
        report = PatternQuarantined(filters, shared.condition.part, shared.pattern.name, secs)
        if self._loop is None:
            self._on_quarantine(report)
        else:
            # The loop may have ended meanwhile; then there is nobody to tell.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._on_quarantine, report)

    # -- the index -------------------------------------------------------------------

    def _apply_changes(self) -> None:
        changes = self._changes
        while changes:
            change = changes.popleft()
            if change.gone is not None:
                self._index.remove(change.gone)
            if change.new is not None:
                self._index.add(change.new)

    def _ask_for_build(self) -> None:
        self._build_asked = True
        # At the end of the process no work is taken any more.
        with suppress(RuntimeError):
            _building.submit(self._build)

    def _build(self) -> None:
        """In the builder's thread: compile what is new, a bounded piece at a time, other engines in
        between.
        """
        self._build_asked = False
        with self._lock:
            self._apply_changes()
            builds = [(patterns, build) for patterns in self._index.patterns for build in patterns.builds()]
        for patterns, build in builds:
            try:
                if not self._closed:
                    build.compile()
            finally:
                with self._lock:
                    patterns.finish(build)
        with self._lock:
            built = self._index.built
        if not built and not self._closed and not self._build_asked:
            self._ask_for_build()

    async def built(self) -> None:
        """Wait until no pattern is looked at by itself that can be looked for together with others."""
        while not await asyncio.get_running_loop().run_in_executor(_building, self._is_built):
            pass

    def _is_built(self) -> bool:
        # A turn of the builder's queue: whatever was asked for before has run.
        with self._lock:
            return not self._changes and self._index.built

    def close(self) -> None:
        """End the slow lane: what waits there is answered as `busy`. No call after this."""
        self._closed = True
        self._slow_lane.close()
