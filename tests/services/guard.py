"""Ends the servers of a test run, whatever ends the run itself.

The guard is a small process of its own that holds the reading end of a pipe. The run writes a line for
each process group and each folder that it makes; when the run goes away (end, Ctrl-C, kill -9) the pipe
closes, and the guard kills the groups and removes the folders. A group that ended properly is taken off
the list first, so that a number used again by the system is never hit.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO


class Guard:
    """The run's side of the pipe. One instance a run; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # A session of its own: Ctrl-C on the terminal reaches the run, not the guard.
        self._process = subprocess.Popen(
            [sys.executable, "-S", str(Path(__file__))], stdin=subprocess.PIPE, start_new_session=True
        )

    def watch_group(self, pgid: int) -> None:
        self._tell(f"group {pgid}")

    def forget_group(self, pgid: int) -> None:
        self._tell(f"forget {pgid}")

    def watch_folder(self, folder: Path) -> None:
        self._tell(f"folder {folder}")

    def close(self) -> None:
        """Let the guard clean up, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _tell(self, line: str) -> None:
        stream: IO[bytes] | None = self._process.stdin
        assert stream is not None
        with self._lock:
            stream.write(line.encode() + b"\n")
            stream.flush()


def main() -> None:
    groups: set[int] = set()
    folders: list[str] = []
    for line in sys.stdin:
        verb, _, value = line.rstrip("\n").partition(" ")
        if verb == "group":
            groups.add(int(value))
        elif verb == "forget":
            groups.discard(int(value))
        elif verb == "folder":
            folders.append(value)
    for pgid in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pgid, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
