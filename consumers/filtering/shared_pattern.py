"""A pattern that many filters look for in the same place: evaluated once for all of them."""

from __future__ import annotations

from consumers.filtering.event_filter import Condition
from consumers.filtering.registration import Registration


class SharedPattern:
    """One condition and who has it. Compared by identity.

    `users` counts the filters that have the condition; `gated` are those of them that are looked at only when
    this pattern is found. `slow`: it took longer than the first attempt allows, and goes to the slow lane
    until it is quick there.
    """

    __slots__ = ("condition", "form", "gated", "pattern", "slow", "subject", "users")

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        self.pattern = condition.pattern
        self.form = condition.pattern.form
        self.subject = condition.subject
        self.users: dict[Registration, None] = {}
        self.gated: dict[Registration, None] = {}
        self.slow = False
