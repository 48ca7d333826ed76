"""A Redis with a replica and a sentinel that makes one the other's successor."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any, Final

import redis

from tests.services.guard import Guard
from tests.services.private_redis import PrivateRedis
from tests.services.server_process import ServerFailed, ServerProcess, free_ports, wait_until

NAME: Final = "ami-bus-test"
PASSWORD: Final = "fake-password-of-a-test"
_SECRETS: Final = {"requirepass": (PASSWORD,), "masterauth": (PASSWORD,)}


class PrivateSentinel:
    """The two servers want a password, the sentinel does not, as is usual."""

    def __init__(self, guard: Guard) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise ServerFailed("redis-server is not installed: run tests/services/install.sh")
        # A replica that was just a master must not wait for its next turn to be synchronised.
        quick = {"repl-diskless-sync-delay": ("0",), "repl-ping-replica-period": ("1",)}
        self.servers = [PrivateRedis(guard, more={**_SECRETS, **quick}) for _ in range(2)]
        self.folder = Path(tempfile.mkdtemp(prefix="amibus-sentinel-"))
        guard.watch_folder(self.folder)
        (self.port,) = free_ports(1)
        settings = self.folder / "sentinel.conf"
        settings.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {self.servers[0].port} 1\n"
            f"sentinel auth-pass {NAME} {PASSWORD}\n"
            f"sentinel down-after-milliseconds {NAME} 1000\n"
            f"sentinel failover-timeout {NAME} 3000\n"
        )
        args = [program, str(settings), "--sentinel"]
        self._sentinel = ServerProcess(guard, args, dict(os.environ), self.folder / "output.log")

    password = PASSWORD

    @property
    def url(self) -> str:
        return f"redis+sentinel://:{PASSWORD}@127.0.0.1:{self.port}/{NAME}"

    def server_url(self, server: PrivateRedis) -> str:
        """One of the two servers by itself."""
        return f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0"

    def start(self) -> None:
        master, replica = self.servers
        for server in self.servers:
            server.start()
        self.command(replica, "REPLICAOF", "127.0.0.1", master.port)
        self._sentinel.start()
        wait_until(self._answers, 30, f"an answer of the sentinel on port {self.port}")
        self.wait_whole()

    def close(self) -> None:
        self._sentinel.kill9()
        for server in self.servers:
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, server: PrivateRedis, *words: str | int) -> Any:
        """Ask one of the two servers."""
        with contextlib.closing(redis.Redis(port=server.port, password=PASSWORD)) as client:
            return client.execute_command(*words)

    def ask(self, *words: str, password: str | None = None) -> Any:
        """Ask the sentinel."""
        with contextlib.closing(redis.Redis(port=self.port, password=password, protocol=2)) as client:
            client.response_callbacks.clear()
            return client.execute_command(*words)

    @property
    def master(self) -> PrivateRedis:
        """The server that the sentinel names."""
        _, port = self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return next(server for server in self.servers if server.port == int(port))

    @property
    def replica(self) -> PrivateRedis:
        master = self.master
        return next(server for server in self.servers if server is not master)

    def fail_over(self) -> None:
        """Have the replica made the master, with all that it has got by then."""
        before = self.master
        self.ask("SENTINEL", "FAILOVER", NAME)
        wait_until(lambda: self.master is not before, 30, "the failover")
        # The sentinel does this too, ten seconds later.
        self.command(before, "REPLICAOF", "127.0.0.1", self.master.port)

    def wait_whole(self) -> None:
        """Return when the replica has all that the master has, and the sentinel knows it."""
        wait_until(self._is_whole, 30, "the replica's being there")

    def _is_whole(self) -> bool:
        try:
            master = self.master
            known = self.ask("SENTINEL", "REPLICAS", NAME)
            replication = self.command(master, "INFO", "replication")
            here = self.command(self.replica, "INFO", "replication")
        except (redis.RedisError, OSError):
            return False
        flags = [dict(zip(one[::2], one[1::2], strict=True))[b"flags"] for one in known]
        return (
            flags == [b"slave"]
            and replication["role"] == "master"
            and replication["connected_slaves"] == 1
            and here["role"] == "slave"
            and here["master_link_status"] == "up"
            and here["slave_repl_offset"] == replication["master_repl_offset"]
        )

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as sock:
                sock.sendall(b"PING\r\n")
                return sock.recv(16).startswith(b"+PONG")
        except OSError:
            return False
