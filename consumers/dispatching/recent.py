"""Ids of events that a binding's sink took lately: a bounded window."""

from __future__ import annotations

from typing import Final

KEPT: Final = 20_000


class RecentIds:
    """The newest `kept` ids; the oldest give way."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._ids: dict[str, None] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._ids

    def add(self, id: str) -> None:
        ids = self._ids
        ids.pop(id, None)
        ids[id] = None
        if len(ids) > self._kept:
            del ids[next(iter(ids))]
