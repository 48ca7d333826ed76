"""All filters of an engine, and which of them have to be looked at for an event.

Strategy: each filter stands behind one gate, the part of it that most events fail: its extensions, else a
pattern or text that can be looked for together with all others, else its events. A filter with no such part
is looked at for every event. A gate that opens says only that the filter has to be judged; it is the whole
answer where the filter has no other part and the pattern is surely there.

Used by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from consumers.filtering.event_filter import Condition
from consumers.filtering.literals import Literal
from consumers.filtering.packet import Packet
from consumers.filtering.pattern_index import PatternIndex
from consumers.filtering.registration import Registration
from consumers.filtering.shared_pattern import SharedPattern

Gates = dict[str, dict[Registration, None]]


class FilterIndex:
    """`new_patterns` makes the index of one subject's patterns; `databases`: it has those of hyperscan."""

    def __init__(self, new_patterns: Callable[[], PatternIndex], databases: bool) -> None:
        self._new_patterns = new_patterns
        self._databases = databases
        self._shared: dict[Condition, SharedPattern] = {}
        self._of_subject: dict[str, PatternIndex] = {}
        self._by_extension: Gates = {}
        self._by_event: Gates = {}
        self._always: dict[Registration, None] = {}

    # -- filters come and go ---------------------------------------------------

    def add(self, registration: Registration) -> None:
        compiled = registration.filter
        shared = [self._share(condition, registration) for condition in compiled.conditions]
        registration.conditions = tuple(sorted(shared, key=self._cost))
        if registration.extensions:
            self._open(self._by_extension, registration.extensions, registration)
        elif gate := self._gate(registration):
            if not gate.gated:
                self._patterns(gate.subject).add(gate)
            gate.gated[registration] = None
        elif registration.events:
            self._open(self._by_event, registration.events, registration)
        else:
            self._always[registration] = None

    def remove(self, registration: Registration) -> None:
        self._shut(self._by_extension, registration.extensions, registration)
        self._shut(self._by_event, registration.events, registration)
        self._always.pop(registration, None)
        for shared in registration.conditions:
            if registration in shared.gated:
                del shared.gated[registration]
                if not shared.gated:
                    self._of_subject[shared.subject].remove(shared)
            del shared.users[registration]
            if not shared.users:
                del self._shared[shared.condition]

    def _share(self, condition: Condition, registration: Registration) -> SharedPattern:
        shared = self._shared.get(condition)
        if shared is None:
            shared = self._shared[condition] = SharedPattern(condition)
        shared.users[registration] = None
        return shared

    def _cost(self, shared: SharedPattern) -> int:
        if isinstance(shared.pattern, Literal):
            return 0
        return 1 if shared.form.exact else 2

    def _gate(self, registration: Registration) -> SharedPattern | None:
        """The condition that can be looked for with those of others, an exact one before any other."""
        able = [shared for shared in registration.conditions if self._can_be_gate(shared)]
        return min(able, key=lambda shared: not shared.form.exact, default=None)

    def _can_be_gate(self, shared: SharedPattern) -> bool:
        return bool(shared.form.clauses or (self._databases and shared.form.expression))

    def _patterns(self, subject: str) -> PatternIndex:
        patterns = self._of_subject.get(subject)
        if patterns is None:
            patterns = self._of_subject[subject] = self._new_patterns()
        return patterns

    def _open(self, gates: Gates, names: frozenset[str], registration: Registration) -> None:
        for name in names:
            gates.setdefault(name, {})[registration] = None

    def _shut(self, gates: Gates, names: frozenset[str], registration: Registration) -> None:
        for name in names:
            behind = gates.get(name)
            if behind is not None:
                behind.pop(registration, None)
                if not behind:
                    del gates[name]

    # -- an event comes ----------------------------------------------------------

    def candidates(self, packet: Packet, taken: list[Registration]) -> Iterator[Registration]:
        """The filters that have to be judged, each once; those that surely take the event go to `taken`."""
        for subject, patterns in self._of_subject.items():
            yield from self._behind_patterns(packet, subject, patterns, taken)
        if self._by_extension:
            yield from self._behind_extensions(packet)
        if self._by_event:
            yield from self._by_event.get(packet.name, ())
        if self._always:
            yield from self._always

    def _behind_patterns(
        self, packet: Packet, subject: str, patterns: PatternIndex, taken: list[Registration]
    ) -> Iterator[Registration]:
        values = packet.values(subject)
        if not values:
            return
        sure, unsure = patterns.look(values[0])
        if len(values) > 1:
            for value in values[1:]:
                more_sure, more_unsure = patterns.look(value)
                sure += more_sure
                unsure += more_unsure
            sure = list(dict.fromkeys(sure))
        found = packet.found
        for pattern in sure:
            found[pattern] = True
            for registration in pattern.gated:
                if registration.alone:
                    taken.append(registration)
                else:
                    yield registration
        if unsure:
            for pattern in dict.fromkeys(unsure):
                if found.get(pattern) is not True:
                    yield from pattern.gated

    def _behind_extensions(self, packet: Packet) -> Iterator[Registration]:
        gates = self._by_extension
        opened = [gates[name] for name in packet.event.extensions if name in gates]
        if len(opened) > 1:
            yield from dict.fromkeys(registration for behind in opened for registration in behind)
        elif opened:
            yield from opened[0]

    # -- building ------------------------------------------------------------------

    @property
    def patterns(self) -> list[PatternIndex]:
        return list(self._of_subject.values())

    @property
    def built(self) -> bool:
        return all(patterns.built for patterns in self._of_subject.values())
