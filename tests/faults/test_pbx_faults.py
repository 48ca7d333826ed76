"""The whole line while the PBX's link is cut, silent, restarted, kicked, refused or slow.

Each fault that can have cost events is announced once, in its place and with its cause, and nothing else is.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.taker import Arrived, new_vhost
from tests.faults.line import Line, line
from tests.faults.oracle import Story
from tests.services.choice import RabbitmqServer
from tests.services.guard import Guard

pytestmark = [pytest.mark.rabbitmq, pytest.mark.faults]


@pytest.fixture
async def vhost(rabbitmq: RabbitmqServer) -> str:
    return await new_vhost(rabbitmq)


async def judged(whole: Line) -> Story:
    story = await whole.story()
    story.check()
    # The broker never failed: nothing was sent twice.
    assert story.duplicates == 0
    assert not whole.amibus.told("ServiceCrashed")
    return story


def epochs(whole: Line) -> list[int]:
    return list(dict.fromkeys(one.body["epoch"] for one in whole.queue.all))


def of_kind(whole: Line, kind: str) -> list[Arrived]:
    return [one for one in whole.queue.all if one.kind == kind]


async def test_each_cut_of_the_link_is_one_announced_gap(
    rabbitmq: RabbitmqServer, vhost: str, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, rabbitmq, vhost=vhost) as whole:
        for _ in range(3):
            await whole.flowing()
            whole.pbx_proxy.cut()
        await whole.flowing()
        story = await judged(whole)
    assert story.causes == ["link_lost"] * 3
    assert story.missed
    assert len(epochs(whole)) == 1
    assert [one.kind for one in whole.queue.all if "control" in one.body] == [
        *["up"],
        *["down", "up", "gap"] * 3,
        *["down"],
    ]


async def test_a_half_open_link_is_one_announced_gap(
    rabbitmq: RabbitmqServer, vhost: str, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, rabbitmq, vhost=vhost) as whole:
        await whole.flowing()
        whole.pbx_proxy.freeze()
        await whole.amibus.wait_told("PbxDown", cause="half_open")
        whole.pbx_proxy.resume()
        await whole.flowing()
        story = await judged(whole)
    assert story.causes == ["half_open"]
    assert story.missed


@pytest.mark.parametrize("announced", [True, False])
async def test_a_restart_of_the_pbx_is_a_new_epoch_and_one_announced_gap(
    rabbitmq: RabbitmqServer, vhost: str, guard: Guard, tmp_path: Path, announced: bool
) -> None:
    async with line(tmp_path, guard, rabbitmq, vhost=vhost) as whole:
        await whole.flowing()
        channel = whole.pbx.pbx.state.new_channel("202")
        whole.pbx.pbx.emit(
            "Newchannel", "call,all", [("Channel", channel.name), ("Uniqueid", channel.uniqueid)]
        )
        await whole.flowing()
        await whole.pbx.pbx.restart(announced=announced, down_secs=0.3)
        await whole.flowing()
        story = await judged(whole)
    assert story.causes == ["pbx_restart"]
    assert len(epochs(whole)) == 2
    [ended] = of_kind(whole, "synthetic")
    assert ended.body["fields"]["Channel"] == channel.name
    assert ended.routing_key == "main.hangup.202"


async def test_a_session_kicked_in_mid_packet_is_one_announced_gap(
    rabbitmq: RabbitmqServer, vhost: str, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, rabbitmq, vhost=vhost) as whole:
        await whole.flowing()
        await whole.pbx.pbx.kick(mid_packet=True)
        await whole.flowing()
        story = await judged(whole)
    assert story.causes == ["cut_off"]


async def test_a_process_that_stood_still_until_the_pbx_cut_it_off_announces_what_it_missed(
    rabbitmq: RabbitmqServer, vhost: str, guard: Guard, tmp_path: Path
) -> None:
    options = {"write_timeout_secs": 0.5, "padding": 20_000}
    async with line(tmp_path, guard, rabbitmq, vhost=vhost, rate=300, simulator=options) as whole:
        await whole.flowing()
        whole.amibus.freeze()
        await whole.pbx.pbx.wait_gone()
        whole.amibus.thaw()
        await whole.flowing()
        story = await judged(whole)
    assert len(story.gaps) == 1
    assert set(story.causes) <= {"cut_off", "link_lost"}
    assert story.missed


async def test_a_wrong_password_is_told_at_once_and_tried_no_second_time_soon(
    rabbitmq: RabbitmqServer, vhost: str, guard: Guard, tmp_path: Path
) -> None:
    async with line(tmp_path, guard, rabbitmq, vhost=vhost, secret="wrong") as whole:
        await whole.amibus.wait_told("PbxLoginRefused", message="Authentication failed")
        [told] = whole.amibus.told("PbxLoginRefused")
        assert told["level"] == "error"
        assert told["retry_secs"] >= 60
        whole.pbx.hush()
        await whole.amibus.stop()
        await whole.queue.take()
    assert whole.pbx.pbx.logins_refused == 1
    assert whole.queue.all == []
    assert not whole.amibus.told("PbxUp")
    assert "wrong" not in whole.amibus.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("chunk_bytes", "pause_secs", "rate"), [(1, 0.0, 10.0), (100, 0.002, 50.0)], ids=["one-byte", "slow"]
)
async def test_a_pbx_that_dribbles_costs_nothing(
    rabbitmq: RabbitmqServer,
    vhost: str,
    guard: Guard,
    tmp_path: Path,
    chunk_bytes: int,
    pause_secs: float,
    rate: float,
) -> None:
    async with line(tmp_path, guard, rabbitmq, vhost=vhost, rate=rate) as whole:
        whole.pbx.pbx.chunk_bytes, whole.pbx.pbx.chunk_pause_secs = chunk_bytes, pause_secs
        await whole.amibus.wait_told("PbxUp")
        await whole.queue.until(whole.pbx.reached(whole.pbx.numbers.last + 20))
        story = await judged(whole)
    assert story.gaps == []
    assert story.missed == []
