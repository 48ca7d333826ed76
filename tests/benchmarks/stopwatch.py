"""The consumer's side of the latency measurement: stamps what it gets, prints how late it was."""

from __future__ import annotations

import json

import msgpack  # type: ignore[import-untyped]

from consumers.ports import Binding, BusSource
from tests.benchmarks.talker import SENT, now_us

BINDING = Binding("benchmark-latency", ("#",), durable=False)


async def time_deliveries(source: BusSource, total: int) -> None:
    """Bind, say that it is ready, take `total` events that carry `Sent`, print their lateness in µs."""
    await source.bind(BINDING)
    subscription = await source.subscribe(BINDING.name)
    print(json.dumps({"ready": True}), flush=True)
    late_us: list[int] = []
    while len(late_us) < total:
        deliveries = await subscription.receive()
        got = now_us()
        for delivery in deliveries:
            subscription.settle(delivery.tag)
            sent = msgpack.unpackb(delivery.message.body)["fields"].get(SENT)
            if sent is not None:
                late_us.append(got - int(sent))
    print(json.dumps(late_us), flush=True)
    await subscription.close()
