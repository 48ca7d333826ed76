"""A RabbitMQ node of one's own: free ports, its own data, cookie, plugins file and port mapper.

Nothing is shared with a RabbitMQ that the machine may run already: the node has its own epmd on its own
port, its own home (Erlang's cookie), and reads no file under /etc/rabbitmq. The scripts under
/usr/lib/rabbitmq/bin are called directly, because the wrapper in /usr/sbin switches the user.
"""

from __future__ import annotations

import glob
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.services.guard import Guard
from tests.services.server_process import ServerFailed, ServerProcess, free_ports

_PLACES = (
    "/usr/lib/rabbitmq/bin",
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
)
_START_SECS = 120.0
_numbers = itertools.count(1)


def scripts_folder() -> Path | None:
    """Where rabbitmq-server and rabbitmqctl stand, or None when RabbitMQ is not installed."""
    for place in _PLACES:
        for folder in sorted(glob.glob(place), reverse=True):
            if os.access(Path(folder, "rabbitmq-server"), os.X_OK) and shutil.which("epmd"):
                return Path(folder)
    return None


class PrivateRabbitmq:
    """A node that can be stopped, killed, frozen and commanded. `user`/`password` may do everything."""

    user = "guest"
    password = "guest"
    host = "127.0.0.1"

    def __init__(self, guard: Guard) -> None:
        folder = scripts_folder()
        if folder is None:
            raise ServerFailed("rabbitmq-server is not installed: run tests/services/install.sh")
        self._scripts = folder
        self.folder = Path(tempfile.mkdtemp(prefix="amibus-rabbitmq-"))
        guard.watch_folder(self.folder)
        self.port, dist_port, epmd_port = free_ports(3)
        home = self.folder / "home"
        home.mkdir()
        (self.folder / "enabled_plugins").write_text("[rabbitmq_consistent_hash_exchange].\n")
        (self.folder / "env.conf").write_text("")
        (self.folder / "rabbitmq.conf").write_text(
            "loopback_users = none\n"
            "log.file.level = warning\n"
            "disk_free_limit.absolute = 10MB\n"
            "collect_statistics_interval = 5000\n"
        )
        self._env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_CRASH_DUMP": str(self.folder / "erl_crash.dump"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"amibus{os.getpid()}n{next(_numbers)}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            # The VM then replaces the script: signals reach the broker itself.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
        }
        log = self.folder / "output.log"
        self._epmd = ServerProcess(
            guard, ["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"], self._env, log
        )
        self._node = ServerProcess(guard, [str(folder / "rabbitmq-server")], self._env, log)

    @property
    def amqp_url(self) -> str:
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}/"

    def start(self) -> None:
        """Start the node on the data it has, and wait until it takes connections."""
        if not self._epmd.running:
            self._epmd.start()
        self._node.start()
        self.wait_ready()

    def stop(self) -> None:
        """An orderly stop; the data stay."""
        self._node.terminate()

    def kill9(self) -> None:
        self._node.kill9()

    def sigstop(self) -> None:
        self._node.signal_group(signal.SIGSTOP)

    def sigcont(self) -> None:
        self._node.signal_group(signal.SIGCONT)

    @property
    def running(self) -> bool:
        return self._node.running

    def wait_ready(self) -> None:
        """Return when the broker answers an AMQP greeting."""
        deadline = time.monotonic() + _START_SECS
        while not self._greets():
            if not self._node.running or time.monotonic() > deadline:
                raise ServerFailed(f"RabbitMQ did not start: {self._node.log_tail()}")
            time.sleep(0.1)

    def rabbitmqctl(self, *args: str) -> str:
        """Run `rabbitmqctl -q <args>` on this node and return what it prints."""
        done = subprocess.run(
            [str(self._scripts / "rabbitmqctl"), "-q", *args],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        if done.returncode:
            raise ServerFailed(f"rabbitmqctl {args[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def close(self) -> None:
        self._node.kill9()
        self._epmd.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=2) as sock:
                sock.settimeout(2)
                sock.sendall(b"AMQP\x00\x00\x09\x01")
                return sock.recv(1) == b"\x01"
        except OSError:
            return False
