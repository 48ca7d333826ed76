"""`amibus run` killed with SIGKILL at random moments, again and again, while the PBX goes on talking.

After each start the gap says what may have been missed; whatever stands in the journal is on the bus, and
nothing else is; what was sent twice has the same id and the same bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from publisher.adapters.journal import open_journal
from publisher.records import CONTROL
from tests.end_to_end.installation import ENVIRONMENT, Installation, PbxLine
from tests.end_to_end.taker import Taker, new_vhost
from tests.faults.line import QUICK_BUS, QUICK_PBX, WINDOW
from tests.faults.numbered_pbx import numbered_pbx
from tests.faults.oracle import Story, story_of
from tests.services.choice import RabbitmqServer
from tests.services.guard import Guard

pytestmark = [pytest.mark.rabbitmq, pytest.mark.faults]


class Zygote:
    """Starts and kills `amibus run` on one configuration."""

    def __init__(self, process: asyncio.subprocess.Process, guard: Guard) -> None:
        self._process = process
        self._guard = guard

    async def start(self) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"start\n")
        number = int(await self._process.stdout.readline())
        self._guard.watch_group(number)
        return number

    async def end(self, number: int, how: signal.Signals) -> None:
        """Send the signal and wait until the process is gone, and its lock on the journal with it."""
        os.kill(number, how)
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(number, 0)
                await asyncio.sleep(0.002)
        self._guard.forget_group(number)


@asynccontextmanager
async def zygote(amibus: Installation, guard: Guard) -> AsyncIterator[Zygote]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.zygote", str(amibus.config), str(amibus.log)),
        env=ENVIRONMENT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    guard.watch_group(process.pid)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield Zygote(process, guard)
    finally:
        process.kill()
        await process.communicate()
        guard.forget_group(process.pid)


@pytest.mark.parametrize(
    ("kills", "longest_secs", "seed"),
    [
        pytest.param(60, 0.3, 1, id="60-times"),
        pytest.param(200, 2.5, 2, id="200-times", marks=pytest.mark.soak),
    ],
)
async def test_killed_at_random_it_announces_what_it_missed_and_publishes_what_it_journalled(
    rabbitmq: RabbitmqServer, guard: Guard, tmp_path: Path, kills: int, longest_secs: float, seed: int
) -> None:
    vhost = await new_vhost(rabbitmq)
    queue = Taker(rabbitmq, "#", vhost)
    await queue.bind()
    moments = random.Random(seed)
    async with numbered_pbx(rate=1000) as pbx:
        amibus = Installation(tmp_path, guard, [PbxLine(pbx.port, more=QUICK_PBX)], queue.url, QUICK_BUS)
        async with zygote(amibus, guard) as mother:
            for kill in range(kills):
                number = await mother.start()
                # One in four at any moment of its start, the others while events flow.
                if kill % 4:
                    await pbx.pbx.wait_until(lambda: any(one.listens for one in pbx.pbx.sessions))
                await asyncio.sleep(moments.uniform(0.0, longest_secs))
                await mother.end(number, signal.SIGKILL)
                await pbx.pbx.wait_gone()
            number = await mother.start()
            await queue.until(pbx.reached(pbx.numbers.last + 200), 60)
            last = pbx.hush()
            await queue.until(lambda batch: pbx.reached(last)(queue.all), 30)
            await mother.end(number, signal.SIGTERM)
    await queue.take()
    story = story_of(queue.all, pbx.numbers.sent)
    check(story, kills)
    assert len(story.missed) > 0
    assert not amibus.told("ServiceCrashed")
    assert await journalled(amibus) == list(dict.fromkeys(one.message_id for one in queue.all))


def check(story: Story, kills: int) -> None:
    story.check()
    # A start announces a gap unless it is the very first; one that was killed before it was up has not yet.
    assert set(story.causes) <= {"collector_restart"}
    assert kills // 2 < len(story.gaps) <= kills
    assert story.duplicates <= WINDOW * kills


async def journalled(amibus: Installation) -> list[str]:
    """The ids of all that stands in the journal, in order."""
    journal = await open_journal(amibus.journals, "main")
    ids: list[str] = []
    pos = 0
    while records := await journal.read(pos):
        ids += [f"main-{record.epoch:x}-{record.seq:x}" for record in records]
        assert not any(record.kind == CONTROL and record.span > 1 for record in records)
        pos = records[-1].pos
    await journal.close()
    return ids
