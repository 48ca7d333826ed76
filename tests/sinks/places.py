"""The other side of each sink: how to reach it, take it down and bring it back, and what it holds."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import redis.asyncio

from consumers.sinks.registry import SinkRegistry
from consumers.testing import SinkRunner
from schemas.codecs import decode
from tests.services.choice import PostgresqlServer, RabbitmqServer, RedisServer
from tests.services.proxy import CuttableProxy
from tests.sinks.receiver import Receiver

SECRET = "fake-secret-of-a-test"
REGISTRY = SinkRegistry()


class Place:
    """One. `exact`: an event that is given twice stands there once."""

    sink = ""
    exact = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def options(self) -> dict[str, Any]:
        raise NotImplementedError

    def runner(self, **changes: Any) -> SinkRunner:
        options = {key: value for key, value in (self.options | changes).items() if value is not None}
        found = REGISTRY.find(self.sink)
        return SinkRunner(found.type, options, folder=self.folder, secrets=[SECRET])

    def write_secret(self, name: str, text: str) -> str:
        """A file with a secret; its name relative to the folder."""
        path = self.folder / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        return name

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def go_down(self) -> None: ...

    async def come_back(self) -> None: ...

    async def ids(self) -> list[str]:
        """The ids of the events that are there, as often as they are."""
        raise NotImplementedError


class StdoutPlace(Place):
    sink = "stdout"

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder)
        self._capfd = capfd
        self._seen: list[str] = []

    @property
    def options(self) -> dict[str, Any]:
        return {}

    async def ids(self) -> list[str]:
        self._seen += [json.loads(line)["id"] for line in self._capfd.readouterr().out.splitlines()]
        return self._seen


class JsonlPlace(Place):
    sink = "jsonl"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "out/events.jsonl"
        self.file.parent.mkdir()

    @property
    def options(self) -> dict[str, Any]:
        return {"path": "out/events.jsonl"}

    async def go_down(self) -> None:
        self.file.parent.rename(self.folder / "away")

    async def come_back(self) -> None:
        (self.folder / "away").rename(self.file.parent)

    async def ids(self) -> list[str]:
        return [json.loads(line)["id"] for line in self.file.read_text().splitlines()]


class WebhookPlace(Place):
    sink = "webhook"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.receiver = Receiver()

    @property
    def options(self) -> dict[str, Any]:
        url = self.receiver.url.replace("http://", f"http://user:{SECRET}@").replace("/hook", f"/{SECRET}")
        return {
            "url_file": self.write_secret("url", url),
            "secret_file": self.write_secret("secret", SECRET),
            "batch": 20,
            "timeout_secs": 5,
        }

    async def start(self) -> None:
        await self.receiver.start()

    async def stop(self) -> None:
        await self.receiver.stop()

    async def go_down(self) -> None:
        await self.receiver.stop()

    async def come_back(self) -> None:
        await self.receiver.start()

    async def ids(self) -> list[str]:
        return [event["id"] for request in self.receiver.requests for event in request.json]


class BehindProxy(Place):
    """A server of the run, reached through a proxy that can be cut."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self.proxy = CuttableProxy(port)

    async def start(self) -> None:
        await asyncio.to_thread(self.proxy.__enter__)

    async def stop(self) -> None:
        await asyncio.to_thread(self.proxy.__exit__, None, None, None)

    async def go_down(self) -> None:
        await asyncio.to_thread(self.proxy.go_down)

    async def come_back(self) -> None:
        await asyncio.to_thread(self.proxy.resume)


class AmqpPlace(BehindProxy):
    sink = "amqp"

    def __init__(self, folder: Path, server: RabbitmqServer) -> None:
        super().__init__(folder, server.port)
        self.server = server
        self.exchange = f"sink-{uuid.uuid4().hex[:12]}"
        self.queue = self.exchange

    @property
    def options(self) -> dict[str, Any]:
        url = f"amqp://sink:{SECRET}@127.0.0.1:{self.proxy.port}/"
        return {"url_file": self.write_secret("url", url), "exchange": self.exchange, "timeout_secs": 5}

    async def start(self) -> None:
        await super().start()
        async with (
            await aio_pika.connect(self.server.amqp_url) as connection,
            connection.channel() as channel,
        ):
            exchange = await channel.declare_exchange(self.exchange, "topic", durable=True)
            queue = await channel.declare_queue(self.queue, durable=True)
            await queue.bind(exchange, "#")

    async def messages(self) -> list[aio_pika.abc.AbstractIncomingMessage]:
        found = []
        async with (
            await aio_pika.connect(self.server.amqp_url) as connection,
            connection.channel() as channel,
        ):
            queue = await channel.get_queue(self.queue)
            while (message := await queue.get(fail=False, no_ack=False)) is not None:
                found.append(message)
        return found

    async def ids(self) -> list[str]:
        return [message.message_id or "" for message in await self.messages()]


class RedisPlace(BehindProxy):
    sink = "redis-stream"
    exact = True

    def __init__(self, folder: Path, server: RedisServer) -> None:
        super().__init__(folder, server.port)
        self.server = server
        self.stream = f"sink-{uuid.uuid4().hex[:12]}"

    @property
    def options(self) -> dict[str, Any]:
        url = f"redis://127.0.0.1:{self.proxy.port}/0"
        return {"url": url, "stream": self.stream, "timeout_secs": 5}

    async def entries(self) -> list[dict[bytes, bytes]]:
        client = redis.asyncio.Redis.from_url(self.server.url)
        async with client:
            return [fields for _, fields in await client.xrange(self.stream)]

    async def ids(self) -> list[str]:
        return [fields[b"id"].decode() for fields in await self.entries()]


class PostgresqlPlace(BehindProxy):
    sink = "sql"
    exact = True

    def __init__(self, folder: Path, server: PostgresqlServer) -> None:
        super().__init__(folder, server.port)
        self.server = server
        self.table = f"sink_{uuid.uuid4().hex[:12]}"

    @property
    def options(self) -> dict[str, Any]:
        server = self.server
        url = f"postgresql://{server.user}:{server.password}@127.0.0.1:{self.proxy.port}/{server.database}"
        return {"url_file": self.write_secret("url", url), "table": self.table, "timeout_secs": 5}

    async def ids(self) -> list[str]:
        return self.server.psql(f"SELECT id FROM {self.table} ORDER BY pbx, epoch, seq").splitlines()


class SqlitePlace(Place):
    sink = "sql"
    exact = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "out/events.db"
        self.file.parent.mkdir()

    @property
    def options(self) -> dict[str, Any]:
        return {"url": "sqlite:///out/events.db", "timeout_secs": 5}

    async def go_down(self) -> None:
        self.file.parent.rename(self.folder / "away")

    async def come_back(self) -> None:
        (self.folder / "away").rename(self.file.parent)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file)) as database:
            return database.execute(statement).fetchall()

    async def ids(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT id FROM amibus_events ORDER BY seq")]


def decoded(message: Any) -> Any:
    """The event of a message from RabbitMQ."""
    return decode(message.content_type, message.body)


Make = Callable[[], Place]
