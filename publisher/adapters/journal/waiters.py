"""Waiting until a number has grown: positions, cursors."""

from __future__ import annotations

import asyncio


class Waiters:
    """Tasks that wait for a number to reach a target. As many as there are tasks; no other bound needed."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def reach(self, target: int) -> None:
        """Return once `rise` is called with the target or more. Raises what `fail` is given."""
        future = asyncio.get_running_loop().create_future()
        entry = (target, future)
        self._waiting.append(entry)
        try:
            await future
        finally:
            # Woken ones are off the list already; this is for the cancelled.
            if entry in self._waiting:
                self._waiting.remove(entry)

    def rise(self, value: int) -> None:
        if not self._waiting:
            return
        still = []
        for target, future in self._waiting:
            if target > value:
                still.append((target, future))
            elif not future.done():
                future.set_result(None)
        self._waiting = still

    def fail(self, error: Exception) -> None:
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(error)
        self._waiting = []

    def __len__(self) -> int:
        return len(self._waiting)
