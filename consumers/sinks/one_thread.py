"""A thread that does one sink's blocking work, one piece after another.

A piece that nobody waits for any more is not begun; one that has begun is finished, and what comes next waits
for it. So a cancelled `take` leaves no half-written file to the next one.

Bounds: what waits is what the callers of `run` wait for. The thread holds up nobody's exit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class OneThread:
    """It begins with the first piece of work, and ends with `end`; then it can begin again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: dict[Future[Any], Callable[[], Any]] = {}
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = False

    async def run(self, work: Callable[[], T]) -> T:
        """Do it in the thread, when its turn comes."""
        future: Future[T] = Future()
        with self._news:
            self._waiting[future] = work
            self._ending = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
            self._news.notify()
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            with self._news:
                self._waiting.pop(future, None)
            raise

    def end(self) -> None:
        """End when what is there is done."""
        with self._news:
            self._ending = True
            self._news.notify()

    def _serve(self) -> None:
        while True:
            with self._news:
                while not self._waiting:
                    if self._ending:
                        self._thread = None
                        return
                    self._news.wait()
                future = next(iter(self._waiting))
                work = self._waiting.pop(future)
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:  # Whoever waits for it gets it.
                future.set_exception(error)
            else:
                future.set_result(result)
            # What was done is not held until the next comes.
            del future, work
