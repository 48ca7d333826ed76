"""Patterns compiled into a database of hyperscan: the only door to it. Works without it, but holds nothing
then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from consumers.filtering.shared_pattern import SharedPattern

try:
    import hyperscan
except ImportError:  # No wheel for this platform: literals alone narrow the patterns down.
    hyperscan = None  # type: ignore[assignment]

AVAILABLE: Final = hyperscan is not None


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
