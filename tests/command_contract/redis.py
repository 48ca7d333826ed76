"""Every kind of Redis under the contract suite: what clients write, the collector's adapter takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consumers.adapters.redis.driver import QueueLink
from consumers.adapters.redis.driver import client_maker as clients_maker
from consumers.commands import CommandClient, Patience
from publisher.adapters.embedded_commands import EmbeddedCommands
from publisher.adapters.redis_commands.driver import OpenClient, RedisLink, RedisSettings, client_maker
from publisher.adapters.redis_commands.queue import QueueSettings, RedisCommandQueue
from publisher.command_ports import CommandQueue
from schemas.command import Priority
from schemas.command_queue import CommandKeys
from schemas.redis_url import RedisUrl
from tests.command_contract.harness import KEEP_MS, new_pbx
from tests.fakes.command_store import News
from tests.services.private_redis import PrivateRedis

_SECS = 10.0


class RedisHarness:
    """A server at a URL. `client_url` is the clients', `admin_url` for the look inside, where they differ."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        client_url: str = "",
        admin_url: str = "",
        ca_file: Path | None = None,
        make: OpenClient | None = None,
        pbx: str = "",
    ) -> None:
        self.name = name
        self.pbx = pbx or new_pbx()
        self.url = url
        self.client_url = client_url or url
        self.ca_file = ca_file
        self._keys = CommandKeys(self.pbx)
        self._parsed = RedisUrl.parse(url)
        self._make_client = make
        self._make = make or client_maker(RedisSettings(self._parsed, _SECS, ca_file=ca_file))
        clients = RedisUrl.parse(self.client_url)
        self._clients = QueueLink(clients, make or clients_maker(clients, _SECS, True, ca_file), _SECS)
        admin = RedisUrl.parse(admin_url or url)
        self.admin: Any = (make or client_maker(RedisSettings(admin, _SECS, ca_file=ca_file)))(_SECS)
        self._links: list[RedisLink] = []

    def queue(
        self, owner: str = "owner", *, lease_ms: int = 15_000, keep_ms: int = KEEP_MS, max_depth: int = 10_000
    ) -> CommandQueue:
        link = RedisLink(self._parsed, self._make, _SECS)
        self._links.append(link)
        return RedisCommandQueue(link, self.pbx, owner, QueueSettings(lease_ms, keep_ms, max_depth))

    def client(
        self,
        patience: Patience | None = None,
        *,
        name: str = "crm",
        timeout_secs: float = _SECS,
        url: str = "",
    ) -> CommandClient:
        """A client as a microservice has it, with connections of its own."""
        return CommandClient.connect(
            url or self.client_url,
            client=name,
            token="fake-token",
            timeout_secs=timeout_secs,
            ca_file=self.ca_file,
            make_client=self._make_client,
            patience=patience or Patience(),
        )

    async def enqueue(
        self, id: str, body: bytes = b"body", *, ttl_ms: int = 30_000, bulk: bool = False, at_ms: int = 0
    ) -> tuple[str, ...]:
        keys, priority = self._keys, Priority.BULK if bulk else Priority.INTERACTIVE
        answer = await self._clients.run(
            "enqueue",
            (keys.command(id), *keys.streams(priority), keys.fence),
            (id, body, at_ms, ttl_ms, "", "crm", "Ping", str(priority), KEEP_MS),
        )
        return tuple(word.decode() for word in answer)

    async def cancel(self, id: str) -> tuple[str, ...]:
        answer = await self._clients.run("cancel", (self._keys.command(id), self._keys.cancels), (id,))
        return tuple(word.decode() for word in answer)

    async def expire(self, id: str, reply: bytes, grace_ms: int = 0) -> tuple[str, bytes]:
        keys = (self._keys.command(id), self._keys.active, self._keys.replies)
        state, *more = await self._clients.run("expire", keys, (id, reply, KEEP_MS, grace_ms))
        return state.decode(), more[0] if more else b""

    async def look(self, id: str) -> dict[str, bytes]:
        return await self._clients.fields(self._keys.command(id))

    async def write(self, id: str, fields: Mapping[str, bytes]) -> None:
        await self.admin.hset(self._keys.command(id), mapping=dict(fields))

    async def erase(self, id: str, *names: str) -> None:
        if names:
            await self.admin.hdel(self._keys.command(id), *names)
        else:
            await self.admin.delete(self._keys.command(id))

    async def ttl_ms(self, id: str) -> int:
        return int(await self.admin.pttl(self._keys.command(id)))

    async def news(self) -> list[News]:
        found = [fields for _, fields in await self.admin.xrange(self._keys.replies)]
        return [
            News(one[b"id"].decode(), one[b"state"].decode(), one[b"step"].decode(), one[b"more"])
            for one in found
        ]

    async def waiting(self) -> tuple[int, int]:
        keys = self._keys
        return await self.admin.xlen(keys.interactive), await self.admin.xlen(keys.bulk)

    async def now_ms(self) -> int:
        clock = "return redis.call('TIME')"
        secs, us = await self.admin.eval(clock, 1, self._keys.fence)
        return int(secs) * 1000 + int(us) // 1000

    async def forget(self) -> None:
        keys = self._keys
        ids = [one.id for one in await self.news()]
        for stream in (keys.interactive, keys.bulk):
            ids += [fields[b"id"].decode() for _, fields in await self.admin.xrange(stream)]
        ids += [id.decode() for id in await self.admin.zrange(keys.active, 0, -1)]
        streams = (keys.interactive, keys.bulk, keys.cancels, keys.replies)
        await self.admin.delete(keys.fence, keys.active, *streams, *map(keys.command, ids))

    async def close(self) -> None:
        for link in self._links:
            await link.close()
        await self._clients.close()
        end = RedisLink(self._parsed, lambda _: self.admin, _SECS)
        await end.run("release", (self._keys.fence,), ("nobody's",))
        await end.close()


class EmbeddedHarness(RedisHarness):
    """fakeredis in this process, or through its door."""

    def __init__(self, name: str, url: str, server: EmbeddedCommands, make: OpenClient | None) -> None:
        super().__init__(name, url, make=make)
        self._server = server

    async def close(self) -> None:
        await super().close()
        await self._server.close()


class OwnRedisHarness(RedisHarness):
    """A real Redis that this test has to itself."""

    def __init__(self, server: PrivateRedis) -> None:
        super().__init__("own", server.url)
        self._server = server

    async def restart(self) -> None:
        await asyncio.to_thread(self._server.stop)
        await asyncio.to_thread(self._server.start)

    async def copied(self) -> Path:
        return await asyncio.to_thread(self._server.copy_data)

    async def roll_back(self, copy: Path) -> None:
        await asyncio.to_thread(self._server.kill9)
        self._server.roll_back(copy)
        await asyncio.to_thread(self._server.start)
