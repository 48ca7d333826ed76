"""What stands in the way is told in one sentence that an operator can act on, and that holds no secret."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from consumers import errors as consumers_errors
from consumers.commands import CommandClient, Patience
from publisher import errors
from publisher.adapters.redis_commands.driver import RedisLink, RedisSettings, client_maker
from publisher.adapters.redis_commands.queue import QueueSettings, RedisCommandQueue
from publisher.commanding.entries import Memory
from schemas.redis_url import RedisUrl
from tests.command_contract.harness import new_pbx
from tests.services.choice import RedisServer
from tests.services.private_redis import PrivateRedis
from tests.services.redis_cluster import PrivateCluster
from tests.services.redis_doors import CLIENT, PASSWORD, RedisWithDoors
from tests.services.redis_sentinel import NAME, PrivateSentinel
from tests.services.server_process import free_ports, wait_until

WRONG = "fake-wrong-password"
SECRETS = (PASSWORD, WRONG)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def told(url: str, *, ca_file: Path | None = None, timeout_secs: float = 5.0) -> tuple[str, str]:
    """The kind of error, and the sentence, that a collector hears; a client hears the same."""
    sentences = []
    for attempt in (collects, sends):
        with pytest.raises((errors.CommandQueueError, consumers_errors.ConsumerError)) as caught:
            await attempt(url, ca_file, timeout_secs)
        sentences.append((type(caught.value).__name__, str(caught.value)))
        assert not any(secret in str(caught.value) for secret in SECRETS)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200
    assert sentences[0] == sentences[1]
    return sentences[0]


async def collects(url: str, ca_file: Path | None, timeout_secs: float) -> None:
    parsed = RedisUrl.parse(url)
    link = RedisLink(parsed, client_maker(RedisSettings(parsed, timeout_secs, ca_file=ca_file)), timeout_secs)
    try:
        await RedisCommandQueue(link, new_pbx(), "owner", QueueSettings()).take(Memory())
    finally:
        await link.close()


async def sends(url: str, ca_file: Path | None, timeout_secs: float) -> None:
    quick = Patience(tries=2, retry_secs=0.01)
    async with CommandClient.connect(
        url, client="crm", token=WRONG, timeout_secs=timeout_secs, ca_file=ca_file, patience=quick
    ) as client:
        await client.send(new_pbx(), "Ping")


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[int]:
    """Something that listens and is no Redis."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def says_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    writer.close()


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_a_wrong_password(redis_doors: RedisWithDoors, redis_cluster: PrivateCluster) -> None:
    port = redis_doors.server.port
    for login in (f":{WRONG}@", f"nobody:{WRONG}@", f"{CLIENT}:{WRONG}@", ""):
        shown = f"redis://{login.partition(':')[0]}@" if login.startswith(("no", CLIENT)) else "redis://"
        kind, sentence = await told(f"redis://{login}127.0.0.1:{port}")
        assert kind == "QueueRefused"
        assert sentence == f"{shown}127.0.0.1:{port} refused the login: check user and password"
    kind, sentence = await told(f"redis+cluster://:{WRONG}@127.0.0.1:{port}")
    assert (kind, "check user and password" in sentence) == ("QueueRefused", True)


async def test_a_missing_right(redis_doors: RedisWithDoors) -> None:
    # A right that both need, of the script's user, of the caller, and the right to the keys.
    for words in (("-hmget",), ("-evalsha",), ("resetkeys", "~other:*")):
        redis_doors.admin("ACL", "SETUSER", CLIENT, *words)
        try:
            kind, sentence = await told(redis_doors.user_url(CLIENT))
        finally:
            redis_doors.give_rights()
        assert kind == "QueueRefused"
        assert "does not allow what the queue needs: give the user ~amibus:*" in sentence


async def test_what_is_no_redis() -> None:
    async with serving(says_http) as port:
        kind, sentence = await told(f"redis://127.0.0.1:{port}")
        assert kind == "QueueUnreachable"
        assert sentence.endswith("what listens there does not speak Redis's protocol")
        kind, sentence = await told(f"rediss://127.0.0.1:{port}")
        assert kind == "QueueUnreachable"
        assert "does not speak TLS there" in sentence
    async with serving(says_nothing) as port:
        assert await told(f"redis://127.0.0.1:{port}", timeout_secs=0.2) == (
            "QueueUnreachable",
            f"redis://127.0.0.1:{port} gave no answer within 0.2 s",
        )
    async with serving(hangs_up) as port:
        kind, sentence = await told(f"redis://127.0.0.1:{port}")
        assert (kind, "127.0.0.1" in sentence) == ("QueueUnreachable", True)
    (port,) = free_ports(1)
    for scheme, path in (("redis", ""), ("rediss", ""), ("redis+cluster", "")):
        kind, sentence = await told(f"{scheme}://127.0.0.1:{port}{path}")
        assert (kind, sentence.endswith(": nothing listens there")) == ("QueueUnreachable", True)
    kind, sentence = await told(f"redis+sentinel://127.0.0.1:{port}/{NAME}")
    assert (kind, sentence.endswith("none of the sentinels answers")) == ("QueueUnreachable", True)


async def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    kind, sentence = await told(f"unix://{tmp_path}/none.sock")
    assert kind == "QueueUnreachable"
    assert sentence.endswith("none.sock: No such file or directory")


async def test_tls_where_there_is_none_and_the_reverse(redis_doors: RedisWithDoors) -> None:
    plain, secure = redis_doors.server.port, redis_doors.tls_port
    kind, sentence = await told(f"rediss://:{PASSWORD}@127.0.0.1:{plain}", timeout_secs=0.3)
    assert (kind, sentence.endswith("perhaps it does not speak TLS there")) == ("QueueUnreachable", True)
    kind, sentence = await told(f"redis://:{PASSWORD}@127.0.0.1:{secure}")
    assert kind == "QueueUnreachable"
    assert sentence.endswith("if it wants TLS, the URL must begin with rediss://")


async def test_a_certificate_that_nobody_vouches_for(redis_doors: RedisWithDoors) -> None:
    kind, sentence = await told(redis_doors.tls_url)
    assert kind == "QueueUnreachable"
    assert "its certificate was not accepted: self-signed certificate" in sentence


async def test_memory_that_is_full(redis_doors: RedisWithDoors) -> None:
    redis_doors.admin("CONFIG", "SET", "maxmemory", 1_000_000)
    try:
        kind, sentence = await told(redis_doors.password_url)
    finally:
        redis_doors.admin("CONFIG", "SET", "maxmemory", 0)
    assert (kind, sentence.endswith("is out of memory: raise maxmemory")) == ("QueueRefused", True)


async def test_a_replica(redis_sentinel: PrivateSentinel) -> None:
    kind, sentence = await told(redis_sentinel.server_url(redis_sentinel.replica))
    assert (kind, "is a replica now" in sentence) == ("QueueUnreachable", True)


async def test_a_master_without_enough_replicas(redis_doors: RedisWithDoors) -> None:
    redis_doors.admin("CONFIG", "SET", "min-replicas-to-write", 1)
    try:
        kind, sentence = await told(redis_doors.password_url)
    finally:
        redis_doors.admin("CONFIG", "SET", "min-replicas-to-write", 0)
    assert (kind, "too few replicas" in sentence) == ("QueueUnreachable", True)


async def test_data_that_cannot_be_saved(own_redis: RedisServer) -> None:
    if not isinstance(own_redis, PrivateRedis):
        pytest.skip("needs the files of the server")
    # Where the file should go there is a folder, so that saving fails and Redis takes no more writes.
    (own_redis.folder / "dump.rdb").mkdir()
    with contextlib.closing(redis.Redis.from_url(own_redis.url)) as client:
        client.config_set("save", "3600 1")
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 20, "the failure")
    kind, sentence = await told(own_redis.url)
    assert (kind, "cannot save its data to disk" in sentence) == ("QueueRefused", True)


async def test_a_url_of_the_wrong_kind(
    redis_doors: RedisWithDoors, redis_cluster: PrivateCluster, redis_sentinel: PrivateSentinel
) -> None:
    kind, sentence = await told(f"{redis_doors.password_url[:-1]}99")
    assert (kind, "no database of that number" in sentence) == ("QueueRefused", True)
    at = redis_doors.password_url.removeprefix("redis").removesuffix("/0")
    kind, sentence = await told(f"redis+cluster{at}")
    assert (kind, "is no cluster" in sentence) == ("QueueRefused", True)
    kind, sentence = await told(f"redis+sentinel{at}/{NAME}")
    assert (kind, "is no sentinel" in sentence) == ("QueueRefused", True)
    kind, sentence = await told(f"redis+sentinel://127.0.0.1:{redis_sentinel.port}/nobody")
    assert (kind, "no master that the sentinels know" in sentence) == ("QueueUnreachable", True)


async def test_one_node_of_a_cluster_is_not_all_of_it(redis_cluster: PrivateCluster) -> None:
    refused = []
    for node in redis_cluster.nodes:
        try:
            await collects_main(node.url)
        except errors.QueueRefused as error:
            refused.append(str(error))
    assert len(refused) == 2
    assert all("the URL must begin with redis+cluster://" in sentence for sentence in refused)


async def collects_main(url: str) -> None:
    parsed = RedisUrl.parse(url)
    link = RedisLink(parsed, client_maker(RedisSettings(parsed)), 5)
    try:
        await RedisCommandQueue(link, "main", "owner", QueueSettings()).take(Memory())
    finally:
        await link.close()


async def test_sentinels_that_want_a_password(redis_sentinel: PrivateSentinel) -> None:
    redis_sentinel.ask("ACL", "SETUSER", "default", "resetpass", f">{PASSWORD}")
    try:
        await collects(redis_sentinel.url, None, 5)
        kind, sentence = await told(redis_sentinel.url.replace(PASSWORD, WRONG))
        assert (kind, "the sentinels refused the login" in sentence) == ("QueueRefused", True)
        assert (await told(f"redis+sentinel://127.0.0.1:{redis_sentinel.port}/{NAME}"))[0] == "QueueRefused"
    finally:
        redis_sentinel.ask("ACL", "SETUSER", "default", "nopass", password=PASSWORD)
