"""A PostgreSQL of one's own: a free port, a data folder, one user.

The server refuses to run as root; then it runs as `postgres`, the user that Debian's package makes.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.services.guard import Guard
from tests.services.server_process import ServerFailed, ServerProcess, free_ports, wait_until

_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


def programs_folder() -> Path | None:
    """Where initdb and postgres stand, or None when PostgreSQL is not installed."""
    for place in _PLACES:
        for folder in sorted(glob.glob(place), reverse=True):
            if os.access(Path(folder, "postgres"), os.X_OK) and os.access(Path(folder, "initdb"), os.X_OK):
                return Path(folder)
    found = shutil.which("initdb")
    return Path(found).parent if found and shutil.which("postgres") else None


class PrivatePostgresql:
    """A server that can be stopped, killed and frozen. `user` is its administrator."""

    host = "127.0.0.1"
    user = "amibus"
    password = "fake-password-of-a-test"
    database = "amibus"

    def __init__(self, guard: Guard, settings: Mapping[str, str] | None = None) -> None:
        folder = programs_folder()
        if folder is None:
            raise ServerFailed("postgresql is not installed: run tests/services/install.sh")
        self._programs = folder
        self.folder = Path(tempfile.mkdtemp(prefix="amibus-postgresql-"))
        guard.watch_folder(self.folder)
        self._as = []
        if os.geteuid() == 0:
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(self.folder, "postgres", "postgres")
        (self.port,) = free_ports(1)
        self._data = self.folder / "data"
        self._initialise()
        chosen = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            # The machine does not lose its power in a test; kill -9 of the server loses nothing all the same.
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "50",
            "autovacuum": "off",
            **(settings or {}),
        }
        words = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        command = [*self._as, str(folder / "postgres"), "-D", str(self._data), *words]
        self._server = ServerProcess(guard, command, env, self.folder / "output.log")

    def _initialise(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self._as:
            shutil.chown(secret, "postgres")
        command = [*self._as, str(self._programs / "initdb"), "-D", str(self._data), "-U", self.user]
        made = subprocess.run(
            [*command, "--auth=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        if made.returncode:
            raise ServerFailed(f"initdb: {made.stderr[-2000:]}")

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    def start(self) -> None:
        self._server.start()
        self.wait_ready()
        self.psql(
            f"SELECT 'CREATE DATABASE {self.database}' WHERE NOT EXISTS (SELECT FROM pg_database"
            f" WHERE datname = '{self.database}') \\gexec",
            database="postgres",
        )

    def stop(self) -> None:
        """An orderly stop that ends its clients; the data stay."""
        self._server.signal_group(signal.SIGINT)
        self._server.terminate()

    def kill9(self) -> None:
        children = self._children()
        self._server.kill9()
        for child in children:
            _signal(child, signal.SIGKILL)
        # The next start refuses while one of them still holds the shared memory.
        wait_until(lambda: not any(map(_is_there, children)), 30, "the end of PostgreSQL's processes")

    def sigstop(self) -> None:
        for process in (self._server.pid, *self._children()):
            _signal(process, signal.SIGSTOP)

    def sigcont(self) -> None:
        for process in (self._server.pid, *self._children()):
            _signal(process, signal.SIGCONT)

    @property
    def running(self) -> bool:
        return self._server.running

    def wait_ready(self) -> None:
        """Return when it takes connections."""
        wait_until(self._takes_connections, 60, f"an answer of PostgreSQL on port {self.port}")

    def psql(self, statement: str, database: str = "") -> str:
        """Run a statement as the administrator; what it prints, a row a line, columns split by `|`."""
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PGPASSWORD": self.password}
        command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.host, "-p", str(self.port)]
        done = subprocess.run(
            [*command, "-U", self.user, "-d", database or self.database],
            env=env,
            input=statement,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise ServerFailed(f"psql: {done.stderr}")
        return done.stdout.strip("\n")

    def close(self) -> None:
        self.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _children(self) -> list[int]:
        """Its processes: each makes a session of its own, so the group's signals do not reach them."""
        if not self._server.running:
            return []
        asked = ["ps", "-o", "pid=", "--ppid", str(self._server.pid)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        return [int(word) for word in done.stdout.split()]

    def _takes_connections(self) -> bool:
        if not self._server.running:
            raise ServerFailed(f"PostgreSQL ended: {self._server.log_tail()}")
        asked = [str(self._programs / "pg_isready"), "-q", "-h", self.host, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _is_there(process: int) -> bool:
    """Whether it is still at work; one that only waits to be looked after is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
