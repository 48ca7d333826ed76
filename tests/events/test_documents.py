"""The programs of the page on the client run as they stand there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from consumers.events import EventClient
from publisher.adapters.rabbitmq.session import RabbitSession
from schemas.broker_topology import queue_name
from tests.architecture.blocks import blocks
from tests.events.office import numbered_event, publish, waiting
from tests.rabbitmq.broker import bus_on, channel_on
from tests.services.choice import RabbitmqServer

pytestmark = pytest.mark.rabbitmq


@asynccontextmanager
async def running(
    server: RabbitmqServer, holding: str, name: str, folder: Path
) -> AsyncIterator[tuple[RabbitSession, asyncio.StreamReader]]:
    """A program of the page, once it takes from its queue."""
    page = [block.text for block in blocks("python") if block.page.name == "python-client.md"]
    [program] = [text for text in page if holding in text]
    (folder / "service.py").write_text(program)
    session = await bus_on(server).open()
    service = await asyncio.create_subprocess_exec(
        sys.executable,
        str(folder / "service.py"),
        env={"AMQP_URL": server.amqp_url, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert service.stdout is not None
    try:
        async with asyncio.timeout(60):
            while not await consumers_of(server, name):
                await asyncio.sleep(0.1)
                assert service.returncode is None
            yield session, service.stdout
    finally:
        if service.returncode is None:
            service.kill()
        await service.wait()
        await session.close()
        async with EventClient.connect(server.amqp_url) as bus:
            await bus.forget(name)


async def consumers_of(server: RabbitmqServer, name: str) -> int:
    try:
        async with channel_on(server) as channel:
            queue = await channel.declare_queue(queue_name(name), passive=True)
    except Exception:
        return 0
    return queue.declaration_result.consumer_count or 0


async def test_the_service_gets_what_it_asks_for_and_acks_it(
    rabbitmq: RabbitmqServer, tmp_path: Path
) -> None:
    async with running(rabbitmq, "tell_the_crm", "crm", tmp_path) as (session, lines):
        await publish(
            session,
            [
                numbered_event(1, CallerIDNum="203"),
                numbered_event(2, CallerIDNum="anonymous"),
                numbered_event(3, "main.hangup.201", CallerIDNum="203"),
                numbered_event(4, CallerIDNum="204"),
            ],
        )
        assert [await lines.readline() for _ in range(2)] == [b"Hangup 203 1.1\n", b"Hangup 204 1.1\n"]


async def test_who_takes_everything_notices_what_is_missing(rabbitmq: RabbitmqServer, tmp_path: Path) -> None:
    async with running(rabbitmq, "SeqWatch", "archive", tmp_path) as (session, lines):
        await publish(session, [numbered_event(1), numbered_event(2), numbered_event(5)])
        assert await lines.readline() == b"missing main 3-4\n"
        assert await waiting(rabbitmq, "archive") == 0
