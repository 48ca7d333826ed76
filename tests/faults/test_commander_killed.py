"""The commander killed with SIGKILL at every step of the way, and at random, while commands keep coming.

No call is dialled twice; each command is answered once; nobody is told more than is known.
"""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.faults.command_office import CommandOffice, command_pbx, command_zygote
from tests.faults.dying_commander import OPENING_STEPS, STEPS
from tests.faults.orders import Books, Orders, news_of
from tests.services.choice import RedisServer
from tests.services.guard import Guard

pytestmark = pytest.mark.faults

# With the default lease a restarted commander of the same journal takes its turn at once all the same.
QUICK = "lease_secs = 3\ntimeout_secs = 2\nanswer_timeout_secs = 5"


@pytest.mark.parametrize(
    ("version", "rounds", "random_kills", "commands", "seed"),
    [
        pytest.param("20", 1, 40, 2_200, 1, id="asterisk-20"),
        pytest.param("11", 10, 300, 12_000, 2, id="asterisk-11", marks=pytest.mark.soak),
        pytest.param("22", 10, 300, 12_000, 3, id="asterisk-22", marks=pytest.mark.soak),
    ],
)
async def test_killed_at_every_step_and_at_random_it_dials_nothing_twice_and_answers_everything_once(
    own_redis: RedisServer,
    guard: Guard,
    tmp_path: Path,
    version: str,
    rounds: int,
    random_kills: int,
    commands: int,
    seed: int,
) -> None:
    chance = random.Random(seed)
    fates: list[dict[str, Any]] = [
        {"step": step, "when": when, "nth": 1 if step in OPENING_STEPS else chance.randrange(1, 6)}
        for step, when in STEPS * rounds
    ]
    fates += [{} for _ in range(random_kills)]
    chance.shuffle(fates)
    books = Books()
    async with command_pbx(version) as pbx:
        office = CommandOffice(tmp_path, guard, pbx, own_redis.url, QUICK)
        client = office.client()
        orders = Orders(client, books, seed, commands)
        died_by_fate = 0
        async with client, news_of(own_redis.url, books), command_zygote(office, guard) as mother:
            orders.start()
            for fate in fates:
                number = await mother.start(fate)
                if fate and await mother.gone(number, 4.0):
                    died_by_fate += 1
                else:
                    await asyncio.sleep(0 if fate else chance.uniform(0.0, 0.8))
                    await mother.end(number, signal.SIGKILL)
                await pbx.wait_gone()
                books.note_in_doubt(office.journal)
            number = await mother.start()
            await orders.done(180)
            await mother.end(number, signal.SIGTERM)
        states = books.check(pbx)
    print(dict(states), f"died by fate {died_by_fate} of {len(fates)}")
    assert sum(states.values()) == commands
    assert states["succeeded"] > commands // 2
    assert died_by_fate > len(STEPS) * rounds * 0.8
    assert not office.told("ServiceCrashed")
    assert not office.told("CommandAnsweredTwice")
