"""A whole office with commands in one process: a simulated PBX, the embedded queue, a client of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consumers.commands import CommandClient, Progress
from publisher.app import PublisherApp
from publisher.app.commands import CommandsApp
from publisher.configuration.loading import parse
from publisher.reports import Report
from publisher.simulator import SimulatedPbx
from schemas.reply import Reply
from tests.end_to_end.installation import SECRET, USER
from tests.fakes.clock import RealClock
from tests.faults.command_office import CLIENT

TOKEN = "not-a-real-token"


@dataclass(slots=True)
class Office:
    """One PBX, what serves it, and a client that may do nearly everything."""

    pbx: SimulatedPbx
    app: PublisherApp
    client: CommandClient
    folder: Path
    reports: list[Report] = field(default_factory=list)

    async def ask(self, action: str, fields: dict[str, Any] | None = None, **more: Any) -> Reply:
        """Send a command and wait for its reply."""
        sent = await self.client.send("main", action, fields, **more)
        return await sent.reply(60)

    async def follow(self, action: str, fields: dict[str, Any] | None = None, **more: Any) -> list[Progress]:
        """Send a command: all steps up to its end."""
        sent = await self.client.send("main", action, fields, **more)
        return [step async for step in sent.steps(60)]

    def audit(self) -> list[dict[str, Any]]:
        """The lines of the audit."""
        text = (self.folder / "main.audit.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def told(self, kind: type[Report]) -> list[Report]:
        return [report for report in self.reports if isinstance(report, kind)]


@asynccontextmanager
async def office(
    pbx: SimulatedPbx,
    folder: Path,
    commands: str = "rate = 0",
    client: str = "rate = 0",
    url: str = "embedded",
) -> AsyncIterator[Office]:
    """`commands` and `client` are lines of those tables of the configuration."""
    tech = pbx.options.style.tech
    text = f"""
[[pbx]]
name = "main"
host = "{pbx.host}"
port = {pbx.port}
username = "{USER}"
secret = "{SECRET}"
[journal]
dir = "{folder}"
[commands]
url = "{url}"
{commands}
[[policy.client]]
name = "{CLIENT}"
secret = "{TOKEN}"
commands = ["calls", "queues", "variables", "recording", "messages", "status"]
extensions = ["200-249"]
channels = ["{tech}/{{extension}}"]
contexts = ["internal"]
destinations = ["200-249"]
caller_ids = ["89161234567"]
queues = ["*"]
variables = ["CRM_*"]
global_variables = true
user_events = ["CRM"]
max_waiting = 5000
{client}
"""
    settings, clock = parse(text, folder / "amibus.toml"), RealClock()
    reports: list[Report] = []
    app = PublisherApp(settings, reports.append, clock, commands=CommandsApp(settings, reports.append, clock))
    await app.start()
    reach = f"unix://{folder}/commands.sock" if url == "embedded" else url
    try:
        async with CommandClient.connect(reach, client=CLIENT, token=TOKEN) as commander:
            yield Office(pbx, app, commander, folder, reports)
    finally:
        await app.stop()
