"""A commander that kills itself with SIGKILL at a given step, and the process that forks such ones.

The process has the program loaded; for each line it reads, a fate as JSON, it forks a child: `amibus run`
in all but the fate. A fate names a step (a call of a port, or the answer to an action), whether death comes
before or after it, and which time: {"step": "note_sent", "when": "after", "nth": 3}; {} lives until
somebody else ends it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from publisher.adapters.clock import SystemClock
from publisher.adapters.log import LogReporter
from publisher.app import PublisherApp
from publisher.app.commands import CommandsApp
from publisher.command import interpreter
from publisher.command.stopping import run_loop, stop_on_signals
from publisher.configuration.loading import load

QUEUE_STEPS = ("take", "renew", "orphans", "claim", "mark_sending", "finish", "tell")
JOURNAL_STEPS = ("memory", "unfinished", "remember", "known", "note_sent", "note_finals")
LINE_STEPS = ("send", "flush", "answered")
# What a process does once, when it begins.
OPENING_STEPS = frozenset({"take", "renew", "orphans", "memory", "unfinished", "remember"})
STEPS = [(step, when) for step in (*QUEUE_STEPS, *JOURNAL_STEPS, *LINE_STEPS) for when in ("before", "after")]


class Fate:
    """When to die."""

    def __init__(self, fate: dict[str, Any]) -> None:
        self._step = (fate.get("step"), fate.get("when"))
        self._left = int(fate.get("nth", 1))

    def meet(self, step: str, when: str) -> None:
        if self._step == (step, when):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class DyingPort:
    """A port whose asynchronous methods may be the last thing that happens."""

    def __init__(self, inner: Any, fate: Fate, steps: tuple[str, ...]) -> None:
        self._inner = inner
        self._fate = fate
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._steps:
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._fate.meet(name, "before")
            answer = await found(*args, **kwargs)
            self._fate.meet(name, "after")
            return answer

        return call


class DyingLine:
    """The way to the PBX; death may come at a send, at the write, or with the answer."""

    def __init__(self, inner: Any, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def send(self, action: str, headers: Any, action_id: str, taker: Any, timeout_secs: float) -> None:
        self._fate.meet("send", "before")
        self._inner.send(action, headers, action_id, DyingTaker(taker, self._fate), timeout_secs)
        self._fate.meet("send", "after")

    def flush(self) -> None:
        self._fate.meet("flush", "before")
        self._inner.flush()
        self._fate.meet("flush", "after")


class DyingTaker:
    def __init__(self, inner: Any, fate: Fate) -> None:
        self.item = inner.item
        self._answered: Callable[[Any], None] = inner.answered
        self._fate = fate

    def answered(self, reply: Any) -> None:
        self._fate.meet("answered", "before")
        self._answered(reply)
        self._fate.meet("answered", "after")


class DyingCommands(CommandsApp):
    """The commands of a configuration, under a fate."""

    fate = Fate({})

    async def open_journal(self, pbx: str) -> Any:
        return DyingPort(await super().open_journal(pbx), self.fate, JOURNAL_STEPS)

    def open_queue(self, pbx: str, owner: str) -> Any:
        return DyingPort(super().open_queue(pbx, owner), self.fate, QUEUE_STEPS)

    def action_line(self, collector: Any) -> Any:
        return DyingLine(collector, self.fate)


async def live(config: Path, fate: Fate) -> None:
    stop = stop_on_signals()
    settings, clock = load(config, {}), SystemClock()
    report = LogReporter("json")
    commands = DyingCommands(settings, report, clock)
    commands.fate = fate
    app = PublisherApp(settings, report, clock, commands=commands)
    await app.start()
    interpreter.tune()
    await stop.wait()
    await app.stop()


def serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    config, log = sys.argv[1:3]
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child:
            print(child, flush=True)
            continue
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        run_loop(live(Path(config), Fate(json.loads(line))))
        # Nothing of the parent's is run at this child's end.
        os._exit(0)


if __name__ == "__main__":
    serve()
