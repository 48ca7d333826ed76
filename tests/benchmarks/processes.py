"""The processes that are measured: `amibus simulate` and `amibus run`, as an operator starts them."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from tests.services.guard import Guard

SECRET: Final = "not-a-secret"
PBX: Final = "main"
_START_SECS: Final = 30.0
_STOP_SECS: Final = 30.0


class ProcessFailed(Exception):
    """A measured process did not start, or ended by itself."""


class Amibus:
    """One `amibus` command in a process group of its own. `log` takes what it says on standard error."""

    def __init__(
        self, guard: Guard, args: list[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self._guard = guard
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "publisher.command.main", *args],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        guard.watch_group(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises `ProcessFailed` when the process is gone."""
        if self._process.poll() is not None:
            tail = self._log.read_bytes()[-2000:].decode(errors="replace")
            raise ProcessFailed(f"amibus ended with code {self._process.returncode}: {tail}")

    def line(self) -> dict[str, Any]:
        """The next line that it prints, as JSON."""
        out: IO[bytes] | None = self._process.stdout
        assert out is not None
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            if not selector.select(_START_SECS):
                raise ProcessFailed(f"amibus said nothing within {_START_SECS:.0f} s")
        text = out.readline()
        if not text:
            time.sleep(0.1)
            self.check()
            raise ProcessFailed("amibus closed its output")
        found: dict[str, Any] = json.loads(text)
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """SIGTERM, then kill -9 if it stays."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=_STOP_SECS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._guard.forget_group(self._process.pid)


class Simulator(Amibus):
    """`amibus simulate --trace … --rate max --loop`; `port` is where it listens."""

    def __init__(self, guard: Guard, trace: Path, folder: Path) -> None:
        args = ["simulate", "--trace", str(trace), "--rate", "max", "--loop", "--port", "0"]
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(guard, [*args, "--secret", SECRET], folder / "simulate.log")
        self.port = int(self.line()["port"])


class Service(Amibus):
    """`amibus run` with a configuration of its own: one PBX on a port of this machine, one bus."""

    def __init__(
        self, guard: Guard, pbx_port: int, bus_url: str, folder: Path, bus: Mapping[str, int] | None = None
    ) -> None:
        self.journal = folder / "data" / f"{PBX}.journal"
        config = write_configuration(folder, pbx_port, bus_url, bus)
        super().__init__(guard, ["run", "--config", str(config), "--quiet"], folder / "run.log")


def write_configuration(
    folder: Path, pbx_port: int, bus_url: str, bus: Mapping[str, int] | None = None
) -> Path:
    """Make the folder with an `amibus.toml` that keeps its journal there; `bus` adds keys to `[bus]`."""
    folder.mkdir(parents=True, exist_ok=True)
    more = "".join(f"{key} = {value}\n" for key, value in (bus or {}).items())
    config = folder / "amibus.toml"
    config.touch(mode=0o600)
    config.write_text(
        f'[[pbx]]\nname = "{PBX}"\nhost = "127.0.0.1"\nport = {pbx_port}\n'
        f'username = "bus"\nsecret = "{SECRET}"\n\n'
        f'[bus]\nurl = "{bus_url}"\n{more}\n'
        f'[journal]\ndir = "{folder / "data"}"\n',
        encoding="utf-8",
    )
    return config
