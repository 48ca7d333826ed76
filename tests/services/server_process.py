"""A server that this test run starts, freezes and kills: one process group, one data folder."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.services.guard import Guard


class ServerFailed(Exception):
    """A server did not start or stop as it should; the message ends with the tail of its log."""


def free_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that were free just now, all different."""
    sockets = []
    try:
        for _ in range(count):
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            sockets.append(sock)
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def wait_until(happened: Callable[[], bool], timeout_secs: float, what: str) -> None:
    """Poll every 50 ms; raises `ServerFailed` naming `what` after the timeout."""
    deadline = time.monotonic() + timeout_secs
    while not happened():
        if time.monotonic() > deadline:
            raise ServerFailed(f"{what} did not happen within {timeout_secs:.0f} s")
        time.sleep(0.05)


class ServerProcess:
    """One process group in a session of its own. `log` takes what it prints."""

    def __init__(self, guard: Guard, args: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self._guard = guard
        self._args = list(args)
        self._env = dict(env)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        assert not self.running
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                self._args,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard.watch_group(self._process.pid)

    def terminate(self, timeout_secs: float = 60) -> None:
        """SIGTERM to the first process, then wait; kill -9 if it stays."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_secs)
        self.kill9()

    def kill9(self) -> None:
        """SIGKILL to the whole group, and wait until it is gone."""
        if self._process is None:
            return
        self.signal_group(signal.SIGKILL)
        self._process.wait(30)
        self._guard.forget_group(self._process.pid)
        self._process = None

    def signal_group(self, number: signal.Signals) -> None:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def log_tail(self) -> str:
        return self._log.read_bytes()[-2000:].decode(errors="replace") if self._log.exists() else ""
