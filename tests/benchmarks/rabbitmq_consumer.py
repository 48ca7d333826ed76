"""A consumer on RabbitMQ, in a process of its own.

python -m tests.benchmarks.rabbitmq_consumer AMQP_URL TOTAL
"""

from __future__ import annotations

import sys

from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.source import RabbitSource
from publisher.command.stopping import run_loop
from schemas.broker_url import BrokerUrl
from tests.benchmarks.stopwatch import time_deliveries


async def consume(url: str, total: int) -> None:
    source = RabbitSource(SourceSettings(BrokerUrl.parse(url), name="benchmark"))
    try:
        await time_deliveries(source, total)
    finally:
        await source.close()


if __name__ == "__main__":
    run_loop(consume(sys.argv[1], int(sys.argv[2])))
