"""The whole line while the broker is stopped, killed, frozen, full, strict or out of reach.

The PBX's link never fails here, so that no gap may be announced and no number may be missing; repeats are
allowed once the session with the broker was lost, and then at most a window for each loss.
"""

from __future__ import annotations

import asyncio
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.taker import Arrived, Taker
from tests.faults.line import WINDOW, Line, line
from tests.services.choice import RabbitmqServer
from tests.services.guard import Guard

pytestmark = [pytest.mark.rabbitmq, pytest.mark.faults]

LOW_MEMORY = ("set_vm_memory_high_watermark", "0.00001")
ENOUGH_MEMORY = ("set_vm_memory_high_watermark", "0.4")


async def check(whole: Line, sessions_lost: int, *, exactly: bool = False) -> None:
    story = await whole.story()
    story.check()
    assert story.gaps == []
    assert story.missed == []
    assert story.duplicates <= sessions_lost * WINDOW
    assert not exactly or story.duplicates == 0
    assert not whole.amibus.told("ServiceCrashed")


async def test_a_broker_that_is_stopped_and_started_costs_nothing(
    own_rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, own_rabbitmq) as whole:
        await whole.flowing()
        await asyncio.to_thread(own_rabbitmq.stop)
        await whole.amibus.wait_told("BusDown")
        await asyncio.to_thread(own_rabbitmq.start)
        await whole.flowing()
        await check(whole, 1)


async def test_a_broker_killed_while_it_is_published_to_costs_nothing(
    own_rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, own_rabbitmq) as whole:
        await whole.flowing()
        own_rabbitmq.kill9()
        await asyncio.to_thread(own_rabbitmq.start)
        await whole.flowing()
        # A broker that has just begun to start may end the first session that it gets.
        await check(whole, 2)


@pytest.mark.parametrize(
    ("secs", "bus"),
    [
        pytest.param(0.0, {}, id="until-noticed"),
        pytest.param(
            30.0, {"heartbeat_secs": 5, "connect_timeout_secs": 10.0}, marks=pytest.mark.soak, id="30s"
        ),
    ],
)
async def test_a_frozen_broker_costs_nothing(
    own_rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path, secs: float, bus: dict[str, Any]
) -> None:
    async with line(tmp_path, guard, own_rabbitmq, bus=bus) as whole:
        await whole.flowing()
        own_rabbitmq.sigstop()
        await asyncio.sleep(secs)
        await whole.amibus.wait_told("BusDown")
        own_rabbitmq.sigcont()
        await whole.flowing()
        # Tries to connect that fall into the frozen time are no sessions: nothing was sent in them.
        await check(whole, 1)


async def test_a_broker_low_on_memory_blocks_and_nothing_is_repeated(
    own_rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, own_rabbitmq) as whole:
        await whole.flowing()
        await asyncio.to_thread(own_rabbitmq.rabbitmqctl, *LOW_MEMORY)
        await whole.amibus.wait_told("BusBlocked")
        await whole.pbx.said(whole.pbx.numbers.last + 2000)
        await asyncio.to_thread(own_rabbitmq.rabbitmqctl, *ENOUGH_MEMORY)
        await whole.flowing()
        assert not whole.amibus.told("BusDown")
        await check(whole, 0, exactly=True)


async def test_what_no_queue_takes_stands_on_the_unrouted_queue_in_order(
    own_rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, own_rabbitmq) as whole:
        await whole.flowing()
        await whole.queue.unbind()
        unrouted = Taker(own_rabbitmq)
        unrouted.name = "ami.unrouted"
        await unrouted.until(whole.pbx.reached(whole.pbx.numbers.last + 500))
        await whole.queue.take()
        routed = len(whole.queue.all)
        whole.queue.name = unrouted.name
        whole.queue.all += unrouted.all
        await check(whole, 0, exactly=True)
        assert len(whole.queue.all) > routed + 500
        assert not whole.amibus.told("BusDown")
        assert not whole.amibus.told("MessagesUnroutable")


async def test_a_full_queue_that_refuses_delays_and_costs_nothing(
    own_rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path
) -> None:
    small = Taker(own_rabbitmq, "#", arguments={"x-max-length": 120, "x-overflow": "reject-publish"})
    async with line(tmp_path, guard, own_rabbitmq) as whole:
        await whole.flowing()
        await small.bind()
        await whole.amibus.wait_told("MessagesRefused")
        # What the small queue refuses the other one has taken: each try may repeat a window there.
        await small.until(whole.pbx.reached(whole.pbx.numbers.last))
        await small.unbind()
        await whole.flowing()
        story = await whole.story()
        story.check()
        assert story.gaps == []
        assert story.missed == []
        assert not whole.amibus.told("BusDown")
        # However often a stretch is repeated, it is never longer than the window.
        assert longest_step_back(whole.queue.all) <= WINDOW
    assert {one.message_id for one in small.all} <= {one.message_id for one in whole.queue.all}


def longest_step_back(arrivals: list[Arrived]) -> int:
    seqs = [int(one.body["seq"]) for one in arrivals]
    furthest = list(accumulate(seqs, max))
    return max(before - now for before, now in zip(furthest, seqs, strict=True))


async def test_a_topic_permission_that_is_missing_and_then_granted_costs_nothing(
    own_rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path
) -> None:
    ctl = own_rabbitmq.rabbitmqctl
    await asyncio.to_thread(ctl, "add_user", "office", "secret")
    await asyncio.to_thread(ctl, "set_permissions", "office", ".*", ".*", ".*")
    await asyncio.to_thread(ctl, "set_topic_permissions", "office", "ami.events", "^other\\.", ".*")
    url = f"amqp://office:secret@{own_rabbitmq.host}:{own_rabbitmq.port}/"
    async with line(tmp_path, guard, own_rabbitmq, bus={"url": url}) as whole:
        await whole.amibus.wait_told("BusRefusal")
        assert "topic" in whole.amibus.told("BusRefusal")[0]["reason"]
        await asyncio.to_thread(ctl, "clear_topic_permissions", "office")
        await whole.flowing()
        # A session that is refused has sent its window before the broker closed the channel.
        await check(whole, 3)


async def test_a_network_cut_again_and_again_costs_nothing(
    own_rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, own_rabbitmq, rate=2000) as whole:
        for _ in range(5):
            await whole.flowing()
            whole.bus_proxy.cut()
        await whole.flowing()
        await check(whole, 5)


async def test_a_half_open_line_to_the_broker_is_noticed_and_costs_nothing(
    own_rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, own_rabbitmq) as whole:
        await whole.flowing()
        whole.bus_proxy.freeze()
        await whole.amibus.wait_told("BusDown")
        whole.bus_proxy.resume()
        await whole.flowing()
        await check(whole, 1)


async def test_ami_bus_started_long_before_its_broker_forwards_everything_once_it_comes(
    own_rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, own_rabbitmq) as whole:
        whole.bus_proxy.go_down()
        await whole.amibus.wait_told("PbxUp")
        await whole.amibus.wait_told("BusDown")
        await whole.pbx.said(3000)
        whole.bus_proxy.resume()
        await whole.flowing()
        await check(whole, 1)
