"""Whether one filter takes one event, as far as that can be said in the time given."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from consumers.filtering.packet import Packet
from consumers.filtering.quarantine import Quarantine
from consumers.filtering.registration import Registration
from consumers.filtering.shared_pattern import SharedPattern
from consumers.filtering.verdicts import PENDING, QUARANTINED, TIMEOUT, Answer

GLANCE_SECS: Final = 0.0005
FIRST_SECS: Final = 0.003
SLOW_SECS: Final = 0.25


class Judge:
    """Evaluates patterns on packets. `on_timeout` is told of each pattern that took longer than
    `SLOW_SECS`.
    """

    def __init__(
        self,
        quarantine: Quarantine,
        on_timeout: Callable[[SharedPattern], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._quarantine = quarantine
        self._clock = clock
        self._on_timeout = on_timeout

    def at_once(self, registration: Registration, packet: Packet) -> Answer:
        """`pending` where the first attempt's time did not do."""
        return self._judge(registration, packet, self._first_attempt)

    def at_length(self, registration: Registration, packet: Packet) -> Answer:
        """With the slow lane's time; never `pending`."""
        return self._judge(registration, packet, self._second_attempt)

    def _judge(
        self,
        registration: Registration,
        packet: Packet,
        attempt: Callable[[SharedPattern, Packet], Answer],
    ) -> Answer:
        if registration.events and packet.name not in registration.events:
            return False
        if registration.extensions and registration.extensions.isdisjoint(packet.event.extensions):
            return False
        answer: Answer = True
        found = packet.found
        for shared in registration.conditions:
            one = found.get(shared)
            if one is None:
                one = found[shared] = attempt(shared, packet)
            if one is False:
                return False
            if one is not True and answer != PENDING:
                answer = one
        return answer

    def _first_attempt(self, shared: SharedPattern, packet: Packet) -> Answer:
        if not shared.subject and not packet.may_hold(shared.form.clauses):
            return False
        if self._quarantine.holds(shared.pattern.name):
            return QUARANTINED
        values = packet.values(shared.subject)
        if len(values) > 1:
            return self._first_of_many(shared, values)
        return self._first_look(shared, values[0], FIRST_SECS) if values else False

    def _first_of_many(self, shared: SharedPattern, values: Sequence[str]) -> Answer:
        """The values of a repeated header have one attempt's time together."""
        ends = self._clock() + FIRST_SECS
        for value in values:
            left = ends - self._clock()
            if left <= 0:
                return PENDING
            answer = self._first_look(shared, value, left)
            if answer is not False:
                return answer
        return False

    def _first_look(self, shared: SharedPattern, value: str, secs: float) -> Answer:
        """A glance that holds up the other threads, and where that does not do a look that lets them run."""
        if shared.slow:
            return PENDING
        pattern = shared.pattern
        try:
            return pattern.found_in(value, min(GLANCE_SECS, secs))
        except TimeoutError:
            pass
        try:
            return pattern.found_in(value, secs, aside=True)
        except TimeoutError:
            shared.slow = True
            return PENDING

    def _second_attempt(self, shared: SharedPattern, packet: Packet) -> Answer:
        if self._quarantine.holds(shared.pattern.name):
            return QUARANTINED
        began = self._clock()
        found = False
        for value in packet.values(shared.subject):
            left = SLOW_SECS - (self._clock() - began)
            try:
                found = shared.pattern.found_in(value, max(left, GLANCE_SECS), aside=True)
            except TimeoutError:
                self._on_timeout(shared)
                return TIMEOUT
            if found:
                break
        if self._clock() - began < FIRST_SECS:
            shared.slow = False
        return found
