"""Patterns that are looked for together, while patterns come and go.

Strategy: to compile many patterns together takes a second for a thousand, and more than in proportion. So
they stand in segments of at most `most`, each compiled once. A new pattern is `fresh` until some segment
holds it, and has to be looked for elsewhere. A build takes the fresh ones and, so that segments stay few,
the smaller segments too, as long as one is no larger than twice what is taken so far. It is compiled by
whoever asked for it, while the old segments go on; then it replaces them. A segment that is more hole than
patterns is built anew.

Invariants: every pattern is fresh or in exactly one segment; so none is missed, whatever is being built. One
build at a time. With n patterns there are about n / most segments, and a few smaller ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from consumers.filtering.segment import Scanner, Segment
from consumers.filtering.shared_pattern import SharedPattern

Compile = Callable[[Sequence[SharedPattern]], tuple[Scanner, Sequence[SharedPattern]]]
"""Gives the scanner, and the patterns that it holds, in the order of their numbers."""


@dataclass(slots=True)
class Build:
    """What is to be compiled together. `compile` may be called without any lock."""

    tier: Tier
    patterns: list[SharedPattern]
    done: Segment | None = None

    def compile(self) -> None:
        self.done = Segment(*self.tier.compile(self.patterns))


class Tier:
    """One kind of patterns of one subject. Used by one thread at a time; only `Build.compile` is free of
    that.
    """

    def __init__(self, compile_: Compile, most: int, most_size: int, exact: bool = False) -> None:
        """`exact`: what its scanners find of a pattern whose form is exact is surely there."""
        self.compile = compile_
        self._exact = exact
        self._most = most
        self._most_size = most_size
        self.fresh: dict[SharedPattern, None] = {}
        self.segments: list[Segment] = []
        self._home: dict[SharedPattern, tuple[Segment, int]] = {}
        self._building = False

    def __len__(self) -> int:
        return len(self.fresh) + len(self._home)

    def add(self, pattern: SharedPattern) -> None:
        self.fresh[pattern] = None

    def remove(self, pattern: SharedPattern) -> None:
        self.fresh.pop(pattern, None)
        self._leave(pattern)

    def _leave(self, pattern: SharedPattern) -> None:
        home = self._home.pop(pattern, None)
        if home is not None:
            segment, number = home
            segment.patterns[number] = None
            segment.live -= 1
            if not segment.live:
                self.segments.remove(segment)

    def look(
        self, text: str, data: bytes | None, sure: list[SharedPattern], unsure: list[SharedPattern]
    ) -> None:
        """Add the patterns that surely are in the text, and those that may be; see `Scanner.scan`."""
        for segment in self.segments:
            found = segment.scan(text, data)
            if found is None:
                unsure.extend(segment.members())
            elif self._exact:
                for pattern in found:
                    (sure if pattern.form.exact else unsure).append(pattern)
            else:
                unsure.extend(found)

    # -- building ------------------------------------------------------------

    def next_build(self) -> Build | None:
        """What is to be compiled now, if anything is; `finish` has to follow."""
        if self._building:
            return None
        hollow = [segment for segment in self.segments if segment.live * 2 < segment.size]
        if not self.fresh and not hollow:
            return None
        patterns: list[SharedPattern] = []
        room = self._take(patterns, self.fresh, self._most_size)
        for segment in sorted(self.segments, key=lambda segment: segment.live):
            members = segment.members()
            size = sum([pattern.form.size for pattern in members])
            wanted = segment in hollow or segment.live <= 2 * len(patterns)
            if wanted and len(patterns) + len(members) <= self._most and (size <= room or not patterns):
                patterns.extend(members)
                room -= size
        self._building = True
        return Build(self, patterns)

    def _take(self, patterns: list[SharedPattern], fresh: Iterable[SharedPattern], room: int) -> int:
        """Take fresh patterns, the first in any case; gives the room that is left."""
        for pattern in fresh:
            if len(patterns) >= self._most or (patterns and pattern.form.size > room):
                break
            patterns.append(pattern)
            room -= pattern.form.size
        return room

    def finish(self, build: Build) -> list[SharedPattern]:
        """Put the segment in the place of what it replaces.

        Gives the patterns that stand in it now. What its scanner would not take is not tried again.
        """
        self._building = False
        segment = build.done
        if segment is None:
            return []
        taken = []
        for number, pattern in enumerate(segment.members()):
            if pattern not in self.fresh and pattern not in self._home:
                # It left while the segment was being compiled.
                segment.patterns[number] = None
                segment.live -= 1
                continue
            self.fresh.pop(pattern, None)
            self._leave(pattern)
            self._home[pattern] = (segment, number)
            taken.append(pattern)
        if segment.live:
            self.segments.append(segment)
        for pattern in build.patterns:
            self.fresh.pop(pattern, None)
        return taken
