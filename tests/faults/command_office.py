"""An office with commands: a simulated PBX, a Redis, the configuration of `amibus run`, a client of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from consumers.commands import CommandClient
from publisher.simulator import SimulatedPbx, SimulatorOptions, User
from publisher.simulator.options import Pace
from tests.end_to_end.installation import ENVIRONMENT, SECRET, USER
from tests.faults.orders import BUSY, SILENT
from tests.services.guard import Guard

CLIENT = "crm"


class CommandOffice:
    """One configuration, and processes that run on it; each may be told when to die."""

    def __init__(self, folder: Path, guard: Guard, pbx: SimulatedPbx, url: str, commands: str = "") -> None:
        self.folder = folder
        self.config = folder / "amibus.toml"
        self.log = folder / "amibus.log"
        self.journals = folder / "journals"
        self.token = secrets.token_hex(16)
        self.pbx = pbx
        self.url = url
        self._guard = guard
        tech = pbx.options.style.tech
        self.config.write_text(
            f"""
[[pbx]]
name = "main"
host = "127.0.0.1"
port = {pbx.port}
username = "{USER}"
secret = "{SECRET}"
leave_out = ["Newexten"]
[journal]
dir = "{self.journals}"
[commands]
url = "{url}"
rate = 0
{commands}
[[policy.client]]
name = "{CLIENT}"
secret = "{self.token}"
commands = ["calls", "queues", "variables", "messages", "status"]
extensions = ["200-249"]
channels = ["{tech}/{{extension}}"]
contexts = ["internal"]
destinations = ["200-249"]
queues = ["*"]
variables = ["CRM_*"]
global_variables = true
user_events = ["CRM"]
rate = 0
max_waiting = 5000
""",
            encoding="utf-8",
        )
        self.config.chmod(0o600)

    @property
    def journal(self) -> Path:
        """The command journal's file."""
        return self.journals / "main.commands"

    def client(self, url: str = "") -> CommandClient:
        return CommandClient.connect(url or self.url, client=CLIENT, token=self.token)

    def told(self, event: str) -> list[dict[str, Any]]:
        """The reports of that name in the log. Fails on a line that is no JSON: a traceback."""
        if not self.log.exists():
            return []
        whole = self.log.read_text(encoding="utf-8").splitlines(keepends=True)
        return [one for line in whole if line.endswith("\n") and (one := json.loads(line))["event"] == event]


@asynccontextmanager
async def command_pbx(version: str = "20", **options: Any) -> AsyncIterator[SimulatedPbx]:
    """A PBX with phones that answer soon, one that is busy and one that nobody answers."""
    settings = SimulatorOptions(
        version=version,
        users={USER: User(SECRET)},
        busy=frozenset({BUSY}),
        no_answer=frozenset({SILENT}),
        pace=Pace(ring_secs=0.05, talk_secs=0.3),
        **options,
    )
    async with SimulatedPbx(settings) as pbx:
        yield pbx


class CommandZygote:
    """Starts and ends processes of an office, at once: the program is loaded only one time."""

    def __init__(self, process: asyncio.subprocess.Process, guard: Guard) -> None:
        self._process = process
        self._guard = guard

    async def start(self, fate: dict[str, Any] | None = None) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(fate or {}).encode() + b"\n")
        number = int(await self._process.stdout.readline())
        self._guard.watch_group(number)
        return number

    async def gone(self, number: int, secs: float) -> bool:
        """Whether the process ends by itself within that time."""
        try:
            async with asyncio.timeout(secs):
                with contextlib.suppress(ProcessLookupError):
                    while True:
                        os.kill(number, 0)
                        await asyncio.sleep(0.002)
        except TimeoutError:
            return False
        self._guard.forget_group(number)
        return True

    async def end(self, number: int, how: signal.Signals) -> None:
        """Send the signal and wait until the process is gone, and its locks with it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, how)
        assert await self.gone(number, 30)


@asynccontextmanager
async def command_zygote(office: CommandOffice, guard: Guard) -> AsyncIterator[CommandZygote]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.dying_commander", str(office.config), str(office.log)),
        env=ENVIRONMENT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    guard.watch_group(process.pid)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield CommandZygote(process, guard)
    finally:
        process.kill()
        await process.communicate()
        guard.forget_group(process.pid)
