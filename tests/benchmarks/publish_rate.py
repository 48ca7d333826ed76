"""Confirmed messages a second: our adapter, plain aio-pika with gather, and a C client, side by side.

    python -m tests.benchmarks.publish_rate [MESSAGES] [ROUNDS]

One private RabbitMQ, one durable classic queue bound to `#` (emptied between runs), 600 B bodies,
persistent, window 2,000. The three take turns; medians are printed. The C client needs a compiler and
librabbitmq-dev; where they are missing its column says so.
"""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aio_pika

from schemas.message import EVENTS_EXCHANGE, Message
from tests.rabbitmq.broker import bus_on, channel_on, new_queue
from tests.rabbitmq.messages import numbered
from tests.services.choice import RabbitmqServer, kind_here, new_rabbitmq
from tests.services.guard import Guard

WINDOW = 2000
BATCH = 250
BODY_BYTES = 600
KEY = "main.hangup.200"


async def ours(server: RabbitmqServer, messages: list[Message]) -> float:
    session = await bus_on(server).open()
    count, sent, done = len(messages), 0, 0
    began = time.perf_counter()
    while done < count:
        while sent < count and sent - done <= WINDOW - BATCH:
            session.publish(messages[sent : sent + BATCH])
            sent = min(count, sent + BATCH)
            await asyncio.sleep(0)
        news = await session.settled()
        assert not news.refused
        assert not news.unroutable
        done = news.confirmed_through
    rate = count / (time.perf_counter() - began)
    await session.close()
    return rate


async def plain(server: RabbitmqServer, messages: list[Message]) -> float:
    async with channel_on(server) as channel:
        exchange = await channel.get_exchange(EVENTS_EXCHANGE)
        bodies = [
            aio_pika.Message(
                message.body,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                message_id=message.message_id,
                content_type=message.content_type,
                type=message.type,
                timestamp=message.timestamp,
                app_id="ami-bus/0.1.0",
                headers={
                    "pbx": "main",
                    "epoch": message.headers.epoch,
                    "seq": message.headers.seq,
                    "call": message.headers.call,
                    "linkedid": message.headers.linkedid,
                },
            )
            for message in messages
        ]
        began = time.perf_counter()
        for start in range(0, len(bodies), WINDOW):
            await asyncio.gather(
                *(exchange.publish(body, KEY, mandatory=True) for body in bodies[start : start + WINDOW])
            )
        return len(bodies) / (time.perf_counter() - began)


def compiled(folder: Path) -> Path | None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    program = folder / "c_publisher"
    source = Path(__file__).with_name("c_publisher.c")
    built = subprocess.run(
        [compiler, "-O2", "-o", str(program), str(source), "-lrabbitmq"], capture_output=True, check=False
    )
    return None if built.returncode else program


async def ceiling(server: RabbitmqServer, program: Path, count: int) -> float:
    args = [server.host, server.port, server.user, server.password, EVENTS_EXCHANGE, KEY]
    process = await asyncio.create_subprocess_exec(
        str(program), *map(str, [*args, count, BODY_BYTES, WINDOW]), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return float(output)


async def measure(server: RabbitmqServer, count: int, rounds: int, program: Path | None) -> None:
    session = await bus_on(server).open()
    await session.close()
    queue = await new_queue(server)
    messages = [numbered(seq, body_bytes=BODY_BYTES) for seq in range(1, count + 1)]
    gc.freeze()
    few = messages[: count // 4]
    runs: dict[str, Callable[[], Awaitable[float]]] = {
        "ami-bus": lambda: ours(server, messages),
        "aio-pika, gather": lambda: plain(server, few),
    }
    if program is not None:
        runs["C, librabbitmq"] = lambda: ceiling(server, program, count)
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(await run())
            async with channel_on(server) as channel:
                await (await channel.get_queue(queue)).purge()
    ours_rate = statistics.median(rates["ami-bus"])
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, window {WINDOW}"
    )
    for name, found in rates.items():
        middle = statistics.median(found)
        spread = f"{min(found):,.0f} .. {max(found):,.0f}"
        print(f"{name:18} {middle:10,.0f}/s   ({spread})   ami-bus is {ours_rate / middle:.2f} of it")
    if program is None:
        print("C, librabbitmq     not measured: needs a C compiler and librabbitmq-dev")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    guard = Guard()
    server = new_rabbitmq(kind_here(), guard)
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder:
            job = measure(server, count, rounds, compiled(Path(folder)))
            try:
                import uvloop
            except ImportError:
                asyncio.run(job)
            else:
                uvloop.run(job)
    finally:
        server.close()
        guard.close()


if __name__ == "__main__":
    main()
