"""Each contract test runs once for each kind of command queue."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from publisher.adapters.embedded_commands import EmbeddedCommands
from tests.command_contract.harness import BreakableHarness, Harness
from tests.command_contract.in_memory import InMemoryHarness
from tests.command_contract.redis import EmbeddedHarness, OwnRedisHarness, RedisHarness
from tests.services.guard import Guard
from tests.services.private_redis import PrivateRedis
from tests.services.redis_cluster import PrivateCluster
from tests.services.redis_doors import CLIENT, COLLECTOR, RedisWithDoors
from tests.services.redis_sentinel import PrivateSentinel

Request = pytest.FixtureRequest


def _need_redis() -> None:
    """These kinds are made of processes, also where a Docker engine gives the ordinary servers."""
    if shutil.which("redis-server") is None or shutil.which("redis-cli") is None:
        pytest.skip("needs redis-server and redis-cli on this machine: run tests/services/install.sh")


@pytest.fixture(scope="session")
def redis_doors(guard: Guard) -> Iterator[RedisWithDoors]:
    """The run's Redis with passwords, users, TLS and a socket. Tests share it: use a PBX of your own."""
    _need_redis()
    server = RedisWithDoors(guard)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def redis_cluster(guard: Guard) -> Iterator[PrivateCluster]:
    """The run's cluster. Tests share it: use a PBX of your own, and leave every slot with a node."""
    _need_redis()
    cluster = PrivateCluster(guard)
    cluster.start()
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def redis_sentinel(guard: Guard) -> Iterator[PrivateSentinel]:
    """The run's sentinel with its two servers. Tests share it: use a PBX of your own."""
    _need_redis()
    sentinel = PrivateSentinel(guard)
    sentinel.start()
    yield sentinel
    sentinel.close()


async def fake(_request: Request, _folder: Path) -> Harness:
    return InMemoryHarness()


async def embedded(_request: Request, _folder: Path) -> Harness:
    server = EmbeddedCommands()
    return EmbeddedHarness("embedded", "redis://embedded", server, server.client)


async def door(_request: Request, folder: Path) -> Harness:
    server = EmbeddedCommands()
    path = await server.open_door(folder)
    return EmbeddedHarness("door", f"unix://{path}", server, None)


async def single(request: Request, _folder: Path) -> Harness:
    return RedisHarness("single", request.getfixturevalue("redis_server").url)


async def users(request: Request, _folder: Path) -> Harness:
    """Collector and client each with the least rights."""
    server: RedisWithDoors = request.getfixturevalue("redis_doors")
    return RedisHarness(
        "users",
        server.user_url(COLLECTOR),
        client_url=server.user_url(CLIENT),
        admin_url=server.password_url,
    )


async def tls(request: Request, _folder: Path) -> Harness:
    server: RedisWithDoors = request.getfixturevalue("redis_doors")
    return RedisHarness("tls", server.tls_url, ca_file=server.certificates.authority)


async def socket(request: Request, _folder: Path) -> Harness:
    server: RedisWithDoors = request.getfixturevalue("redis_doors")
    return RedisHarness("socket", server.socket_url)


async def cluster(request: Request, _folder: Path) -> Harness:
    server: PrivateCluster = request.getfixturevalue("redis_cluster")
    return RedisHarness("cluster", server.url)


async def sentinel(request: Request, _folder: Path) -> Harness:
    server: PrivateSentinel = request.getfixturevalue("redis_sentinel")
    return RedisHarness("sentinel", server.url)


async def own(request: Request, _folder: Path) -> BreakableHarness:
    server = request.getfixturevalue("own_redis")
    if not isinstance(server, PrivateRedis):
        pytest.skip("needs the files of the server")
    return OwnRedisHarness(server)


async def breakable_fake(_request: Request, _folder: Path) -> BreakableHarness:
    return InMemoryHarness()


# A maker gets the request, for fixtures such as the run's Redis, and a folder of its own.
KINDS: dict[str, Callable[[Request, Path], Awaitable[Harness]]] = {
    made.__name__: made for made in (fake, embedded, door, single, users, tls, socket, cluster, sentinel)
}
REAL = ("single", "users", "tls", "socket", "cluster", "sentinel")


@pytest.fixture(params=list(KINDS))
async def place(request: Request, tmp_path: Path) -> AsyncIterator[Harness]:
    """A queue of each kind, empty."""
    made = await KINDS[request.param](request, tmp_path)
    yield made
    await made.close()


@pytest.fixture(params=[breakable_fake, own], ids=["fake", "own"])
async def breakable(request: Request, tmp_path: Path) -> AsyncIterator[BreakableHarness]:
    """A queue on a server that the test may restart, empty."""
    made: BreakableHarness = await request.param(request, tmp_path)
    yield made
    await made.close()
