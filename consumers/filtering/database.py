"""Patterns compiled into a database of hyperscan: the only door to it.

Only Intel's Hyperscan is used, up to 5.4.2. Vectorscan, its successor under the same name (5.4.3 and
later), misses matches when many patterns stand together: of a thousand patterns `Dial.+NNNN`, 5.4.12 did
not find some in ordinary packets, and its issues 317 and 382 tell of others. A prefilter that misses is
worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from consumers.filtering.shared_pattern import SharedPattern

try:
    import hyperscan  # type: ignore[import-untyped]
except ImportError:  # No wheel for this platform or this Python: literals alone narrow the patterns down.
    hyperscan = None

_LATEST_INTEL: Final = (5, 4, 2)


def is_trusted(version: str) -> bool:
    """Whether a library that says this of itself is Intel's, such as `Version: 5.4.2 Features: AVX2 …`."""
    found = re.match(r"Version: (\d+)\.(\d+)\.(\d+)", version)
    return found is not None and tuple(map(int, found.groups())) <= _LATEST_INTEL


def _version() -> str:
    if hyperscan is None:
        return ""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[b"x"], ids=[0], flags=0)
    return str(database.info().decode())


AVAILABLE: Final = is_trusted(_version())


class Database:
    """A scanner of `Tier`: one scan finds all patterns that stand in a text, each once."""

    def __init__(self, compiled: Any) -> None:
        self._scan = compiled.scan

    def scan(self, text: str, data: bytes | None) -> Sequence[int] | None:
        if data is None:
            return None
        numbers: list[int] = []
        try:
            self._scan(data, _note, context=numbers)
        except hyperscan.error:
            return None
        return numbers


def _note(number: int, start: int, end: int, flags: int, numbers: list[int]) -> None:
    numbers.append(number)


def compile_database(patterns: Sequence[SharedPattern]) -> tuple[Database, Sequence[SharedPattern]]:
    """The database, and the patterns that it holds, in the order of their numbers.

    Hyperscan names no culprit: where it refuses the whole, each pattern is tried by itself.
    """
    compiled = _compile(patterns)
    if compiled is None:
        patterns = [pattern for pattern in patterns if _compile([pattern]) is not None]
        compiled = _compile(patterns)
        if compiled is None:
            # Each by itself is small enough, but not all together.
            patterns = patterns[: len(patterns) // 2]
            return compile_database(patterns) if patterns else (_Empty(), ())
    return Database(compiled), patterns


class _Empty(Database):
    """A database of nothing, which hyperscan does not make."""

    def __init__(self) -> None:
        pass

    def scan(self, text: str, data: bytes | None) -> Sequence[int] | None:
        return ()


def _compile(patterns: Sequence[SharedPattern]) -> Any:
    """The compiled database; None where hyperscan refuses."""
    if not patterns:
        return None
    flags = (
        hyperscan.HS_FLAG_DOTALL
        | hyperscan.HS_FLAG_UTF8
        | hyperscan.HS_FLAG_SINGLEMATCH
        | hyperscan.HS_FLAG_ALLOWEMPTY
    )
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=[pattern.form.expression.encode("ascii") for pattern in patterns],
            ids=list(range(len(patterns))),
            flags=flags,
        )
        database.scratch = hyperscan.Scratch(database)
    except hyperscan.error:
        return None
    return database
