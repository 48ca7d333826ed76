"""Recorded traffic into the embedded bus, taken by durable bindings, before and after a restart."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import msgpack  # type: ignore[import-untyped]

from consumers.ports import Binding, Subscription
from publisher.app import PublisherApp
from publisher.configuration.pbx import PbxSettings
from publisher.configuration.settings import JournalSettings, Settings
from publisher.reports import Report
from publisher.simulator import Replay, SimulatedPbx, SimulatorOptions, Trace, User
from schemas.message import Delivery
from tests.end_to_end.comparison import check_bodies, check_numbers, check_share_of_208, of_the_trace
from tests.end_to_end.installation import SECRET, USER
from tests.end_to_end.naive import packets, traces
from tests.end_to_end.taker import Arrived
from tests.forwarder.oracle import until


def as_arrived(delivery: Delivery) -> Arrived:
    message = delivery.message
    body = msgpack.unpackb(message.body)
    headers = asdict(message.headers)
    return Arrived(message.message_id, message.routing_key, message.headers.cc, headers, message.body, body)


async def take(subscription: Subscription, count: int) -> list[Arrived]:
    """Take and settle that many."""
    taken: list[Arrived] = []
    async with asyncio.timeout(120):
        while len(taken) < count:
            for delivery in await subscription.receive(min(500, count - len(taken))):
                taken.append(as_arrived(delivery))
                subscription.settle(delivery.tag)
    return taken


async def test_every_recorded_event_reaches_a_durable_binding_once_across_a_restart(tmp_path: Path) -> None:
    trace = traces()[-1]
    expected = packets(trace)
    reports: list[Report] = []
    async with SimulatedPbx(SimulatorOptions(users={USER: User(SECRET)}, version="22")) as pbx:
        line = PbxSettings.model_construct(host=pbx.host, port=pbx.port, username=USER, trunks=["trunk"])
        settings = Settings.model_construct(pbx=[line], journal=JournalSettings.model_construct(dir=tmp_path))
        replay = Replay(pbx, Trace.read(trace))
        first = PublisherApp(settings, reports.append, secrets={"main": SECRET})
        await first.start()
        assert first.embedded is not None
        await first.embedded.bind(Binding("all", ("#",), start="oldest"))
        await first.embedded.bind(Binding("of-208", ("*.*.208",), start="oldest"))
        subscription = await first.embedded.subscribe("all")
        arrivals = await take(subscription, len(expected) // 2)
        await replay.finished.wait()
        recorder = first.lines["main"].collector.recorder
        own = len(arrivals) - len(of_the_trace(arrivals))
        await until(lambda: recorder.recorded >= len(expected) + own)
        await replay.stop()
        await first.stop()

    # The PBX is gone now: what comes is what the first run has left.
    second = PublisherApp(settings, reports.append, secrets={"main": SECRET})
    await second.start()
    assert second.embedded is not None
    subscription = await second.embedded.subscribe("all")
    arrivals += await take(subscription, recorder.recorded - len(arrivals))
    share = await second.embedded.subscribe("of-208")
    of_208 = await take(share, sum(is_for_208(one) for one in arrivals))
    await second.stop()

    check_numbers(arrivals)
    check_bodies(of_the_trace(arrivals), expected)
    check_share_of_208(of_208, expected)


def is_for_208(one: Arrived) -> bool:
    return any(key.endswith(".208") for key in (one.routing_key, *one.cc))
