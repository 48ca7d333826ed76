"""A Redis server of one's own: a free port and a data folder that goes away with it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.guard import Guard
from tests.services.server_process import ServerFailed, ServerProcess, free_ports, wait_until


class PrivateRedis:
    """A Redis of one's own, with an append-only file that by default every write reaches."""

    host = "127.0.0.1"

    def __init__(
        self, guard: Guard, appendfsync: str = "always", more: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """`more` are further settings, each with its words."""
        program = shutil.which("redis-server")
        if program is None:
            raise ServerFailed("redis-server is not installed: run tests/services/install.sh")
        self.folder = Path(tempfile.mkdtemp(prefix="amibus-redis-"))
        guard.watch_folder(self.folder)
        (self.port,) = free_ports(1)
        settings = {
            "port": str(self.port),
            "bind": self.host,
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": appendfsync,
            "save": "",
            "daemonize": "no",
            "enable-debug-command": "yes",
        }
        args = [program, *(word for key, value in settings.items() for word in (f"--{key}", value))]
        args += [word for key, values in (more or {}).items() for word in (f"--{key}", *values)]
        self._server = ServerProcess(guard, args, dict(os.environ), self.folder / "output.log")

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def start(self) -> None:
        self._server.start()
        self.wait_ready()

    def stop(self) -> None:
        self._server.terminate()

    def kill9(self) -> None:
        self._server.kill9()

    def copy_data(self) -> Path:
        """A copy of the data as they are on the disk now, for `roll_back`."""
        copy = Path(tempfile.mkdtemp(prefix="copy-", dir=self.folder))
        shutil.copytree(self.folder / "appendonlydir", copy / "appendonlydir")
        return copy

    def roll_back(self, copy: Path) -> None:
        """Put an older copy in the place of the data of a server that does not run."""
        assert not self.running
        shutil.rmtree(self.folder / "appendonlydir")
        shutil.copytree(copy / "appendonlydir", self.folder / "appendonlydir")

    def sigstop(self) -> None:
        self._server.signal_group(signal.SIGSTOP)

    def sigcont(self) -> None:
        self._server.signal_group(signal.SIGCONT)

    @property
    def running(self) -> bool:
        return self._server.running

    def wait_ready(self) -> None:
        """Return when the server answers PING."""
        wait_until(self._answers, 30, f"an answer of Redis on port {self.port}")

    def close(self) -> None:
        self._server.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=2) as sock:
                sock.sendall(b"PING\r\n")
                # One that wants a password first says so as soon as it serves.
                return sock.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
