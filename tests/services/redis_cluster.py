"""A Redis cluster of one's own: three masters without replicas."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import Any, Final

import redis

from tests.services.guard import Guard
from tests.services.private_redis import PrivateRedis
from tests.services.server_process import ServerFailed, free_ports, wait_until

_NODES: Final = 3


class PrivateCluster:
    """Tests share it: use keys of your own."""

    def __init__(self, guard: Guard) -> None:
        # By default the nodes' own port is 10,000 higher, which may be beyond the last one.
        self._buses = free_ports(_NODES)
        self.nodes = [
            PrivateRedis(
                guard,
                more={
                    "cluster-enabled": ("yes",),
                    "cluster-port": (str(bus),),
                    "cluster-node-timeout": ("2000",),
                },
            )
            for bus in self._buses
        ]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        addresses = [
            f"127.0.0.1:{node.port}@{bus}" for node, bus in zip(self.nodes, self._buses, strict=True)
        ]
        program = shutil.which("redis-cli")
        if program is None:
            raise ServerFailed("redis-cli is not installed: run tests/services/install.sh")
        made = subprocess.run(
            [program, "--cluster", "create", *addresses, "--cluster-replicas", "0", "--cluster-yes"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        if made.returncode:
            raise ServerFailed(f"the cluster was not made: {made.stdout[-500:]!r} {made.stderr[-500:]!r}")
        wait_until(self.serves, 30, "the cluster's agreement")

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    def serves(self) -> bool:
        """Whether all nodes say that all is well."""
        return all(map(self._serves, self.nodes))

    def command(self, node: PrivateRedis, *words: str | int) -> Any:
        """Ask one node."""
        with contextlib.closing(redis.Redis.from_url(node.url)) as client:
            return client.execute_command(*words)

    def node_of(self, key: str) -> PrivateRedis:
        """The node that holds a key."""
        slot = self.command(self.nodes[0], "CLUSTER KEYSLOT", key)
        owners = {self._id(node): node for node in self.nodes}
        for first, last, (_, _, owner, *_), *_ in self._slots():
            if first <= slot <= last:
                return owners[owner.decode()]
        raise ServerFailed(f"no node has the slot {slot}")

    def move_slot(self, key: str) -> PrivateRedis:
        """Move the slot of a key, with all that is in it, to another node, as a resharding does;
        that node."""
        slot = self.command(self.nodes[0], "CLUSTER KEYSLOT", key)
        source = self.node_of(key)
        target = next(node for node in self.nodes if node is not source)
        self.command(target, "CLUSTER SETSLOT", slot, "IMPORTING", self._id(source))
        self.command(source, "CLUSTER SETSLOT", slot, "MIGRATING", self._id(target))
        while keys := self.command(source, "CLUSTER GETKEYSINSLOT", slot, 100):
            self.command(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source, *self.nodes):
            self.command(node, "CLUSTER SETSLOT", slot, "NODE", self._id(target))
        return target

    def _slots(self) -> Any:
        with contextlib.closing(redis.Redis.from_url(self.nodes[0].url)) as client:
            client.response_callbacks.clear()
            return client.execute_command("CLUSTER SLOTS")

    def _id(self, node: PrivateRedis) -> str:
        id: bytes = self.command(node, "CLUSTER MYID")
        return id.decode()

    def _serves(self, node: PrivateRedis) -> bool:
        with contextlib.closing(redis.Redis.from_url(node.url)) as client:
            client.response_callbacks.clear()
            told: bytes = client.execute_command("CLUSTER INFO")
            return b"cluster_state:ok" in told and b"cluster_known_nodes:3" in told
