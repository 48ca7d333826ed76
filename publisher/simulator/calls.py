"""Calls between extensions that begin by themselves, as Asterisk 11, 20 and 22 report them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from publisher.simulator.ask import HangUp
from publisher.simulator.dialplan import Dialplan, Manner
from publisher.simulator.options import Pace, SimulatorOptions
from publisher.simulator.script import Script
from publisher.simulator.state import PbxState

TRUNK: Final = "trunk"


def _play_alone(script: Script) -> None:
    raise AssertionError("only a switchboard sends channels of these calls elsewhere")


class Caller:
    """Writes the scripts of calls for one PBX. `rng` makes them repeatable; `play` begins a script."""

    def __init__(
        self,
        state: PbxState,
        rng: random.Random,
        pace: Pace | None = None,
        options: SimulatorOptions | None = None,
        play: Callable[[Script], None] = _play_alone,
    ) -> None:
        self._state = state
        self._rng = rng
        self._pace = pace or Pace()
        self._dialplan = Dialplan(state, options or SimulatorOptions(), rng, play)

    def next_call(self) -> Script:
        """One call between two extensions, or with an outside number: answered, busy or not answered."""
        free = [
            number
            for number in self._state.extensions
            if self._state.device_state(f"{self._state.style.tech}/{number}") == "NOT_INUSE"
        ]
        if len(free) < 2:
            return iter(())
        caller, callee = self._rng.sample(free, 2)
        if self._rng.random() < 0.1:
            number = f"7495{self._rng.randrange(10**7):07}"
            return self._script(number, callee, from_trunk=True)
        return self._script(caller, callee)

    def _script(self, caller: str, callee: str, *, from_trunk: bool = False) -> Script:
        state, events = self._state, self._dialplan.events
        manner = self._manner(callee)
        a = state.new_channel(TRUNK if from_trunk else caller, exten=callee, caller_num=caller, scripted=True)
        state.processed_calls += 1
        yield events.newchannel(a)
        for name, value in (("SIPURI", f"sip:{caller}@127.0.0.1"), ("SIPDOMAIN", "127.0.0.1")):
            a.set_variable(name, value)
            yield events.varset(a, name, value)
        a.state = 4
        yield events.newstate(a)
        yield from self._dialplan.prepare(a)
        asked = yield from self._dialplan.dial(a, callee, manner)
        if isinstance(asked, HangUp):
            yield from self._dialplan.leave(a, asked)
        elif asked is not None:
            yield from self._dialplan.walk(a, asked)

    def _manner(self, callee: str) -> Manner:
        ends = self._rng.choices(("ANSWER", "NOANSWER", "BUSY"), (80, 12, 8))[0]
        known = self._dialplan.manner(callee).ends
        return Manner(
            ends if known == "ANSWER" else known,
            self._rng.uniform(0.5, 1.5) * self._pace.ring_secs,
            self._rng.expovariate(1.0) * self._pace.talk_secs,
        )
