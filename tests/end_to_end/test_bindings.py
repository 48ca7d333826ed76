"""From a recorded PBX through `amibus run` to a sink, on both buses: a filter delivers exactly what the plain
`regex` selects, once and in order; also where the process is killed meanwhile."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import regex

from schemas import Event, packet_text
from tests.command.amibus import COMMAND, PATIENCE_SECS, SECRET, environment, objects, simulating
from tests.end_to_end.taker import new_vhost
from tests.services.choice import RabbitmqServer
from tests.services.server_process import wait_until

SEED = "Dial.{1,}?200|Bridge.{1,}?200|Hangup.{1,}?200"
ROOT = Path(__file__).parents[2]
TRACES = ROOT.parent / "shared/traces"
CONFIG = """
[[pbx]]
name = "main"
host = "127.0.0.1"
port = {port}
username = "bus"
secret = "{secret}"
ping_timeout_secs = 30
[bus]
{bus}
[[binding]]
name = "all"
start = "{start}"
sink = "jsonl"
path = "all.jsonl"
[[binding]]
name = "seed"
start = "{start}"
regex = "{regex}"
sink = "jsonl"
path = "seed.jsonl"
[[binding]]
name = "keys"
start = "{start}"
keys = ["main.*.200"]
where = {{ Event = "^(Dial|Hangup)" }}
sink = "jsonl"
path = "keys.jsonl"
"""


def trace(version: str) -> Path:
    whole = TRACES / version / "mixed-plain.ami.gz"
    return whole if whole.exists() else ROOT / f"tests/corpus/events-{version}.ami"


@contextmanager
def running(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    log = (folder / "log").open("ab")
    process = subprocess.Popen(
        [*COMMAND, "run", *options], stdout=subprocess.DEVNULL, stderr=log, cwd=folder, env=environment()
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / f"{name}.jsonl"
    return objects(path.read_bytes()) if path.exists() else []


def configure(folder: Path, port: int, bus: str) -> None:
    text = CONFIG.format(port=port, secret=SECRET, bus=bus, regex=SEED, start="new" if bus else "oldest")
    (folder / "amibus.toml").write_text(text, encoding="utf-8")
    (folder / "amibus.toml").chmod(0o600)


def check(folder: Path, once: bool) -> None:
    everything = {line["id"]: Event.from_map(line) for line in lines(folder, "all")}
    pattern = regex.compile(SEED, regex.DOTALL)
    wanted = {
        "all": list(everything),
        "seed": [id for id, event in everything.items() if pattern.search(packet_text(event))],
        "keys": [
            id
            for id, event in everything.items()
            if "200" in event.extensions and event.event.startswith(("Dial", "Hangup"))
        ],
    }
    # A few seconds of simulated calls may do without 200.
    assert not once or (wanted["seed"] and wanted["keys"])
    for name, ids in wanted.items():
        found = [line["id"] for line in lines(folder, name)]
        assert set(found) == set(ids), name
        assert not once or len(found) == len(ids), name
        seqs: dict[str, list[int]] = {}
        for id in dict.fromkeys(found):
            seqs.setdefault(everything[id].call, []).append(everything[id].seq)
        assert all(each == sorted(each) for each in seqs.values()), name


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def bus(request: pytest.FixtureRequest) -> str:
    """The table `[bus]` of a configuration."""
    if request.param == "embedded":
        return ""
    server: RabbitmqServer = request.getfixturevalue("rabbitmq")
    vhost = await new_vhost(server)
    return f'url = "amqp://{server.user}:{server.password}@{server.host}:{server.port}/{vhost}"'


@pytest.mark.parametrize("version", ["11", "20"])
def test_the_seeds_filter_delivers_exactly_what_plain_regex_selects(
    bus: str, version: str, tmp_path: Path
) -> None:
    with simulating("--trace", str(trace(version)), "--rate", "4000", cwd=tmp_path) as simulator:
        configure(tmp_path, simulator.port, bus)
        if bus:
            _bind_first(tmp_path)
        with running(tmp_path) as process:
            _wait_for_the_end(tmp_path)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECS) == 0
    check(tmp_path, once=True)


def size(folder: Path) -> int:
    path = folder / "all.jsonl"
    return path.stat().st_size if path.exists() else 0


def _wait_for_the_end(folder: Path) -> None:
    """Until the whole recording has been played and taken: the file has not grown for a while."""
    sizes = [0] * 40

    def quiet() -> bool:
        sizes.append(size(folder))
        return sizes[-1] > 100_000 and sizes[-1] == sizes[-40]

    wait_until(quiet, 120, "the end of the recording")


def _bind_first(folder: Path) -> None:
    """On a broker a binding begins when it is made: all of them before the first event."""
    with running(folder, "--role", "consumers"):
        wait_until(
            lambda: (folder / "log").read_text(encoding="utf-8").count("BindingServed") == 3, 60, "bindings"
        )


def test_killed_again_and_again_it_gives_every_journalled_event_to_the_sinks(tmp_path: Path) -> None:
    with simulating("--calls-per-second", "20", cwd=tmp_path) as simulator:
        configure(tmp_path, simulator.port, "")
        for _ in range(6):
            wanted = size(tmp_path) + 30_000
            with running(tmp_path) as process:
                wait_until(lambda wanted=wanted: size(tmp_path) > wanted, 60, "events in the sink")
                process.kill()
                process.wait()
        with running(tmp_path) as process:
            wanted = size(tmp_path) + 30_000
            wait_until(lambda: size(tmp_path) > wanted, 60, "events in the sink")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECS) == 0
    check(tmp_path, once=False)
    everything = [line["seq"] for line in lines(tmp_path, "all")]
    epochs = {line["epoch"] for line in lines(tmp_path, "all")}
    assert len(epochs) == 1
    # From the binding's beginning on: no number is missing.
    assert sorted(set(everything)) == list(range(min(everything), max(everything) + 1))
