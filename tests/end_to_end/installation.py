"""`amibus run` as an operator has it: a folder with a configuration, a process, its log and its journals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.services.guard import Guard
from tests.services.server_process import ServerProcess

ROOT = Path(__file__).parents[2]
USER = "bus"
SECRET = "s3cret"
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "LANG": "C.UTF-8",
    "PYTHONPATH": str(ROOT),
    "PYTHONUNBUFFERED": "1",
}


@dataclass(slots=True)
class PbxLine:
    """A `[[pbx]]` section; `more` are further keys as they stand in the file."""

    port: int
    name: str = "main"
    secret: str = SECRET
    more: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        keys = {
            "name": self.name,
            "host": "127.0.0.1",
            "port": self.port,
            "username": USER,
            "secret": self.secret,
        }
        return "[[pbx]]\n" + _lines(keys | self.more)


class Installation:
    """One configuration and the process that runs on it; started, stopped and killed any number of times."""

    def __init__(
        self,
        folder: Path,
        guard: Guard,
        pbxs: list[PbxLine],
        bus_url: str = "embedded",
        bus: dict[str, Any] | None = None,
        journal: dict[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.config = folder / "amibus.toml"
        self.journals = Path((journal or {}).get("dir", folder / "journals"))
        self.log = folder / "amibus.log"
        sections = [pbx.text() for pbx in pbxs]
        sections.append("[bus]\n" + _lines({"url": bus_url, **(bus or {})}))
        sections.append("[journal]\n" + _lines({**(journal or {}), "dir": str(self.journals)}))
        sections.append('[log]\nformat = "json"\n')
        self.config.write_text("\n".join(sections), encoding="utf-8")
        self.config.chmod(0o600)
        command = [sys.executable, "-m", "publisher.command.main", "run", "--config", str(self.config)]
        self.process = ServerProcess(guard, command, ENVIRONMENT, self.log)

    def start(self) -> None:
        self.process.start()

    async def stop(self) -> dict[str, Any]:
        """SIGTERM; the summary that the process prints at its end."""
        await asyncio.to_thread(self.process.terminate)
        [summary] = [line for line in self.lines()[-1:] if "stopped" in line]
        return summary

    def kill9(self) -> None:
        self.process.kill9()

    def freeze(self) -> None:
        self.process.signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.signal_group(signal.SIGCONT)

    def lines(self) -> list[dict[str, Any]]:
        """Everything that the process has said, as maps. Fails on a line that is no JSON: a traceback."""
        if not self.log.exists():
            return []
        text = self.log.read_text(encoding="utf-8", errors="replace")
        whole = text.splitlines(keepends=True)
        return [json.loads(line) for line in whole if line.endswith("\n")]

    def told(self, event: str, **values: Any) -> list[dict[str, Any]]:
        """The reports of that name, with these values."""
        return [
            line
            for line in self.lines()
            if line.get("event") == event and all(line.get(key) == value for key, value in values.items())
        ]

    async def wait_told(self, event: str, times: int = 1, timeout_secs: float = 30, **values: Any) -> None:
        """Return when such a report stands in the log. Repeats within 10 s are written once."""
        async with asyncio.timeout(timeout_secs):
            while len(self.told(event, **values)) < times:
                assert self.process.running, self.process.log_tail()
                await asyncio.sleep(0.02)


def _lines(keys: dict[str, Any]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
