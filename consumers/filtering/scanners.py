"""With what patterns are looked for together on this machine."""

from __future__ import annotations

from typing import Final

from consumers.filtering import database
from consumers.filtering.database import compile_database
from consumers.filtering.literal_scanner import compile_literals
from consumers.filtering.pattern_index import PatternIndex
from consumers.filtering.tier import Tier

# A thousand compile in a second, ten thousand at once in two minutes: so they stand in several databases.
MOST_IN_A_DATABASE: Final = 1_000
MOST_CHARACTERS: Final = 60_000
MOST_LITERALS: Final = 20_000


def with_databases() -> bool:
    """Whether hyperscan is there."""
    return database.AVAILABLE


def new_pattern_index(databases: bool) -> PatternIndex:
    """An empty index of patterns, with hyperscan's databases or without."""
    return PatternIndex(
        Tier(compile_database, MOST_IN_A_DATABASE, MOST_CHARACTERS, exact=True) if databases else None,
        Tier(compile_literals, MOST_LITERALS, MOST_CHARACTERS * MOST_LITERALS),
    )
