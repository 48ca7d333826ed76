"""The one door to the Redis driver: clients of each kind of server, scripts by name, errors as ours.

* The driver's own retries are off: a write whose answer got lost would be made again by it, unasked.
* A call is finished even if its caller is cancelled: the next user of the connection must not find another's
  answer on it. What is left over is bounded by the caller's own calls, one at a time.
* Waiting for news has a client of its own, whose patience is longer than the wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from publisher.errors import CommandQueueError, QueueRefused, QueueUnreachable
from schemas.broker_words import Kind
from schemas.command_queue import prelude
from schemas.redis_url import RedisUrl
from schemas.redis_words import redis_verdict

# RuntimeError: a connection that was closed while it was being used, as uvloop says it.
DRIVER_ERRORS: Final = (RedisError, RedisClusterException, OSError, TimeoutError, RuntimeError)
_MAX_CONNECTIONS: Final = 8
_CLOSE_SECS: Final = 1.0
_AGAIN_SECS: Final = 0.05

_sentinels: Final[Callable[..., Any]] = Sentinel

# redis.asyncio's clients; the driver types their calls too loosely to name them.
Client = Any
OpenClient = Callable[[float], Client]
"""Makes a client whose answers may take so many seconds."""


@dataclass(slots=True, frozen=True)
class RedisSettings:
    """How to reach the server. `timeout_secs` bounds connecting and each answer."""

    url: RedisUrl
    timeout_secs: float = 5.0
    verify: bool = True
    ca_file: Path | None = None


def client_maker(settings: RedisSettings) -> OpenClient:
    """Clients for these settings. Nothing is connected yet."""
    url = settings.url

    def make(answer_secs: float) -> Client:
        options: dict[str, Any] = {
            "username": url.user or None,
            "password": url.password or None,
            "socket_timeout": answer_secs,
            "socket_connect_timeout": settings.timeout_secs,
            "retry": Retry(NoBackoff(), 0),
            "max_connections": _MAX_CONNECTIONS,
            "protocol": 2,
        }
        if url.secure:
            options |= {"ssl": True, "ssl_ca_certs": str(settings.ca_file) if settings.ca_file else None}
            options["ssl_cert_reqs"] = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
            options["ssl_check_hostname"] = settings.verify
        match url.kind:
            case "unix":
                return Redis(unix_socket_path=url.path, db=url.db, **options)
            case "cluster":
                nodes = [ClusterNode(host, port) for host, port in url.hosts]
                return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **options)
            case "sentinel":
                return _master(url, options)
            case _:
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


class RedisLink:
    """Runs the scripts of this folder on one server. Methods raise `CommandQueueError`."""

    def __init__(self, url: RedisUrl, make: OpenClient, timeout_secs: float) -> None:
        self._url = url
        self._make = make
        self._timeout_secs = timeout_secs
        self._client: Client = None
        self._waiter: Client = None
        self._running: set[asyncio.Future[Any]] = set()
        self._answered = False

    async def run(self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        """Run a script; its answer with bytes as they are."""
        if self._client is None:
            self._client = self._make(self._timeout_secs)
        script, sha = _SCRIPTS[name]
        client, words = self._client, (len(keys), *keys, *args)

        async def call() -> Any:
            try:
                return await client.evalsha(sha, *words)
            except NoScriptError:
                return await client.eval(script, *words)

        return await self._whole(call())

    async def add(self, stream: str, fields: Mapping[str, str], kept: int) -> None:
        """Add an entry to a stream that keeps about so many."""
        if self._client is None:
            self._client = self._make(self._timeout_secs)
        await self._whole(self._client.xadd(stream, fields, maxlen=kept, approximate=True))

    async def wait(self, streams: Mapping[str, str], timeout_secs: float) -> None:
        """Return when one of the streams has an entry beyond the one named, or after the timeout."""
        if self._waiter is None:
            self._waiter = self._make(timeout_secs + self._timeout_secs)
        # Nothing is taken here, so that a wait that is cancelled loses nothing. The driver may swallow a
        # cancellation while it looks at a connection, so it is never given ours.
        task = asyncio.ensure_future(
            self._waiter.xread(dict(streams), count=1, block=max(1, int(timeout_secs * 1000)))
        )
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            if _is_cancelled():
                raise
            raise self._ended() from None
        except DRIVER_ERRORS as error:
            raise self._translated(error) from error

    async def _whole(self, call: Awaitable[Any]) -> Any:
        task = asyncio.ensure_future(call)
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._timeout_secs):
                answer = await asyncio.shield(task)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise self._ended() from None
        except DRIVER_ERRORS as error:
            raise self._translated(error) from error
        self._answered = True
        return answer

    def _ended(self) -> QueueUnreachable:
        return QueueUnreachable(f"{self._url.shown}: the connection was closed")

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Looked at: what nobody waits for any more is no news.
            task.exception()

    def _translated(self, error: BaseException) -> CommandQueueError:
        verdict = redis_verdict(self._url, error, self._timeout_secs, answered=self._answered)
        return (
            QueueRefused(verdict.sentence)
            if verdict.kind is Kind.REFUSED
            else QueueUnreachable(verdict.sentence)
        )

    async def close(self) -> None:
        """Close the connections. Never raises."""
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


def _is_cancelled() -> bool:
    """Whether it is the caller who was cancelled, and not only the call, by `close`."""
    caller = asyncio.current_task()
    return caller is not None and caller.cancelling() > 0


def _script(name: str) -> tuple[str, str]:
    folder = files("publisher.adapters.redis_commands").joinpath("lua")
    parts = (
        prelude(),
        *(folder.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in ("fence", name)),
    )
    text = "".join(parts)
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_NAMES: Final = (
    "take",
    "confirm",
    "renew",
    "release",
    "claim",
    "orphans",
    "drop",
    "sending",
    "finish",
    "probe",
)
_SCRIPTS: Final = {name: _script(name) for name in _NAMES}
