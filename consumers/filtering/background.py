"""Threads whose work can wait: they take the processor only when nobody else wants it."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

_NICENESS: Final = 15


def background_thread(name: str) -> ThreadPoolExecutor:
    """A pool of one thread, which starts with the first work that it is given."""
    return ThreadPoolExecutor(1, name, initializer=_step_back)


def _step_back() -> None:
    # On Linux a thread has a niceness of its own; elsewhere this would change the whole process.
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
