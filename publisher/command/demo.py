"""`amibus demo`: the whole bus on a simulated office, nothing to install or configure."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from publisher.adapters.log import LogReporter
from publisher.app import PublisherApp
from publisher.command import interpreter
from publisher.command.event_lines import EventPrinter, print_summary
from publisher.command.output import for_people, say
from publisher.command.run import source_of
from publisher.command.stopping import run_loop, stop_on_signals, until
from publisher.command.watching import watch
from publisher.configuration.loading import parse
from publisher.simulator import SimulatedPbx, SimulatorOptions, Traffic, User

_VARIABLE = "AMIBUS_DEMO_SECRET"


def demo(
    calls_per_second: Annotated[
        float, typer.Option(help="How busy the office is.", min=0.05, max=200.0, metavar="N")
    ] = 1.0,
    version: Annotated[str, typer.Option(help="An Asterisk 11, 20 or 22.", metavar="N")] = "20",
    everything: Annotated[
        bool, typer.Option("--all", help="On a terminal, show every event, variables and dialplan steps too.")
    ] = False,
    key: Annotated[
        list[str] | None,
        typer.Option(help="Show only these keys, such as *.*.200; repeatable.", metavar="KEY"),
    ] = None,
) -> None:
    """Start a simulated PBX and the bus, and show the events, until Ctrl-C.

    \b
    amibus demo
    amibus demo --key '*.*.200' --all
    """
    run_loop(_demonstrate(calls_per_second, version, everything, tuple(key or ("#",))))


async def _demonstrate(
    calls_per_second: float, version: str, everything: bool, keys: tuple[str, ...]
) -> None:
    stop = stop_on_signals()
    secret = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="amibus-demo-") as folder:
        async with SimulatedPbx(SimulatorOptions(version=version, users={"bus": User(secret)})) as pbx:
            text = (
                f'[[pbx]]\nname = "main"\nhost = "{pbx.host}"\nport = {pbx.port}\n'
                f'username = "bus"\nsecret_env = "{_VARIABLE}"\n'
                f"[journal]\ndir = '{folder}'\n"
            )
            settings = parse(text, Path("demo"), {_VARIABLE: secret})
            app = PublisherApp(settings, LogReporter(), secrets={"main": secret})
            await app.start()
            interpreter.tune()
            printer = EventPrinter(calls_only=not everything)
            traffic = Traffic(pbx, calls_per_second)
            traffic.start()
            if for_people():
                say(f"a simulated Asterisk {pbx.options.style.asterisk_version} with extensions 200 to 219")
                say("its calls, as they pass over the bus (Ctrl-C ends it):")
            try:
                await until(stop, watch(source_of(app, settings), keys, "demo", printer.print))
            finally:
                await traffic.stop()
                await app.stop()
            recorded = app.lines["main"].collector.recorder.recorded
            if for_people():
                say("")
            print_summary({"journalled": recorded, "delivered": printer.seen, "shown": printer.printed})
