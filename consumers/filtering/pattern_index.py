"""The patterns of one subject, the packet's text or one header, and which of them a text may hold.

A pattern is looked for in the best way that is ready: by itself at once; soon, with all others, by the texts
that it needs; and when hyperscan has compiled it with others, in that database alone. What the two later ways
cannot take stays with the earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator

from consumers.filtering.shared_pattern import SharedPattern
from consumers.filtering.tier import Build, Tier


class PatternIndex:
    """`databases` is None where there is no hyperscan. Used by one thread at a time."""

    def __init__(self, databases: Tier | None, literals: Tier) -> None:
        self._databases = databases
        self._literals = literals
        self._loose: dict[SharedPattern, None] = {}
        self._of_nothing: dict[SharedPattern, None] = {}
        # Literals first: they compile in no time, and serve until the database is there.
        self._tiers = [literals] if databases is None else [literals, databases]

    def add(self, pattern: SharedPattern) -> None:
        if pattern.pattern.takes_nothing:
            self._of_nothing[pattern] = None
        self._loose[pattern] = None
        if pattern.form.clauses:
            self._literals.add(pattern)
        if self._databases is not None and pattern.form.expression:
            self._databases.add(pattern)

    def remove(self, pattern: SharedPattern) -> None:
        self._loose.pop(pattern, None)
        self._of_nothing.pop(pattern, None)
        for tier in self._tiers:
            tier.remove(pattern)

    def look(self, text: str) -> tuple[list[SharedPattern], list[SharedPattern]]:
        """The patterns that surely are in the text, and the others that may be. One can be named twice."""
        if not text:
            return [], list(self._of_nothing)
        try:
            data: bytes | None = text.encode()
        except UnicodeEncodeError:
            data = None
        sure: list[SharedPattern] = []
        unsure: list[SharedPattern] = []
        for tier in self._tiers:
            tier.look(text, data, sure, unsure)
        if self._loose:
            unsure.extend(self._loose)
        return sure, unsure

    # -- building ------------------------------------------------------------

    def builds(self) -> Iterator[Build]:
        for tier in self._tiers:
            if build := tier.next_build():
                yield build

    def finish(self, build: Build) -> None:
        for pattern in build.tier.finish(build):
            self._loose.pop(pattern, None)
            if build.tier is self._databases:
                self._literals.remove(pattern)

    @property
    def built(self) -> bool:
        return not any(tier.fresh for tier in self._tiers)
