"""From a PBX through `amibus run` to a sink of call events, on both buses: those of the pure fold over the
raw events, each once; where processes are killed meanwhile some come twice, with the same id."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from consumers.calls import CallEvent, CallFold
from consumers.folding import FOLD_BINDING
from schemas import Event, routing_keys
from schemas.topics import TopicMatcher
from tests.command.amibus import (
    COMMAND,
    PATIENCE_SECS,
    SECRET,
    amibus,
    environment,
    objects,
    simulating,
)
from tests.end_to_end.taker import new_vhost
from tests.end_to_end.test_bindings import trace
from tests.services.choice import RabbitmqServer
from tests.services.server_process import free_ports, wait_until

CALLS = ("--calls-per-second", "20", "--ring-secs", "0.3", "--talk-secs", "0.7")
TRUNKS = ["trunk", "anonymous"]
CONFIG = """
[[pbx]]
name = "main"
host = "127.0.0.1"
port = {port}
username = "bus"
secret = "{secret}"
trunks = ["trunk", "anonymous"]
ping_timeout_secs = 30
[bus]
{bus}
[log]
format = "json"
[[binding]]
name = "raw"
sink = "jsonl"
path = "raw.jsonl"
[[binding]]
name = "calls"
on = "calls"
sink = "jsonl"
path = "calls.jsonl"
"""


@contextmanager
def running(folder: Path, *options: str, name: str = "log") -> Iterator[subprocess.Popen[bytes]]:
    log = (folder / name).open("ab")
    process = subprocess.Popen(
        [*COMMAND, "run", *options], stdout=subprocess.DEVNULL, stderr=log, cwd=folder, env=environment()
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


def told(folder: Path, event: str, name: str = "log") -> int:
    path = folder / name
    lines = path.read_bytes().splitlines() if path.exists() else []
    return sum(json.loads(line).get("event") == event for line in lines if line.endswith(b"}"))


def served(folder: Path, name: str = "log") -> bool:
    return told(folder, "BindingServed", name) >= 2


def events(folder: Path, name: str) -> list[dict[str, Any]]:
    """What a sink's file holds; a line that a kill cut short came again, whole."""
    path = folder / f"{name}.jsonl"
    return objects(path.read_bytes()) if path.exists() else []


def last_of(folder: Path) -> dict[str, Any]:
    """The last whole line of the sink of calls."""
    lines = (folder / "calls.jsonl").read_bytes().rpartition(b"\n")[0].splitlines()
    last: dict[str, Any] = json.loads(lines[-1])
    return last


def configure(folder: Path, port: int, bus: str) -> None:
    (folder / "amibus.toml").write_text(CONFIG.format(port=port, secret=SECRET, bus=bus), encoding="utf-8")
    (folder / "amibus.toml").chmod(0o600)


def bind_first(folder: Path, bus: str) -> None:
    """Make the places on the bus before there is a PBX: they begin with what comes after."""
    (port,) = free_ports(1)
    configure(folder, port, bus)
    with running(folder) as process:
        wait_until(lambda: served(folder) and told(folder, "FoldingReady") == 1, 60, "all of it bound")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECS) == 0
    (folder / "log").unlink()


def wait_for_the_end(folder: Path) -> None:
    """Until the whole recording has been played and taken: the files have not grown for a while."""
    sizes: list[int] = [0] * 60

    def quiet() -> bool:
        files = [folder / "raw.jsonl", folder / "calls.jsonl"]
        sizes.append(sum(file.stat().st_size for file in files if file.exists()))
        return sizes[-1] > 100_000 and sizes[-1] == sizes[-60]

    wait_until(quiet, 180, "the end of the recording")


def expected(folder: Path) -> dict[str, dict[str, Any]]:
    """What the pure fold tells of the raw events that its keys take."""
    matcher: TopicMatcher[str] = TopicMatcher()
    for key in FOLD_BINDING.keys:
        matcher.bind(key, key)
    raw = {line["id"]: Event.from_map(line) for line in events(folder, "raw")}
    fold = CallFold({"main": TRUNKS})
    found: dict[str, dict[str, Any]] = {}
    for event in sorted(raw.values(), key=lambda event: (event.epoch, event.seq)):
        if event.control is not None or matcher.targets_of(
            routing_keys("main", event.event, event.extensions)
        ):
            found.update((one.id, one.to_map()) for one in fold.feed(event))
    return found


def check(folder: Path, *, once: bool) -> None:
    wanted, found = expected(folder), events(folder, "calls")
    assert len(wanted) > 50
    assert {line["id"] for line in found} == set(wanted)
    assert all(line == wanted[line["id"]] for line in found)
    if once:
        assert len(found) == len(wanted)
        orders: dict[str, list[tuple[int, int]]] = {}
        for line in found:
            orders.setdefault(line["call"], []).append((line["epoch"], line["seq"]))
        assert all(order == sorted(order) for order in orders.values())


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def bus(request: pytest.FixtureRequest) -> str:
    """The table `[bus]` of a configuration."""
    if request.param == "embedded":
        return ""
    return await on_a_broker(request)


async def on_a_broker(request: pytest.FixtureRequest) -> str:
    server: RabbitmqServer = request.getfixturevalue("rabbitmq")
    vhost = await new_vhost(server)
    return f'url = "amqp://{server.user}:{server.password}@{server.host}:{server.port}/{vhost}"'


@pytest.mark.parametrize("version", ["11", "20"])
def test_a_sink_gets_each_call_event_of_a_recording_once(bus: str, version: str, tmp_path: Path) -> None:
    bind_first(tmp_path, bus)
    with simulating("--trace", str(trace(version)), "--rate", "3000", cwd=tmp_path) as simulator:
        configure(tmp_path, simulator.port, bus)
        with running(tmp_path) as process:
            wait_for_the_end(tmp_path)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECS) == 0
    check(tmp_path, once=True)


@pytest.mark.faults
def test_a_process_that_is_killed_again_and_again_loses_no_call_event(bus: str, tmp_path: Path) -> None:
    """On the embedded bus the collector dies with it, and the gaps are part of what is folded."""
    draw = random.Random(7)
    bind_first(tmp_path, bus)
    with simulating(*CALLS, cwd=tmp_path) as simulator, ExitStack() as stack:
        configure(tmp_path, simulator.port, bus)
        roles: tuple[str, ...] = ()
        if bus:
            stack.enter_context(running(tmp_path, "--role", "collector", name="collector"))
            roles = ("--role", "consumers")
        for _ in range(6):
            with running(tmp_path, *roles) as process:
                wait_until(lambda: told(tmp_path, "FoldingBegun") == 1, 60, "the folding")
                time.sleep(draw.uniform(0.1, 1.5))
                process.kill()
                process.wait()
            (tmp_path / "log").unlink()
        with running(tmp_path, *roles) as process:
            wait_until(lambda: told(tmp_path, "FoldingBegun") == 1, 60, "the folding")
            simulator.end(signal.SIGTERM)
            wait_for_the_end(tmp_path)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECS) == 0
    check(tmp_path, once=False)
    if not bus:
        # What stood on the bus twice would be there in two rows: only what the sink had is repeated.
        assert len(events(tmp_path, "calls")) < 1.5 * len(expected(tmp_path))


@pytest.mark.faults
@pytest.mark.rabbitmq
async def test_whoever_stands_by_takes_over(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Two processes of consumers; the one that folds is killed each time."""
    bus = await on_a_broker(request)
    await asyncio.to_thread(_kill_who_folds, tmp_path, bus)
    check(tmp_path, once=False)


def _kill_who_folds(folder: Path, bus: str) -> None:
    bind_first(folder, bus)
    with simulating(*CALLS, cwd=folder) as simulator, ExitStack() as stack:
        configure(folder, simulator.port, bus)
        stack.enter_context(running(folder, "--role", "collector", name="collector"))

        def start(name: str) -> subprocess.Popen[bytes]:
            return stack.enter_context(running(folder, "--role", "consumers", name=name))

        folding = start("log0")
        wait_until(lambda: told(folder, "FoldingBegun", "log0") == 1, 60, "the folding")
        for number in range(1, 5):
            name = f"log{number}"
            next_one = start(name)
            wait_until(lambda name=name: told(folder, "FoldingReady", name) == 1, 60, "standing by")  # type: ignore[misc]
            time.sleep(0.5)
            assert told(folder, "FoldingBegun", name) == 0
            folding.kill()
            folding.wait()
            wait_until(lambda name=name: told(folder, "FoldingBegun", name) == 1, 60, "taking over")  # type: ignore[misc]
            folding = next_one
        simulator.end(signal.SIGTERM)
        wait_for_the_end(folder)
        folding.send_signal(signal.SIGTERM)
        assert folding.wait(PATIENCE_SECS) == 0


def test_tail_shows_call_events_and_folding_begins_and_ends_with_the_bindings(
    bus: str, tmp_path: Path
) -> None:
    with simulating(*CALLS, cwd=tmp_path) as simulator:
        configure(tmp_path, simulator.port, bus)
        with running(tmp_path) as process:
            wait_until(lambda: told(tmp_path, "FoldingBegun") == 1, 60, "the folding")
            shown = amibus("tail", "--calls", "*.ended.#", "*.missed.#", "-n", "3", cwd=tmp_path)
            assert shown.returncode == 0, shown.stderr
            lines = objects(shown.stdout)
            assert [CallEvent.from_map(line).state.last for line in lines] == [True] * 3
            assert lines[0]["keys"][0].startswith(f"main.{lines[0]['state']}.")
            config = tmp_path / "amibus.toml"
            whole = config.read_text(encoding="utf-8")
            config.write_text(whole.replace('on = "calls"', ""), encoding="utf-8")
            wait_until(lambda: told(tmp_path, "FoldingEnded") == 1, 60, "the end of the folding")
            wait_until(lambda: "state" not in last_of(tmp_path), 60, "events in place of call events")
            config.write_text(whole, encoding="utf-8")
            # The log does not repeat itself within 10 s; the file meanwhile got events.
            wait_until(lambda: "state" in last_of(tmp_path), 60, "call events again")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECS) == 0
    assert told(tmp_path, "BindingCrashed") == 0


def test_tail_of_call_events_has_no_regex(tmp_path: Path) -> None:
    shown = amibus("tail", "--calls", "--regex", "x", cwd=tmp_path)
    assert shown.returncode == 2
    assert b"call events have no packet's text" in shown.stderr
