"""The command queue put together: one server for the process, and for each PBX a commander.

    Redis (or the embedded server) ─▶ queue ─▶ commander ─▶ the collector's connection ─▶ PBX
                                        command journal ◀─┘

The commander uses the collector's connection: a PBX sees one user with one connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from publisher.adapters.audit_file import AuditFile
from publisher.adapters.command_journal import open_command_journal
from publisher.adapters.embedded_commands import EmbeddedCommands
from publisher.adapters.journal import SqliteJournal
from publisher.adapters.redis_commands.driver import OpenClient, RedisLink, RedisSettings, client_maker
from publisher.adapters.redis_commands.queue import QueueSettings, RedisCommandQueue
from publisher.channel_names import ChannelNames
from publisher.command_ports import ActionLine, CommandJournal, CommandQueue
from publisher.commanding.audit import Audit
from publisher.commanding.policy import Judge
from publisher.configuration.commands import CommandsSettings
from publisher.configuration.pbx import PbxSettings
from publisher.configuration.section import EMBEDDED
from publisher.configuration.settings import Settings
from publisher.ports import Clock
from publisher.reports import Reporter
from publisher.services.collector import Collector
from publisher.services.commander import Commander, CommanderSettings
from publisher.services.dispatcher import DispatchSettings
from publisher.services.intake import Intake
from publisher.services.settlement import CommandDesk
from schemas.redis_url import RedisUrl

AUDIT_FILE: Final = "audit.jsonl"
# Shown where a URL is; nobody connects to it by that.
_INSIDE: Final = RedisUrl("unix", False, (), "", "", path="embedded")


@dataclass(slots=True)
class CommandLine:
    """What serves one PBX's commands."""

    commander: Commander
    queue: CommandQueue
    journal: CommandJournal

    async def close(self) -> None:
        await self.queue.close()
        await self.journal.close()


class CommandsApp:
    """The commands of a configuration. `embedded` is the server in this process, if that is what is used."""

    def __init__(self, settings: Settings, report: Reporter, clock: Clock) -> None:
        self._settings = settings
        self._report = report
        self._clock = clock
        self._tokens: Mapping[str, str] = {}
        self._open: OpenClient | None = None
        self._url = _INSIDE
        self.embedded: EmbeddedCommands | None = None

    @property
    def wanted(self) -> bool:
        """Whether anybody may command anything, or a queue is named."""
        return bool(self._settings.policy.client) or self._settings.commands.read_url().reveal() != EMBEDDED

    async def start(self) -> None:
        """Read the tokens, make the server where it is embedded. Raises `ConfigurationError`."""
        self._tokens = self._settings.policy.tokens()
        commands = self._settings.commands
        url = commands.read_url().reveal()
        if url == EMBEDDED:
            self.embedded = EmbeddedCommands()
            self._open = self.embedded.client
            await self.embedded.open_door(self._settings.journal.dir)
        else:
            redis = redis_settings(commands, url)
            self._open, self._url = client_maker(redis), redis.url

    async def line(self, pbx: PbxSettings, journal: SqliteJournal, collector: Collector) -> CommandLine:
        """What serves the commands of one PBX. Raises `CommandJournalError`."""
        settings, commands = self._settings, self._settings.commands
        command_journal = await self.open_journal(pbx.name)
        queue = self.open_queue(pbx.name, command_journal.owner)
        desk = CommandDesk(
            pbx.name,
            queue,
            command_journal,
            Audit(pbx.name, settings.policy.audit_mask_numbers),
            self._clock,
            self._report,
        )
        judge = judge_of(settings, pbx)
        commander = Commander(
            desk,
            Intake(pbx.name, judge, lambda client: self._tokens.get(client, ""), pbx.encoding),
            journal,
            self.action_line(collector),
            commander_settings(commands, pbx.encoding, forgetful=self.embedded is not None),
            collector.watch_events,
        )
        collector.on_watched(commander.in_flight.on_event, commander.wake)
        return CommandLine(commander, queue, command_journal)

    # What is made for a PBX; tests put something between that breaks.

    async def open_journal(self, pbx: str) -> CommandJournal:
        """Its command journal. Raises `CommandJournalError`."""
        settings = self._settings
        # A file for each PBX: whoever holds its journal is the only one that writes it.
        audit_path = (settings.policy.audit_dir or settings.journal.dir) / f"{pbx}.{AUDIT_FILE}"
        audit = AuditFile(audit_path, settings.policy.audit_bytes, settings.policy.audit_kept)
        keep_secs = settings.commands.keep_days * 86_400
        return await open_command_journal(settings.journal.dir, pbx, audit, keep_secs)

    def open_queue(self, pbx: str, owner: str) -> CommandQueue:
        """Its queue; nothing is connected yet."""
        commands = self._settings.commands
        assert self._open is not None
        keep_ms = int(commands.keep_replies_hours * 3_600_000)
        bounds = QueueSettings(int(commands.lease_secs * 1000), keep_ms, commands.max_depth)
        link = RedisLink(self._url, self._open, commands.timeout_secs)
        return RedisCommandQueue(link, pbx, owner, bounds)

    def action_line(self, collector: Collector) -> ActionLine:
        """Its way to the PBX."""
        return collector

    async def close(self) -> None:
        if self.embedded is not None:
            await self.embedded.close()


def judge_of(settings: Settings, pbx: PbxSettings) -> Judge:
    """The policy for one PBX."""
    return Judge(pbx.name, [client.rules for client in settings.policy.client], ChannelNames(pbx.trunks))


def redis_settings(commands: CommandsSettings, url: str) -> RedisSettings:
    """How to reach the queue's server."""
    ca_file: Path | None = commands.tls.ca_file
    return RedisSettings(RedisUrl.parse(url), commands.timeout_secs, commands.tls.verify, ca_file)


def commander_settings(
    commands: CommandsSettings, encoding: str, forgetful: bool = False
) -> CommanderSettings:
    """The bounds of a commander."""
    return CommanderSettings(
        lease_secs=commands.lease_secs,
        keep_secs=commands.keep_replies_hours * 3600,
        dispatch=DispatchSettings(
            lease_secs=commands.lease_secs,
            most_calls=commands.max_calls,
            most_others=commands.max_in_flight,
            rate=commands.rate,
            burst=commands.burst,
            answer_secs=commands.answer_timeout_secs,
        ),
        encoding=encoding,
        forgetful=forgetful,
    )
