"""`amibus run`: the service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.source import RabbitSource
from consumers.ports import BusSource
from publisher.adapters.clock import SystemClock
from publisher.adapters.log import LogReporter
from publisher.app import PublisherApp, rabbit_settings
from publisher.app.commands import CommandsApp
from publisher.command import interpreter
from publisher.command.event_lines import EventPrinter, print_summary
from publisher.command.output import for_people, say, warn
from publisher.command.settings_file import ConfigOption, PbxOption, load_settings, one_pbx, pbx_of
from publisher.command.stopping import run_loop, stop_on_signals, until
from publisher.command.watching import keep_watching
from publisher.configuration.section import EMBEDDED
from publisher.configuration.settings import Settings
from publisher.errors import ConfigurationError

COLLECTOR: Final = "collector"
COMMANDER: Final = "commander"
ROLES: Final = (COLLECTOR, COMMANDER)


def run(
    config: ConfigOption = None,
    role: Annotated[
        str, typer.Option(help=f"What this process does, a list of: {', '.join(ROLES)}.", metavar="ROLE,…")
    ] = ",".join(ROLES),
    pbx: PbxOption = None,
    show: Annotated[bool, typer.Option("--show/--quiet", help="Print the events that pass.")] = False,
) -> None:
    """Read the PBXs, put their events on the bus, execute commands for them, until Ctrl-C or SIGTERM.

    \b
    amibus run
    amibus run --pbx ami://bus@10.0.0.5:5038 --show
    """
    roles = role.split(",")
    unknown = [name for name in roles if name not in ROLES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r}; allowed: {', '.join(ROLES)}", param_hint="--role")
    if COLLECTOR not in roles:
        # A PBX has one connection, and its commands go through it.
        raise typer.BadParameter(f"{COMMANDER} needs {COLLECTOR} beside it", param_hint="--role")
    settings = _settings(config, pbx)
    run_loop(serve(settings, show, roles))


def _settings(config: Path | None, pbx: str | None) -> Settings:
    if pbx is not None and "://" in pbx:
        return Settings(pbx=[pbx_of(pbx)])
    settings = load_settings(config)
    if pbx is not None:
        return settings.model_copy(update={"pbx": [one_pbx(config, pbx)]})
    if not settings.pbx:
        raise ConfigurationError(
            "there is no [[pbx]] in the configuration to serve; add one, or use --pbx URL"
        )
    return settings


async def serve(settings: Settings, show: bool, roles: Sequence[str] = ROLES) -> None:
    """Run the publisher until a signal; with `show` print what passes."""
    stop = stop_on_signals()
    log = settings.log
    report = LogReporter(log.format, log.level, log.mask_numbers)
    clock = SystemClock()
    commands = CommandsApp(settings, report, clock) if COMMANDER in roles else None
    app = PublisherApp(settings, report, clock, commands=commands)
    await app.start()
    interpreter.tune()
    printer = EventPrinter(calls_only=True)
    if for_people():
        say(_introduction(settings))
    try:
        if show:
            await until(stop, keep_watching(source_of(app, settings), ("#",), "show", printer.print, warn))
        else:
            await stop.wait()
    finally:
        await app.stop()
    recorded = sum(line.collector.recorder.recorded for line in app.lines.values())
    confirmed = sum(line.forwarder.counters.confirmed for line in app.lines.values() if line.forwarder)
    facts = {"recorded": recorded}
    if any(line.forwarder for line in app.lines.values()):
        facts["confirmed"] = confirmed
    answered = [
        sum(line.commands.commander.settlement.given.values()) for line in app.lines.values() if line.commands
    ]
    if answered:
        facts["commands"] = sum(answered)
    left_out = sum(line.collector.recorder.left_out for line in app.lines.values())
    if left_out:
        facts["left_out"] = left_out
    print_summary({"stopped": True, **facts} if not for_people() else facts)


def _introduction(settings: Settings) -> str:
    names = ", ".join(f"{pbx.name} ({pbx.address})" for pbx in settings.pbx)
    bus = settings.bus.read_url()
    clients = len(settings.policy.client)
    commands = f"; commands of {clients} client{'s'[: clients != 1]}" if clients else ""
    return f"serving {names}; bus {bus}{commands}; journals in {settings.journal.dir}; Ctrl-C ends it"


def source_of(app: PublisherApp, settings: Settings) -> BusSource:
    """The bus of this process, for a consumer in it."""
    if app.embedded is not None:
        return app.embedded
    return broker_source(settings)


def broker_source(settings: Settings) -> BusSource:
    """The configured broker as a consumer sees it."""
    url = settings.bus.read_url().reveal()
    assert url != EMBEDDED
    how = rabbit_settings(settings.bus, url)
    return RabbitSource(
        SourceSettings(
            how.url,
            name="ami-bus watcher",
            heartbeat_secs=how.heartbeat_secs,
            connect_timeout_secs=how.connect_timeout_secs,
            tls=how.tls,
        )
    )
