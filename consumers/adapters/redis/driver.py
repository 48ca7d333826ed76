"""The one door to the Redis driver: clients of each kind of server, the contract's scripts, errors as ours.

The driver's own retries are off: a write whose answer got lost would be made again by it, unasked. A call is
finished even if its caller is cancelled, so that nobody finds another's answer on the connection. Waiting for
news has a client of its own, whose patience is longer than the wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from consumers.errors import ConsumerError, QueueRefused, QueueUnreachable
from schemas.broker_words import Kind
from schemas.command_queue import CLIENT_SCRIPTS, client_script
from schemas.network_words import root_cause
from schemas.redis_url import RedisUrl
from schemas.redis_words import redis_verdict

# RuntimeError: a connection that was closed while it was being used, as uvloop says it.
_ERRORS: Final = (RedisError, RedisClusterException, OSError, TimeoutError, RuntimeError)
_CLOSE_SECS: Final = 1.0
_AGAIN_SECS: Final = 0.05
_CONNECTIONS: Final = 8
_sentinels: Final[Callable[..., Any]] = Sentinel

MakeClient = Callable[[float], Any]
"""Makes a client whose answers may take so many seconds."""


def client_maker(url: RedisUrl, timeout_secs: float, verify: bool, ca_file: Path | None) -> MakeClient:
    """Clients for this server. Nothing is connected yet."""

    def make(answer_secs: float) -> Any:
        options: dict[str, Any] = {"username": url.user or None, "password": url.password or None}
        options |= {"socket_timeout": answer_secs, "socket_connect_timeout": timeout_secs, "protocol": 2}
        options |= {"retry": Retry(NoBackoff(), 0)}
        if url.secure:
            options |= {"ssl": True, "ssl_ca_certs": str(ca_file) if ca_file else None}
            options["ssl_cert_reqs"] = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
            options["ssl_check_hostname"] = verify
        if url.kind == "unix":
            return Redis(unix_socket_path=url.path, db=url.db, **options)
        if url.kind == "cluster":
            nodes = [ClusterNode(host, port) for host, port in url.hosts]
            return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **options)
        if url.kind == "sentinel":
            return _master(url, options)
        host, port = url.hosts[0]
        return Redis(host=host, port=port, db=url.db, **options)

    return make


def _master(url: RedisUrl, options: dict[str, Any]) -> Any:
    """A client of the server that the sentinels name."""
    sentinels = _sentinels(list(url.hosts), sentinel_kwargs=options, **options)
    if url.password:
        # Sentinels that want no password take none, and mostly only the servers want one: both are tried.
        bare = options | {"username": None, "password": None}
        sentinels.sentinels += _sentinels(list(url.hosts), sentinel_kwargs=bare).sentinels
    return sentinels.master_for(url.service, redis_class=Redis, db=url.db)


async def _close(client: Any) -> None:
    """Close a client, and what it leaves open by itself."""
    if isinstance(client, RedisCluster):
        # After an error it counts itself as not begun, whatever is connected.
        nodes = client.nodes_manager
        await nodes.aclose()
        await nodes.aclose("startup_nodes")
    await client.aclose()
    sentinels = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    if sentinels is not None:
        await sentinels.aclose()


class QueueLink:
    """One server with command queues. Methods raise `QueueUnreachable` and `QueueRefused`."""

    def __init__(self, url: RedisUrl, make: MakeClient, timeout_secs: float) -> None:
        self._url = url
        self._make = make
        self._timeout_secs = timeout_secs
        self._client: Any = None
        self._waiter: Any = None
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self._running: set[asyncio.Future[Any]] = set()
        self._answered = False
        self._closed = False

    async def run(self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> list[bytes]:
        """Run one of the contract's scripts."""
        client, (script, sha) = self._connected(), _SCRIPTS[name]
        words = (len(keys), *keys, *args)

        async def call() -> Any:
            try:
                return await client.evalsha(sha, *words)
            except NoScriptError:
                return await client.eval(script, *words)

        return list(await self._whole(call))

    async def fields(self, key: str) -> dict[str, bytes]:
        """The fields of a hash; empty where there is none, or something else in its place."""
        client = self._connected()
        try:
            found = await self._whole(lambda: client.hgetall(key))
        except QueueRefused as error:
            if not str(error.__cause__).startswith("WRONGTYPE"):
                raise
            return {}
        return {name.decode("utf-8", "replace"): value for name, value in found.items()}

    async def newest(self, stream: str) -> str:
        """The last entry of a stream, to read what comes after it."""
        client = self._connected()
        found = await self._whole(lambda: client.xrevrange(stream, count=1))
        return found[0][0].decode() if found else "0-0"

    async def entries(self, stream: str, count: int) -> list[dict[str, bytes]]:
        """The first entries of a stream."""
        client = self._connected()
        found = await self._whole(lambda: client.xrange(stream, count=count))
        return [_named(fields) for _, fields in found]

    async def members(self, key: str, count: int) -> list[str]:
        """The first members of a sorted set."""
        client = self._connected()
        found = await self._whole(lambda: client.zrange(key, 0, count - 1))
        return [member.decode("utf-8", "replace") for member in found]

    async def news(self, stream: str, after: str, wait_secs: float) -> list[tuple[str, dict[str, bytes]]]:
        """Entries after one of a stream, as soon as there are any; none after the wait."""
        if self._waiter is None:
            self._must_be_open()
            self._waiter = self._make(wait_secs + self._timeout_secs)
        reading = self._waiter.xread({stream: after}, count=500, block=max(1, int(wait_secs * 1000)))
        found = await self._interruptible(reading)
        return [(entry.decode(), _named(fields)) for _, entries in found for entry, fields in entries]

    def _connected(self) -> Any:
        if self._client is None:
            self._must_be_open()
            self._client = self._make(self._timeout_secs)
        return self._client

    def _must_be_open(self) -> None:
        if self._closed:
            raise self._ended()

    def _ended(self) -> QueueUnreachable:
        return QueueUnreachable(f"{self._url.shown}: this client was closed")

    async def _whole(self, call: Callable[[], Awaitable[Any]]) -> Any:
        task = asyncio.ensure_future(self._in_turn(call))
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._timeout_secs):
                answer = await asyncio.shield(task)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise self._ended() from None
        except _ERRORS as error:
            raise self._translated(error) from error
        self._answered = True
        return answer

    async def _interruptible(self, call: Awaitable[Any]) -> Any:
        """A call that takes nothing away: left alone when its caller is cancelled. The driver may swallow a
        cancellation while it looks at a connection, so it is never given ours."""
        task = asyncio.ensure_future(call)
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise
        except _ERRORS as error:
            raise self._translated(error) from error

    async def _in_turn(self, call: Callable[[], Awaitable[Any]]) -> Any:
        # The driver opens a connection for each call at a time: calls wait for one another beyond a few.
        async with self._turns:
            return await call()

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Looked at: what nobody waits for any more is no news.
            task.exception()

    def _translated(self, error: BaseException) -> ConsumerError:
        verdict = redis_verdict(self._url, error, self._timeout_secs, answered=self._answered)
        if verdict.kind is Kind.REFUSED:
            return QueueRefused(verdict.sentence)
        return QueueUnreachable(verdict.sentence, begun=not _never_connected(error))

    async def close(self) -> None:
        """Close the connections. Never raises."""
        self._closed = True
        clients = [client for client in (self._waiter, self._client) if client is not None]
        self._client = self._waiter = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECS):
                # Only what nobody waits for is left. The driver may swallow a cancellation: it is told again.
                while self._running:
                    for task in self._running:
                        task.cancel()
                    await asyncio.wait(self._running, timeout=_AGAIN_SECS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECS):
                await asyncio.gather(*map(_close, clients), return_exceptions=True)


def _never_connected(error: BaseException) -> bool:
    """Whether there was no connection on which anything could have been asked."""
    root = root_cause(error)
    if isinstance(root, (ConnectionRefusedError, FileNotFoundError, socket.gaierror)):
        return True
    # Of a name with several addresses, each of which refused: asyncio's own words.
    return type(root) is OSError and str(root).startswith("Multiple exceptions")


def _is_cancelled() -> bool:
    """Whether it is the caller who was cancelled, and not only the call, by `close`."""
    caller = asyncio.current_task()
    return caller is not None and caller.cancelling() > 0


def _named(fields: dict[bytes, bytes]) -> dict[str, bytes]:
    return {name.decode("utf-8", "replace"): value for name, value in fields.items()}


def _script(name: str) -> tuple[str, str]:
    text = client_script(name)
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_SCRIPTS: Final = {name: _script(name) for name in CLIENT_SCRIPTS}
