"""The journal's disk is full: a small file system of its own, filled to the last byte while events flow."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.taker import new_vhost
from tests.faults.line import Line, line
from tests.services.choice import RabbitmqServer
from tests.services.guard import Guard

pytestmark = [pytest.mark.rabbitmq, pytest.mark.faults]

SIZE_MIB = 12


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of a few MiB; only the superuser may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only the superuser may mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take all the space that is left."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    return filler


async def full(whole: Line, place: Path) -> Path:
    """Fill the disk; return once ami-bus has noticed."""
    filler = await asyncio.to_thread(fill, place)
    while not any(report["alarm"] for report in whole.amibus.told("JournalAlarm")):
        if os.statvfs(place).f_bavail:
            # A checkpoint gave some back.
            (place / f"filler{whole.pbx.numbers.last}").write_bytes(b"")
        await asyncio.sleep(0.05)
    return filler


async def test_while_the_bus_takes_events_a_full_disk_costs_nothing(
    rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path, small_disk: Path
) -> None:
    vhost = await new_vhost(rabbitmq)
    async with line(tmp_path, guard, rabbitmq, vhost=vhost, journal={"dir": str(small_disk)}) as whole:
        await whole.flowing()
        filler = await full(whole, small_disk)
        await whole.flowing()
        await whole.flowing()
        filler.unlink()
        await whole.amibus.wait_told("JournalAlarm", alarm="")
        await whole.flowing()
        story = await whole.story()
    story.check()
    assert story.gaps == []
    assert story.missed == []
    assert story.duplicates == 0


async def test_with_disk_and_bus_gone_memory_holds_to_its_bound_and_the_rest_is_announced_to_the_number(
    rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path, small_disk: Path
) -> None:
    vhost = await new_vhost(rabbitmq)
    journal = {"dir": str(small_disk), "memory_limit": "1 MiB"}
    async with line(tmp_path, guard, rabbitmq, vhost=vhost, rate=2000, journal=journal) as whole:
        await whole.flowing()
        whole.bus_proxy.go_down()
        await whole.amibus.wait_told("BusDown")
        filler = await full(whole, small_disk)
        # Three times what the memory may hold.
        await whole.pbx.said(whole.pbx.numbers.last + 3 * (1 << 20) // 500)
        filler.unlink()
        await whole.amibus.wait_told("JournalAlarm", alarm="")
        whole.bus_proxy.resume()
        await whole.flowing()
        story = await whole.story()
    story.check()
    assert set(story.causes) == {"disk_full"}
    assert story.missed
    assert sum(gap.count or 0 for gap in story.gaps) == len(story.missed)
    assert all(gap.count == gap.span for gap in story.gaps)
