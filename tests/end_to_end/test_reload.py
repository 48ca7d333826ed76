"""Bindings added, changed and removed while `amibus run` runs; a wrong or half-written file does nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command.amibus import SECRET, simulating
from tests.end_to_end.test_bindings import running
from tests.services.server_process import wait_until

HEAD = """
[[pbx]]
name = "main"
host = "127.0.0.1"
port = {port}
username = "bus"
secret = "{secret}"
[log]
format = "json"
"""
BINDING = """
[[binding]]
name = "{name}"
events = ["{event}"]
sink = "jsonl"
path = "{name}.jsonl"
"""


class Place:
    """A running `amibus run`, its configuration and what it says."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self._head = HEAD.format(port=port, secret=SECRET)

    def write(self, *bindings: tuple[str, str], more: str = "") -> None:
        parts = [BINDING.format(name=name, event=event) for name, event in bindings]
        self.put(self._head + "".join(parts) + more)

    def put(self, text: str) -> None:
        path = self.folder / "amibus.toml"
        path.touch(0o600)
        path.write_text(text, encoding="utf-8")

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text(encoding="utf-8").splitlines()
        return [said for said in map(json.loads, lines) if said["event"] == event]

    def until_told(self, event: str, count: int) -> None:
        wait_until(lambda: len(self.told(event)) >= count, 30, f"{count} times {event}")

    def until_taken(self, name: str) -> None:
        path = self.folder / f"{name}.jsonl"
        before = path.stat().st_size if path.exists() else 0
        wait_until(lambda: path.exists() and path.stat().st_size > before, 30, f"an event for {name}")

    def bound(self) -> set[str]:
        text = (self.folder / "data/bindings.json").read_text(encoding="utf-8")
        return set(json.loads(text)["bindings"])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with simulating("--calls-per-second", "20", cwd=tmp_path) as simulator:
        found = Place(tmp_path, simulator.port)
        found.write(("first", "Newstate"))
        with running(tmp_path) as process:
            found.until_taken("first")
            yield found
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def test_bindings_come_change_and_go_without_touching_the_others(place: Place) -> None:
    place.write(("first", "Newstate"), ("second", "Newstate"))
    place.until_taken("second")
    assert place.told("ConfigurationChanged")[-1]["bindings"] == ["first", "second"]
    place.write(("first", "Newstate"), ("second", "Hangup"))
    place.until_told("ConfigurationChanged", 2)
    place.until_taken("second")
    place.write(("first", "Newstate"))
    place.until_told("BindingRemoved", 1)
    assert place.bound() == {"first"}
    place.until_taken("first")
    # The first was begun once, and never ended.
    assert [said["binding"] for said in place.told("BindingServed")].count("first") == 1
    assert {said["binding"] for said in place.told("BindingEnded")} == {"second"}


WRONG = [
    ("", "holds neither a [[binding]] nor a [[pbx]]"),
    ('[[binding]]\nname = "first"\nsink = "jsonl"\npath = "first.jsonl"\nregex = "("\n', "missing )"),
    ('[[binding]]\nname = "first"\nsink = "no-such"\n', "there is no sink 'no-such'"),
    ("[[binding", "is no TOML"),
]


def test_a_wrong_file_is_told_and_everything_goes_on_as_it_was(place: Place) -> None:
    for count, (text, says) in enumerate(WRONG, start=1):
        place.put(text)
        place.until_told("ConfigurationRefused", count)
        assert says in place.told("ConfigurationRefused")[-1]["reason"]
    assert place.bound() == {"first"}
    place.until_taken("first")
    assert not place.told("BindingEnded")


def test_what_counts_only_after_a_restart_is_named(place: Place) -> None:
    place.write(("first", "Newstate"), more="[journal]\nkeep_days = 3\n")
    place.until_told("ConfigurationChanged", 1)
    assert place.told("ConfigurationChanged")[0]["restart_for"] == ["[journal]"]
    assert not place.told("BindingEnded")
