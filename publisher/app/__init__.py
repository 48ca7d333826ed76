"""The publisher put together: for each PBX a journal, a collector, a forwarder and a commander.

    TCP ─▶ collector ─▶ journal ─▶ forwarder ─▶ RabbitMQ
     ▲                     └─────▶ embedded bus (its readers take from the journal itself)
     └── commander ◀── command queue (`publisher.app.commands`)

PBXs share nothing but the process: each has its own connection, journal, writer thread and broker session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from publisher.adapters.clock import SystemClock
from publisher.adapters.embedded_bus import EmbeddedBus
from publisher.adapters.journal import JournalSettings, SqliteJournal, open_journal
from publisher.adapters.rabbitmq.bus import RabbitBus, RabbitSettings
from publisher.adapters.tcp import TcpConnector, TlsOptions
from publisher.ami.framing import Limits
from publisher.ami.session import SessionSettings
from publisher.app.commands import CommandLine, CommandsApp
from publisher.configuration.bus import BusSettings
from publisher.configuration.pbx import PbxSettings
from publisher.configuration.section import EMBEDDED, ServerTls, TlsSettings
from publisher.configuration.settings import JournalSettings as ConfiguredJournal
from publisher.configuration.settings import Settings
from publisher.decoding import EventDecoder, PbxNaming
from publisher.ports import Clock
from publisher.reports import Reporter
from publisher.services.collector import Collector, CollectorSettings
from publisher.services.forwarder import CURSOR, Forwarder, ForwarderSettings
from publisher.services.supervisor import Supervisor
from schemas.broker_url import BrokerUrl

BINDINGS_FILE: Final = "bindings.json"
# A body stays below what brokers and readers take, whatever one packet holds (see schemas.codecs).
MAX_PACKET_BYTES: Final = 2 << 20
_LAST_WORDS_SECS: Final = 1.0


@dataclass(slots=True)
class PbxLine:
    """All that serves one PBX. `forwarder` is None on the embedded bus, `commands` without a commander."""

    settings: PbxSettings
    journal: SqliteJournal
    decoder: EventDecoder
    collector: Collector
    forwarder: Forwarder | None
    commands: CommandLine | None = None


class PublisherApp:
    """Runs the collectors, forwarders and commanders of a configuration. `start`, then `stop`.

    `embedded` is the bus for consumers in this process, None where a broker is configured. Without `commands`
    no command is executed here.
    """

    def __init__(
        self,
        settings: Settings,
        report: Reporter,
        clock: Clock | None = None,
        secrets: Mapping[str, str] | None = None,
        commands: CommandsApp | None = None,
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._report = report
        self._clock = clock or SystemClock()
        self._supervisor = Supervisor(self._clock, report)
        self.lines: dict[str, PbxLine] = {}
        self._commands = commands
        self.embedded: EmbeddedBus | None = None

    async def start(self) -> None:
        """Open the journals and start the services.

        Raises `ConfigurationError`, and `JournalInUse` where another process serves the same PBX.
        """
        secrets = self._secrets or {pbx.name: pbx.read_secret() for pbx in self._settings.pbx}
        url = self._settings.bus.read_url().reveal()
        try:
            for pbx in self._settings.pbx:
                self.lines[pbx.name] = await self._open(pbx, secrets[pbx.name], url)
            if self._commands is not None and self._commands.wanted:
                await self._open_commands(self._commands)
        except BaseException:
            await self._close_journals()
            raise
        if url == EMBEDDED:
            self.embedded = EmbeddedBus(
                {name: line.journal for name, line in self.lines.items()},
                {name: line.decoder.message for name, line in self.lines.items()},
                self._settings.journal.dir / BINDINGS_FILE,
            )
        for name, line in self.lines.items():
            self._supervisor.start(name, "collector", line.collector.run)
            if line.forwarder is not None:
                self._supervisor.start(name, "forwarder", line.forwarder.run)
            if line.commands is not None:
                self._supervisor.start(name, "commander", line.commands.commander.run)

    async def stop(self) -> None:
        """End the services, then commit and close the journals.

        The commanders first: what they have under way is found out about at the next start. Then the
        collectors: a forwarder that keeps up still sends what they had to say at their end. One
        that is behind, or has no bus, is waited for at most a second; the rest goes out after the next start.
        """
        await self._supervisor.stop("commander")
        await self._supervisor.stop("collector")
        behind = [
            asyncio.create_task(line.journal.wait_cursor(CURSOR, line.journal.next_pos - 1))
            for line in self.lines.values()
            if line.forwarder is not None
        ]
        if behind:
            _, late = await asyncio.wait(behind, timeout=_LAST_WORDS_SECS)
            for task in late:
                task.cancel()
            await asyncio.gather(*behind, return_exceptions=True)
        await self._supervisor.stop()
        if self.embedded is not None:
            await self.embedded.close()
        await self._close_journals()

    async def _open_commands(self, commands: CommandsApp) -> None:
        await commands.start()
        for line in self.lines.values():
            line.commands = await commands.line(line.settings, line.journal, line.collector)

    async def _close_journals(self) -> None:
        for line in self.lines.values():
            if line.commands is not None:
                await line.commands.close()
            await line.journal.close()
        if self._commands is not None:
            await self._commands.close()

    async def _open(self, pbx: PbxSettings, secret: str, url: str) -> PbxLine:
        configured = self._settings.journal
        journal = await open_journal(configured.dir, pbx.name, journal_settings(configured))
        decoder = EventDecoder(naming(pbx, self._settings.bus))
        collector = Collector(
            CollectorSettings(session_settings(pbx, secret), pbx.encoding, tuple(pbx.leave_out)),
            connector(pbx),
            journal,
            self._clock,
            self._report,
            opening_loss=journal.opening_loss.cause if journal.opening_loss else "",
        )
        forwarder = None
        if url != EMBEDDED:
            bus = RabbitBus(rabbit_settings(self._settings.bus, url), pbx.name)
            forwarder = Forwarder(
                journal,
                bus,
                decoder.message,
                self._report,
                self._clock,
                ForwarderSettings(window=self._settings.bus.window),
            )
        return PbxLine(pbx, journal, decoder, collector, forwarder)


def naming(pbx: PbxSettings, bus: BusSettings) -> PbxNaming:
    """How this PBX's events are named and written."""
    return PbxNaming(pbx.name, pbx.encoding, frozenset(pbx.trunks), bus.media_type)


def session_settings(pbx: PbxSettings, secret: str) -> SessionSettings:
    """How to log in to this PBX."""
    return SessionSettings(
        username=pbx.username,
        secret=secret,
        auth=pbx.auth,
        filters=leave_out_filters(pbx.leave_out),
        event_mask=pbx.events,
        ping_interval_secs=pbx.ping_interval_secs,
        pong_timeout_secs=pbx.ping_timeout_secs,
        greeting_timeout_secs=pbx.connect_timeout_secs,
        login_timeout_secs=pbx.connect_timeout_secs,
        encoding=pbx.encoding,
        limits=Limits(max_packet_bytes=MAX_PACKET_BYTES),
    )


def leave_out_filters(names: Sequence[str]) -> tuple[str, ...]:
    """Filters that keep events from being sent at all, for `Action: Filter` (Asterisk 10 and later).

    The expression is a POSIX extended one over the event's whole text, in which a dot also stands for CR
    and LF; it is anchored on both sides, so that no value of another event can match it.
    """
    return tuple(f"!^Event: {name}..Privilege: " for name in names)


def connector(pbx: PbxSettings) -> TcpConnector:
    """The way to this PBX's manager port."""
    return TcpConnector(pbx.host, pbx.port, tls=_tls(pbx.tls_settings), timeout_secs=pbx.connect_timeout_secs)


def rabbit_settings(bus: BusSettings, url: str) -> RabbitSettings:
    """How to reach the broker."""
    context = _tls(bus.tls) if url.startswith("amqps:") else None
    return RabbitSettings(
        BrokerUrl.parse(url),
        heartbeat_secs=bus.heartbeat_secs,
        connect_timeout_secs=bus.connect_timeout_secs,
        tls=context.context() if context is not None else None,
    )


def journal_settings(journal: ConfiguredJournal) -> JournalSettings:
    """The bounds of a journal."""
    return JournalSettings(
        durability=journal.durability,
        keep_secs=journal.keep_days * 86_400,
        keep_bytes=journal.keep_bytes,
        memory_limit_bytes=journal.memory_limit,
    )


def _tls(settings: ServerTls | None) -> TlsOptions | None:
    if settings is None:
        return None
    name = settings.server_name if isinstance(settings, TlsSettings) else None
    return TlsOptions(settings.verify, settings.ca_file, name)


__all__ = ["PbxLine", "PublisherApp", "connector", "leave_out_filters", "naming", "session_settings"]
