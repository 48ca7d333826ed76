"""The journal's disk takes nothing more while events flow, and then takes them again.

Two ways to a full disk: a small file system of its own, filled to the last byte (only the superuser may
mount one), and the kernel's limit on the size of the files that the process may write.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.end_to_end.installation import Installation
from tests.end_to_end.taker import new_vhost
from tests.faults.line import line
from tests.services.choice import RabbitmqServer
from tests.services.guard import Guard

pytestmark = [pytest.mark.rabbitmq, pytest.mark.faults]

SIZE_MIB = 12
FILE_BYTES = 128 << 10


class Disk(Protocol):
    """Where the journal stands, and how its space comes and goes."""

    place: Path

    def fill(self, amibus: Installation) -> None:
        """Take all space; called again while some was given back."""
        ...

    def free(self, amibus: Installation) -> None: ...


class SmallFileSystem:
    """A tmpfs of a few MiB."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._fillers: list[Path] = []

    def fill(self, amibus: Installation) -> None:
        filler = self.place / f"filler{len(self._fillers)}"
        self._fillers.append(filler)
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue

    def free(self, amibus: Installation) -> None:
        for filler in self._fillers:
            filler.unlink()


class SizeLimit:
    """No file of the process may grow beyond a limit that its journal has passed already."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def fill(self, amibus: Installation) -> None:
        _, hard = resource.prlimit(amibus.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(amibus.process.pid, resource.RLIMIT_FSIZE, (FILE_BYTES, hard))

    def free(self, amibus: Installation) -> None:
        _, hard = resource.prlimit(amibus.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(amibus.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


@pytest.fixture(params=["file system", "size limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    place = tmp_path / "disk"
    place.mkdir()
    if request.param == "size limit":
        yield SizeLimit(place)
        return
    if os.geteuid():
        pytest.skip("only the superuser may mount a small file system")
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield SmallFileSystem(place)
    subprocess.run(["umount", "-l", str(place)], check=True)


async def full(disk: Disk, amibus: Installation) -> None:
    """Fill the disk; return once ami-bus has noticed."""
    while not any(report["alarm"] for report in amibus.told("JournalAlarm")):
        await asyncio.to_thread(disk.fill, amibus)
        await asyncio.sleep(0.2)


async def test_while_the_bus_takes_events_a_full_disk_costs_nothing(
    rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path, disk: Disk
) -> None:
    vhost = await new_vhost(rabbitmq)
    async with line(tmp_path, guard, rabbitmq, vhost=vhost, journal={"dir": str(disk.place)}) as whole:
        await whole.flowing()
        await full(disk, whole.amibus)
        await whole.flowing()
        await whole.flowing()
        disk.free(whole.amibus)
        await whole.amibus.wait_told("JournalAlarm", alarm="")
        await whole.flowing()
        story = await whole.story()
    story.check()
    assert story.gaps == []
    assert story.missed == []
    assert story.duplicates == 0


async def test_with_disk_and_bus_gone_memory_holds_to_its_bound_and_the_rest_is_announced_to_the_number(
    rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path, disk: Disk
) -> None:
    vhost = await new_vhost(rabbitmq)
    journal = {"dir": str(disk.place), "memory_limit": "1 MiB"}
    async with line(tmp_path, guard, rabbitmq, vhost=vhost, rate=2000, journal=journal) as whole:
        await whole.flowing()
        whole.bus_proxy.go_down()
        await whole.amibus.wait_told("BusDown")
        await full(disk, whole.amibus)
        # Three times what the memory may hold.
        await whole.pbx.said(whole.pbx.numbers.last + 3 * (1 << 20) // 500)
        disk.free(whole.amibus)
        await whole.amibus.wait_told("JournalAlarm", alarm="")
        whole.bus_proxy.resume()
        await whole.flowing()
        story = await whole.story()
    story.check()
    assert set(story.causes) == {"disk_full"}
    assert story.missed
    assert sum(gap.count or 0 for gap in story.gaps) == len(story.missed)
    assert all(gap.count == gap.span for gap in story.gaps)
