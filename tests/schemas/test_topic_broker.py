"""Topic matching against the real broker: the same queues get the same keys."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue

from schemas.topics import TopicMatcher, TopicPattern

pytestmark = pytest.mark.rabbitmq

WORDS = ["a", "b", "main", "200", "*", "#", "", "*8", "a#", "ё"]


class Rabbitmq(Protocol):
    @property
    def amqp_url(self) -> str: ...


@dataclass
class Broker:
    """A channel with confirms and a topic exchange of this test's own."""

    channel: AbstractChannel
    exchange: AbstractExchange

    async def queue(self, *patterns: str) -> AbstractQueue:
        queue = await self.channel.declare_queue(exclusive=True)
        for pattern in patterns:
            await queue.bind(self.exchange, pattern)
        return queue

    async def publish(self, name: str, key: str, *cc: str) -> None:
        headers: dict[str, aio_pika.abc.FieldValue] = {"CC": list(cc)} if cc else {}
        message = aio_pika.Message(name.encode(), headers=headers)
        await self.exchange.publish(message, key, mandatory=False)

    async def drain(self, queue: AbstractQueue) -> Counter[str]:
        """All that stands in the queue. What was confirmed before is routed, so the count is final."""
        declared = await self.channel.declare_queue(queue.name, passive=True)
        names: Counter[str] = Counter()
        for _ in range(declared.declaration_result.message_count or 0):
            message = await queue.get(no_ack=True)
            names[message.body.decode()] += 1
        return names


@pytest.fixture
async def broker(rabbitmq: Rabbitmq) -> AsyncIterator[Broker]:
    connection = await aio_pika.connect(rabbitmq.amqp_url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        exchange = await channel.declare_exchange(
            f"test-topics-{uuid4().hex}", aio_pika.ExchangeType.TOPIC, auto_delete=True
        )
        yield Broker(channel, exchange)


def random_topic(source: random.Random, words: list[str], longest: int) -> str:
    return ".".join(source.choices(words, k=source.randint(0, longest)))


async def test_the_broker_routes_random_keys_to_the_queues_that_the_matchers_name(broker: Broker) -> None:
    source = random.Random(20261123)
    patterns = sorted({random_topic(source, WORDS + ["*", "#"] * 2, 5) for _ in range(230)})
    keys = sorted({random_topic(source, WORDS, 5) for _ in range(600)})
    assert len(patterns) > 150
    assert len(keys) > 250
    matcher: TopicMatcher[str] = TopicMatcher()
    queues = {}
    for pattern in patterns:
        queues[pattern] = await broker.queue(pattern)
        matcher.bind(pattern, pattern)
    for key in keys:
        await broker.publish(key, key)
    taken = 0
    for pattern, queue in queues.items():
        got = await broker.drain(queue)
        assert got == Counter(key for key in keys if TopicPattern(pattern).matches(key)), pattern
        assert got == Counter(key for key in keys if pattern in matcher.targets(key)), pattern
        taken += got.total()
    # Neither nothing nor everything matched, or the comparison would prove little.
    assert len(keys) < taken < len(keys) * len(patterns) // 2


async def test_a_queue_gets_one_copy_however_many_bindings_and_cc_keys_match(broker: Broker) -> None:
    source = random.Random(42)
    words = ["main", "hangup", "dialbegin", "200", "201", "202"]
    bindings = [
        [random_topic(source, [*words, "*", "#"], 3) for _ in range(source.randint(1, 4))] for _ in range(40)
    ]
    matcher: TopicMatcher[int] = TopicMatcher()
    queues = []
    for number, patterns in enumerate(bindings):
        queues.append(await broker.queue(*patterns))
        for pattern in patterns:
            matcher.bind(pattern, number)
    messages = {
        f"message-{number}": [random_topic(source, words, 3) for _ in range(source.randint(1, 8))]
        for number in range(150)
    }
    for name, keys in messages.items():
        await broker.publish(name, *keys)
    for number, queue in enumerate(queues):
        expected = Counter(name for name, keys in messages.items() if number in matcher.targets_of(keys))
        assert await broker.drain(queue) == expected, bindings[number]
    assert any(len(matcher.targets_of(keys)) > 1 for keys in messages.values())
