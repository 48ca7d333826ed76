"""Real sinks behind the real dispatcher, while what they talk to fails: nothing lost, each call in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence, Set
from pathlib import Path

import pytest

from consumers.dispatching.intake import OpenGate
from consumers.dispatching.runner import BindingRunner
from consumers.dispatching.settings import DispatchSettings
from consumers.plugin import SinkContext, SinkEvent
from consumers.ports import Binding
from consumers.reports import BindingReport, SinkDown
from consumers.testing import sink_events
from tests.fakes.parking_lot import FakeLot
from tests.fakes.source import FakeSource
from tests.services.choice import PostgresqlServer, RabbitmqServer, RedisServer
from tests.sinks.places import (
    REGISTRY,
    AmqpPlace,
    JsonlPlace,
    Place,
    PostgresqlPlace,
    RedisPlace,
    WebhookPlace,
)
from tests.sinks.receiver import Request, answer

COUNT, CALLS = 600, 40
SETTINGS = DispatchSettings(
    concurrency=4, most_events=20, tries=6, retry_secs=0.02, retry_most_secs=0.1, take_secs=10
)


Disturb = Callable[[Callable[[], None]], Awaitable[None]]
"""Makes faults, and calls what it is given while something is broken: then the other half of events come."""


async def dispatched(place: Place, disturb: Disturb) -> FakeLot:
    """Serve a binding until every event is settled, and disturb it meanwhile."""
    found = REGISTRY.find(place.sink)
    sink = found.make(found.options(place.options), SinkContext("b", place.folder))
    source, lot, reports = FakeSource(), FakeLot(), list[BindingReport]()
    runner = BindingRunner(Binding("b", ("#",)), SETTINGS, source, OpenGate(), sink, lot, reports.append)
    settled: set[str] = set()
    all_settled = asyncio.Event()

    def settling(id: str) -> None:
        settled.add(id)
        if len(settled) == COUNT:
            all_settled.set()

    def put(events: Sequence[SinkEvent]) -> None:
        for event in events:
            source.place("b").put(event.message)

    source.place("b").on_settle = settling
    half = COUNT // 2
    put(sink_events(half, calls=CALLS))
    serving = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(60):
            await disturb(lambda: put(sink_events(COUNT - half, first=half + 1, calls=CALLS)))
            await all_settled.wait()
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert any(isinstance(report, SinkDown) for report in reports)
    return lot


def check_order(found: list[str], parked: Set[str] = frozenset()) -> None:
    """Each event is there or parked; of each call, what came first stands first."""
    firsts = list(dict.fromkeys(found))
    events = sink_events(COUNT, calls=CALLS)
    assert set(firsts) | parked == {event.id for event in events}
    at = {id: number for number, id in enumerate(firsts)}
    for call in range(CALLS):
        places = [at[event.id] for event in events if event.event.call == f"call-{call}" and event.id in at]
        assert places == sorted(places), call


async def test_a_webhook_that_fails_now_and_then_and_has_poison(tmp_path: Path) -> None:
    place = WebhookPlace(tmp_path)
    await place.start()
    taken: list[str] = []
    dice = random.Random(4)
    poison = {event.id for event in sink_events(3, first=100)}

    async def behave(request: Request, writer: asyncio.StreamWriter) -> bool:
        ids = [event["id"] for event in request.json]
        if poison & set(ids):
            writer.write(answer(422))
        elif (luck := dice.random()) < 0.1:
            writer.write(answer(503, Retry_After="0"))
        elif luck < 0.15:
            writer.transport.abort()
            return False
        else:
            taken.extend(ids)
            writer.write(answer(200))
        await writer.drain()
        return True

    place.receiver.behaviour = behave

    async def disturb(more: Callable[[], None]) -> None:
        await asyncio.sleep(0.1)
        await place.go_down()
        more()
        await asyncio.sleep(0.3)
        await place.come_back()

    lot = await dispatched(place, disturb)
    await place.stop()
    parked = {event.message.message_id for event in lot.events.values()}
    assert parked == poison
    check_order(taken, parked)


@pytest.mark.parametrize("name", ["amqp", "redis-stream", "postgresql"])
async def test_a_server_whose_line_is_cut_again_and_again(
    name: str,
    tmp_path: Path,
    rabbitmq: RabbitmqServer,
    redis_server: RedisServer,
    postgresql: PostgresqlServer,
    sink_user: str,
) -> None:
    place: AmqpPlace | RedisPlace | PostgresqlPlace
    match name:
        case "amqp":
            place = AmqpPlace(tmp_path, rabbitmq)
        case "redis-stream":
            place = RedisPlace(tmp_path, redis_server)
        case _:
            place = PostgresqlPlace(tmp_path, postgresql)
    await place.start()

    async def disturb(more: Callable[[], None]) -> None:
        for _ in range(4):
            await asyncio.sleep(0.03)
            await asyncio.to_thread(place.proxy.cut)
        await place.go_down()
        more()
        await asyncio.sleep(0.3)
        await place.come_back()

    lot = await dispatched(place, disturb)
    found = await place.ids()
    await place.stop()
    assert not lot.events
    if place.exact:
        assert len(found) == COUNT
    if name != "postgresql":
        check_order(found)


async def test_a_file_whose_folder_goes_away_for_a_while(tmp_path: Path) -> None:
    place = JsonlPlace(tmp_path)

    async def disturb(more: Callable[[], None]) -> None:
        await asyncio.sleep(0.01)
        await place.go_down()
        more()
        await asyncio.sleep(0.3)
        await place.come_back()

    lot = await dispatched(place, disturb)
    assert not lot.events
    check_order(await place.ids())
