"""`amibus run`: the service."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from consumers.adapters.rabbitmq.source import RabbitSource
from consumers.ports import BusSource
from publisher.adapters.clock import SystemClock
from publisher.adapters.log import LogReporter
from publisher.app import PublisherApp
from publisher.app.commands import CommandsApp
from publisher.command import interpreter
from publisher.command.bindings import definitions_of
from publisher.command.consuming import Consuming, broker_settings
from publisher.command.event_lines import EventPrinter, print_summary
from publisher.command.output import for_people, say, warn
from publisher.command.settings_file import ConfigOption, PbxOption, load_settings, one_pbx, pbx_of
from publisher.command.stopping import run_loop, stop_on_signals, until
from publisher.command.watching import keep_watching
from publisher.configuration.loading import FILE_NAME
from publisher.configuration.section import EMBEDDED
from publisher.configuration.settings import Settings
from publisher.errors import ConfigurationError
from schemas.broker_topology import CALLS

COLLECTOR: Final = "collector"
COMMANDER: Final = "commander"
CONSUMERS: Final = "consumers"
ROLES: Final = (COLLECTOR, COMMANDER, CONSUMERS)


def run(
    config: ConfigOption = None,
    role: Annotated[
        str, typer.Option(help=f"What this process does, a list of: {', '.join(ROLES)}.", metavar="ROLE,…")
    ] = ",".join(ROLES),
    pbx: PbxOption = None,
    show: Annotated[bool, typer.Option("--show/--quiet", help="Print the events that pass.")] = False,
) -> None:
    """Read the PBXs, put their events on the bus, execute commands for them, serve the bindings, until Ctrl-C
    or SIGTERM. Changed bindings are taken over while it runs.

    \b
    amibus run
    amibus run --pbx ami://bus@10.0.0.5:5038 --show
    """
    roles = role.split(",")
    unknown = [name for name in roles if name not in ROLES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r}; allowed: {', '.join(ROLES)}", param_hint="--role")
    if COMMANDER in roles and COLLECTOR not in roles:
        # A PBX has one connection, and its commands go through it.
        raise typer.BadParameter(f"{COMMANDER} needs {COLLECTOR} beside it", param_hint="--role")
    settings = _settings(config, pbx, roles)
    file = None if pbx is not None and "://" in pbx else config or Path(FILE_NAME)
    run_loop(serve(settings, show, roles, file))


def _settings(config: Path | None, pbx: str | None, roles: Sequence[str]) -> Settings:
    if pbx is not None and "://" in pbx:
        return Settings(pbx=[pbx_of(pbx)])
    settings = load_settings(config)
    if pbx is not None:
        return settings.model_copy(update={"pbx": [one_pbx(config, pbx)]})
    if COLLECTOR not in roles:
        if settings.bus.read_url().reveal() == EMBEDDED:
            raise ConfigurationError(
                f"the embedded bus is inside the process that reads the PBXs: {CONSUMERS} needs {COLLECTOR}"
                " beside it, or a broker as [bus] url"
            )
        return settings
    if not settings.pbx:
        raise ConfigurationError(
            "there is no [[pbx]] in the configuration to serve; add one, or use --pbx URL"
        )
    return settings


async def serve(
    settings: Settings, show: bool, roles: Sequence[str] = ROLES, file: Path | None = None
) -> None:
    """Run what the roles say until a signal; with `show` print what passes. `file` is followed for changes of
    the bindings."""
    # What is wrong with a binding is told before anything begins.
    definitions = definitions_of(settings) if CONSUMERS in roles else []
    trunks = {pbx.name: pbx.trunks for pbx in settings.pbx}
    if COLLECTOR not in roles:
        settings = settings.model_copy(update={"pbx": []})
    stop = stop_on_signals()
    log = settings.log
    report = LogReporter(log.format, log.level, log.mask_numbers)
    clock = SystemClock()
    commands = CommandsApp(settings, report, clock) if COMMANDER in roles else None
    app = PublisherApp(settings, report, clock, commands=commands)
    await app.start()
    consuming = Consuming(settings, app.embedded, report, trunks) if CONSUMERS in roles else None
    interpreter.tune()
    printer = EventPrinter(calls_only=True)
    if for_people():
        say(_introduction(settings))
    works: list[Coroutine[Any, Any, None]] = []
    try:
        if consuming is not None:
            await consuming.start(definitions)
            if file is not None:
                works.append(consuming.follow(file))
        if show:
            works.append(keep_watching(source_of(app, settings), ("#",), "show", printer.print, warn))
        await (until(stop, *works) if works else stop.wait())
    finally:
        if consuming is not None:
            await consuming.close()
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
    if consuming is not None and settings.binding:
        facts["taken"] = consuming.bindings.taken
    left_out = sum(line.collector.recorder.left_out for line in app.lines.values())
    if left_out:
        facts["left_out"] = left_out
    print_summary({"stopped": True, **facts} if not for_people() else facts)


def _introduction(settings: Settings) -> str:
    names = ", ".join(f"{pbx.name} ({pbx.address})" for pbx in settings.pbx)
    bus = settings.bus.read_url()
    clients = len(settings.policy.client)
    commands = f"; commands of {clients} client{'s'[: clients != 1]}" if clients else ""
    count = len(settings.binding)
    bindings = f"; {count} binding{'s'[: count != 1]}" if count else ""
    names = names or "no PBX"
    return (
        f"serving {names}; bus {bus}{commands}{bindings}; journals in {settings.journal.dir}; Ctrl-C ends it"
    )


def source_of(app: PublisherApp, settings: Settings) -> BusSource:
    """The bus of this process, for a consumer in it."""
    if app.embedded is not None:
        return app.embedded
    return broker_source(settings)


def broker_source(settings: Settings) -> BusSource:
    """The configured broker as a consumer sees it."""
    return RabbitSource(broker_settings(settings, "ami-bus watcher"))


def broker_source_of_calls(settings: Settings) -> BusSource:
    """The same of the exchange that call events go to."""
    return RabbitSource(broker_settings(settings, "ami-bus watcher of calls"), CALLS)
