"""What the documents say of RabbitMQ holds on a real one."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from pathlib import Path

from schemas import MSGPACK, Event, Message, encode
from tests.architecture.blocks import ROOT, blocks
from tests.rabbitmq.broker import bus_on
from tests.rabbitmq.messages import numbered
from tests.services.choice import RabbitmqServer


async def test_the_readme_s_consumer_gets_what_concerns_its_extension_once(
    own_rabbitmq: RabbitmqServer, tmp_path: Path
) -> None:
    [program] = [block.text for block in blocks("python") if block.page.name == "README.md"]
    (tmp_path / "consumer.py").write_text(program)
    session = await bus_on(own_rabbitmq).open()
    consumer = await asyncio.create_subprocess_exec(
        sys.executable,
        str(tmp_path / "consumer.py"),
        env={"AMQP_URL": own_rabbitmq.amqp_url, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert consumer.stdout is not None
    try:
        async with asyncio.timeout(60):
            while "crm-200" not in await asyncio.to_thread(
                own_rabbitmq.rabbitmqctl, "list_consumers", "queue_name"
            ):
                assert consumer.returncode is None
            events = [
                body_of(1, "main.hangup.201"),
                body_of(2, "main.hangup.201", "main.hangup.200"),
                body_of(3, "main.control.gap"),
            ]
            session.publish(events)
            lines = [(await consumer.stdout.readline()).decode().split()[0] for _ in range(2)]
        assert lines == [events[1].message_id, events[2].message_id]
    finally:
        consumer.kill()
        await consumer.wait()
        await session.close()


def body_of(seq: int, key: str, *cc: str) -> Message:
    message = numbered(seq, key=key, cc=cc)
    body = Event(
        id=message.message_id,
        pbx="main",
        epoch=message.headers.epoch,
        seq=seq,
        received_at="2026-05-01T10:00:00.000000Z",
        event="Hangup",
        call="main",
    )
    message.body = encode(MSGPACK, body)
    return message


async def test_the_rights_that_the_page_gives_the_user_are_enough(own_rabbitmq: RabbitmqServer) -> None:
    page = (ROOT / "deploy/docs/rabbitmq.md").read_text(encoding="utf-8")
    commands = [shlex.split(line)[1:] for line in re.findall(r"^rabbitmqctl .*$", page, re.MULTILINE)]
    assert [words[0] for words in commands] == ["add_vhost", "add_user", "set_permissions"]
    for words in commands:
        await asyncio.to_thread(own_rabbitmq.rabbitmqctl, *words)
    try:
        session = await bus_on(own_rabbitmq, user="amibus", password="password", vhost="telephony").open()
        session.publish([numbered(1)])
        async with asyncio.timeout(30):
            assert (await session.settled()).confirmed_through == 1
        await session.close()
    finally:
        await asyncio.to_thread(own_rabbitmq.rabbitmqctl, "delete_vhost", "telephony")
