"""Faults that the simulated PBX has on demand: what goes wrong with an action, and how often.

A rule names an action (`*`: every one but those that open and close a session), a kind, and how often: the
next `times` times, or each time with a `probability` from a seeded source. The first rule that strikes is the
one that an action meets: one fault at most, and only an action that would have been executed.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from publisher.errors import PublisherError
from publisher.simulator.requests import Request, is_true

EVERY: Final = "*"
DEFAULT_LATE_SECS: Final = 2.0
_SESSIONS_OWN: Final = frozenset({"login", "logoff", "challenge"})


class FaultError(PublisherError):
    """A rule that means nothing."""


class FaultKind(StrEnum):
    """What goes wrong. Executed and not answered as it should be, or not executed at all."""

    NO_RESPONSE = "no_response"  # executed, never answered
    LATE_RESPONSE = "late_response"  # executed, answered after `late_secs`
    DROP_BEFORE = "drop_before"  # the connection is closed, nothing is executed
    DROP_AFTER = "drop_after"  # executed, and the connection is closed before any answer
    RESPONSE_AFTER_EVENT = "response_after_event"  # OriginateResponse comes before the Response
    NO_ORIGINATE_RESPONSE = "no_originate_response"  # executed and answered, the event never comes
    REFUSED = "refused"  # Permission denied, nothing is executed
    DUPLICATE_RESPONSE = "duplicate_response"  # the same response twice
    DUPLICATE_ORIGINATE_RESPONSE = "duplicate_originate_response"  # the same event twice
    WRONG_ACTION_ID = "wrong_action_id"  # the response carries another ActionID


# These concern the OriginateResponse, which comes only for an Originate with `Async: true`.
OF_ORIGINATE: Final = frozenset(
    {
        FaultKind.RESPONSE_AFTER_EVENT,
        FaultKind.NO_ORIGINATE_RESPONSE,
        FaultKind.DUPLICATE_ORIGINATE_RESPONSE,
    }
)


@dataclass(slots=True)
class Fault:
    """One rule. `times` None: without an end. `injected` counts how often it has struck.

    Raises `FaultError` for an action that no fault can concern, or a probability that is none.
    """

    kind: FaultKind
    action: str = EVERY
    times: int | None = None
    probability: float = 1.0
    late_secs: float = DEFAULT_LATE_SECS
    injected: int = 0

    def __post_init__(self) -> None:
        self.action = self.action.lower()
        if self.action in _SESSIONS_OWN:
            raise FaultError(f"{self.action} can have no fault: it opens or closes a session")
        if self.kind in OF_ORIGINATE and self.action not in (EVERY, "originate"):
            raise FaultError(f"{self.kind} concerns originate only, not {self.action}")
        if not 0.0 < self.probability <= 1.0:
            raise FaultError(f"{self.probability:g} is no probability; allowed: above 0, at most 1")
        if self.times is not None and self.times < 1:
            raise FaultError(f"{self.times} times is none; allowed: 1 or more")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """A rule written as `KIND[:ACTION[:PROBABILITY]]`. Raises `FaultError`."""
        parts = text.split(":")
        if len(parts) > 3:
            raise FaultError(f"{text!r} has too many parts; allowed: KIND[:ACTION[:PROBABILITY]]")
        kind, action, probability = (*parts, "", "")[:3]
        if kind not in FaultKind.__members__.values():
            raise FaultError(f"{kind!r} is no kind of fault; allowed: {', '.join(FaultKind)}")
        try:
            chance = float(probability) if probability else 1.0
        except ValueError as error:
            raise FaultError(
                f"{probability!r} is no probability; allowed: a number above 0, at most 1"
            ) from error
        return cls(FaultKind(kind), action or EVERY, probability=chance)

    def concerns(self, request: Request) -> bool:
        """Whether this rule is about such an action at all."""
        action = request.action
        if self.action != action and (self.action != EVERY or action in _SESSIONS_OWN):
            return False
        if self.kind not in OF_ORIGINATE:
            return True
        return action == "originate" and is_true(request.get("Async"))


class Faults:
    """The rules of one PBX, in order. `injected` counts what has struck, by kind; `seed` repeats a run."""

    def __init__(self, *rules: Fault, seed: int | None = None) -> None:
        self.rules: list[Fault] = list(rules)
        self.injected: Counter[FaultKind] = Counter()
        self._rng = random.Random(seed)

    def add(
        self,
        kind: FaultKind | str,
        action: str = EVERY,
        *,
        times: int | None = None,
        probability: float = 1.0,
        late_secs: float = DEFAULT_LATE_SECS,
    ) -> Fault:
        """One more rule, after the others. Raises `FaultError`, and ValueError for a kind that is none."""
        rule = Fault(FaultKind(kind), action, times, probability, late_secs)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """No rule from now on; the counts stay."""
        self.rules.clear()

    def pick(self, request: Request) -> Fault | None:
        """The fault that this action meets, counted as injected; None: it meets none."""
        for rule in self.rules:
            if not rule.concerns(request) or (rule.times is not None and rule.injected >= rule.times):
                continue
            if rule.probability < 1.0 and self._rng.random() >= rule.probability:
                continue
            rule.injected += 1
            self.injected[rule.kind] += 1
            return rule
        return None
