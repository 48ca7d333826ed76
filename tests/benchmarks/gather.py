"""What a plain program does: aio-pika's own `publish` for each message, a window of them gathered.

    python -m tests.benchmarks.gather AMQP_URL EXCHANGE FILE WINDOW

Publishes the messages of the file (see messages.py), confirmed, mandatory and persistent, and prints the
rate in messages per second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import aio_pika

from publisher.command.stopping import run_loop
from schemas.message import Message
from tests.benchmarks.messages import read_messages


async def publish(url: str, exchange_name: str, path: Path, window: int) -> float:
    ready = [(message.routing_key, _dressed(message)) for message in read_messages(path)]
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(exchange_name, ensure=False)
        began = time.perf_counter()
        for start in range(0, len(ready), window):
            await asyncio.gather(
                *(exchange.publish(message, key) for key, message in ready[start : start + window])
            )
        return len(ready) / (time.perf_counter() - began)


def _dressed(message: Message) -> aio_pika.Message:
    of = message.headers
    headers: dict[str, aio_pika.abc.HeadersType | str | int | list[str]] = {
        "pbx": of.pbx,
        "epoch": of.epoch,
        "seq": of.seq,
        "call": of.call,
    }
    if of.linkedid:
        headers["linkedid"] = of.linkedid
    if of.cc:
        headers["CC"] = list(of.cc)
    return aio_pika.Message(
        message.body,
        headers=headers,  # type: ignore[arg-type]
        content_type=message.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=message.message_id,
        timestamp=datetime.fromtimestamp(message.timestamp, UTC),
        type=message.type,
        app_id="ami-bus/benchmark",
    )


def main() -> None:
    url, exchange, path, window = sys.argv[1:5]
    print(f"{run_loop(publish(url, exchange, Path(path), int(window))):.0f}")


if __name__ == "__main__":
    main()
