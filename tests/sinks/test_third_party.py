"""The page's sink of one's own, installed as anybody would, found by the registry and run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sinks.document import block

ROOT = Path(__file__).parents[2]

USE = """
import asyncio, sys
from consumers.plugin import SinkContext
from consumers.sinks.registry import SinkRegistry
from consumers.testing import sink_events

async def main():
    found = SinkRegistry().find("statsd")
    options = found.options({"port": int(sys.argv[1])})
    sink = found.make(options, SinkContext("calls"))
    await sink.open()
    print(await sink.take(sink_events(2)))
    await sink.close()
    print(found.package, found.most_events(options))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip has put the package that the page shows."""
    source, target = tmp_path_factory.mktemp("ami-bus-statsd"), tmp_path_factory.mktemp("site")
    (source / "ami_bus_statsd.py").write_text(block("python", "class StatsdSink"), encoding="utf-8")
    (source / "pyproject.toml").write_text(block("pyproject", "amibus.sinks"), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
    ]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def run(installed: Path, program: str, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *args],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_found_by_its_name_and_takes_events(installed: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(20)
        said = run(installed, USE, str(statsd.getsockname()[1]))
        assert [statsd.recv(100) for _ in range(2)] == [b"ami.Hangup:1|c"] * 2
    assert said.splitlines() == ["Done()", "ami-bus-statsd 1.0 100"]


def test_its_test_of_the_page_passes(installed: Path) -> None:
    run(installed, block("python", "def test_statsd") + "\ntest_statsd()\n")


def test_it_is_about_twenty_lines() -> None:
    code = [line for line in block("python", "class StatsdSink").splitlines() if line.strip()]
    imports = [line for line in code if line.startswith(("import", "from"))]
    assert len(code) - len(imports) <= 26
