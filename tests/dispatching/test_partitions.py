"""A binding's partitions among processes that come and go: shared fairly, each call in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.dispatching.share import surplus
from tests.dispatching.office import NAME, Office, ScriptedSink, message
from tests.fakes.source import FakeSource, owner
from tests.fakes.virtual_time import run_virtual

PARTITIONS = 6


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 9), max_size=20),
    st.integers(1, 9),
    st.integers(0, 5),
)
def test_what_is_let_go_is_what_is_above_the_share(held: dict[str, int], consumers: int, idle: int) -> None:
    partitions = len(held) + idle
    gone = surplus(held, partitions, consumers)
    left = len(held) - len(gone)
    assert len(set(gone)) == len(gone)
    assert set(gone) <= set(held)
    assert left * consumers < partitions + consumers
    assert not gone or left == -(-partitions // consumers)
    if gone and left:
        assert max(held[name] for name in gone) <= min(held[name] for name in set(held) - set(gone))


async def process(office: Office, sink: ScriptedSink) -> None:
    owner.set(asyncio.current_task())
    await office.another(sink).run()


class Traffic:
    """Calls that go on all the time, each in its partition."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._numbers: Iterator[int] = iter(range(1, 10**9))
        self._draw = random.Random(7)

    async def run(self) -> None:
        while True:
            number, call = next(self._numbers), self._draw.randrange(40)
            self._office.publish(message(number, f"call-{call}"), place=f"{NAME}:{call % PARTITIONS}")
            await asyncio.sleep(0.01)


def active(office: Office) -> list[int]:
    """How many partitions each process serves, by the broker's choice."""
    firsts = [office.source.place(f"{NAME}:{index}").subscriptions[0] for index in range(PARTITIONS)]
    owners: dict[object, int] = {}
    for subscription in firsts:
        owners[subscription.owner] = owners.get(subscription.owner, 0) + 1
    return sorted(owners.values())


@pytest.mark.parametrize("graceful", [True, False])
def test_processes_that_come_share_the_partitions_and_what_goes_is_taken_over(graceful: bool) -> None:
    async def world() -> None:
        office = Office(source=FakeSource(PARTITIONS), sink=ScriptedSink(lambda event: 0.005))
        traffic = asyncio.create_task(Traffic(office).run())
        tasks = []
        for _ in range(3):
            sink = ScriptedSink(lambda event: 0.005, done=office.sink.done, busy=office.sink.busy)
            tasks.append(asyncio.create_task(process(office, sink)))
            await asyncio.sleep(30)
        assert active(office) == [2, 2, 2]
        gone = tasks.pop(0)
        if not graceful:
            for index in range(PARTITIONS):
                for subscription in list(office.source.place(f"{NAME}:{index}").subscriptions):
                    if subscription.owner is gone:
                        subscription.lose()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        await asyncio.sleep(30)
        assert active(office) == [3, 3]
        traffic.cancel()
        await office.all_settled(within_secs=60)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, traffic, return_exceptions=True)
        office.check(twice_allowed=not graceful)

    run_virtual(world())
