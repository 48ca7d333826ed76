"""Whatever sink, bus, parking lot and processes do, in any order: nothing lost, nothing settled too early,
each call in order."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.dispatching.runner import BindingRunner
from consumers.dispatching.settings import DispatchSettings
from consumers.errors import SinkUnavailable
from consumers.plugin import DONE, Outcome, Reject, Retry, SinkEvent
from tests.dispatching.office import NAME, Office, ScriptedSink, message
from tests.fakes.virtual_time import run_virtual

TROUBLES = st.sampled_from(["retry", "later", "raise", "away", "slow", "stuck", "reject"])
# What happens to an event at its first tries; then it is taken.
SCRIPTS = st.dictionaries(st.integers(1, 40), st.lists(TROUBLES, max_size=5), max_size=12)
WORLD_TROUBLES = st.lists(
    st.tuples(st.floats(0.05, 40), st.sampled_from(["bus", "crash", "stop", "lot"])), max_size=8
)
BOUNDS = st.builds(
    DispatchSettings,
    prefetch=st.integers(1, 60),
    concurrency=st.integers(1, 6),
    most_events=st.sampled_from([1, 3, 20]),
    tries=st.integers(2, 6),
    take_secs=st.just(5.0),
    drain_secs=st.just(2.0),
)


class Troubled:
    """A sink's behaviour by script."""

    def __init__(self, scripts: dict[int, list[str]]) -> None:
        self._scripts = defaultdict(list, {number: list(words) for number, words in scripts.items()})

    def __call__(self, event: SinkEvent) -> Outcome | Exception | float:
        words = self._scripts[event.event.seq]
        match words.pop(0) if words else "":
            case "retry":
                return Retry("not now")
            case "later":
                return Retry("busy", after_secs=7.0)
            case "raise":
                return RuntimeError("a fault of the sink's")
            case "away":
                return SinkUnavailable("gone")
            case "slow":
                return 2.0
            case "stuck":
                return 1e7
            case "reject":
                return Reject("malformed")
        return DONE


@settings(max_examples=150, deadline=None)
@given(SCRIPTS, WORLD_TROUBLES, BOUNDS, st.integers(1, 40), st.integers(1, 6))
def test_nothing_is_lost_and_each_call_stays_in_order(
    scripts: dict[int, list[str]],
    troubles: list[tuple[float, str]],
    bounds: DispatchSettings,
    count: int,
    calls: int,
) -> None:
    async def world() -> None:
        office = Office(bounds, sink=ScriptedSink(Troubled(scripts)))
        office.publish(*(message(number, f"call-{number % calls}") for number in range(1, count + 1)))
        runner: BindingRunner = office.runner
        task = asyncio.create_task(runner.run())
        for secs, trouble in troubles:
            await asyncio.sleep(secs)
            if trouble == "bus":
                office.source.lose()
            elif trouble == "lot":
                office.lot.failures += 2
            else:
                if trouble == "crash":
                    # Whatever it does from here on nobody sees.
                    office.source.lose()
                    office.sink.is_open = False
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                office.sink.is_open = False
                runner = office.another(office.sink)
                task = asyncio.create_task(runner.run())
        await office.all_settled()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        office.check(twice_allowed=True)
        assert not office.source.place(NAME).waiting

    run_virtual(world())
