"""Runs the real `amibus` command as users do: another process, its output and its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "publisher.command.main")
SECRET = "s3cret"
PATIENCE_SECS = 120


def environment(**more: str) -> dict[str, str]:
    """This process's environment without any setting of ours, and with what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AMIBUS")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", **more}


def amibus(*arguments: str, cwd: Path, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command line to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=environment(**more),
        timeout=PATIENCE_SECS,
    )


def one_line(run: subprocess.CompletedProcess[bytes], code: int) -> str:
    """The one line on standard error of a run that failed with this code; no traceback, nothing else."""
    error = run.stderr.decode()
    assert run.returncode == code, error
    assert "Traceback" not in error
    (line,) = error.splitlines()
    assert line.startswith("amibus: ")
    return line


def objects(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


class Simulator:
    """A running `amibus simulate`."""

    def __init__(self, process: subprocess.Popen[bytes], facts: dict[str, Any]) -> None:
        self.process = process
        self.port = int(facts["port"])
        self.facts = facts
        self.url = f"ami://bus@127.0.0.1:{self.port}"

    def next_object(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECS)


@contextmanager
def simulating(*arguments: str, cwd: Path) -> Iterator[Simulator]:
    process = subprocess.Popen(
        [*COMMAND, "simulate", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=environment(AMIBUS_SECRET=SECRET),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read().decode()
        yield Simulator(process, json.loads(line))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_SECS)
        process.stdout.close()
        process.stderr.close()
