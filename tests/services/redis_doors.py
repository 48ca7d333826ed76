"""One Redis with every kind of door: passwords, users with few rights, TLS, a Unix socket."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import redis

from tests.services.certificates import Certificates, make_certificates
from tests.services.guard import Guard
from tests.services.private_redis import PrivateRedis
from tests.services.server_process import free_ports

PASSWORD: Final = "fake-password-of-a-test"
KEYS: Final = "~amibus:*"
# What each side runs, by itself and in its scripts; nothing of it can be left out (see
# tests/command_contract/test_rights.py).
COLLECTOR_RIGHTS: Final = (
    "+evalsha +eval +info +time +hget +hmget +hset +hincrby +pexpire "
    "+xadd +xdel +xrange +xrevrange +xread +zadd +zcard +zrange +zrem"
)
CLIENT_RIGHTS: Final = (
    "+evalsha +eval +time +hget +hgetall +hmget +hset +pexpire "
    "+xadd +xdel +xlen +xrange +xrevrange +xread +zrange +zrem"
)
# What the driver asks a cluster of before it can find the keys' node.
CLUSTER_RIGHTS: Final = "+command +cluster|slots"
COLLECTOR: Final = "collector"
CLIENT: Final = "client"


class RedisWithDoors:
    """A `PrivateRedis` whose default user has a password, with the two users of least rights beside it."""

    def __init__(self, guard: Guard) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="amibus-doors-"))
        guard.watch_folder(self._folder)
        (self.tls_port,) = free_ports(1)
        self.certificates: Certificates = make_certificates(self._folder)
        self.socket = self._folder / "redis.sock"
        settings = {
            "requirepass": (PASSWORD,),
            "tls-port": (str(self.tls_port),),
            "tls-cert-file": (str(self.certificates.certificate),),
            "tls-key-file": (str(self.certificates.key),),
            "tls-ca-cert-file": (str(self.certificates.authority),),
            "tls-auth-clients": ("no",),
            "unixsocket": (str(self.socket),),
        }
        self.server = PrivateRedis(guard, more=settings)

    def start(self) -> None:
        self.server.start()
        self.give_rights()

    def give_rights(self) -> None:
        """Make the two users, or make them again as they were."""
        for user, rights in ((COLLECTOR, COLLECTOR_RIGHTS), (CLIENT, CLIENT_RIGHTS)):
            self.admin("ACL", "SETUSER", user, "reset", "on", f">{PASSWORD}", KEYS, *rights.split())

    def close(self) -> None:
        self.server.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def admin(self, *words: str | int) -> Any:
        """Run a command as the default user."""
        with contextlib.closing(redis.Redis.from_url(self.password_url)) as client:
            return client.execute_command(*words)

    @property
    def password_url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.server.port}/0"

    @property
    def tls_url(self) -> str:
        return f"rediss://:{PASSWORD}@127.0.0.1:{self.tls_port}/0"

    @property
    def socket_url(self) -> str:
        return f"unix://:{PASSWORD}@{self.socket}"

    def user_url(self, user: str) -> str:
        return f"redis://{user}:{PASSWORD}@127.0.0.1:{self.server.port}/0"
