"""`amibus topology`: what we need on the broker."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from publisher.adapters.rabbitmq.bus import RabbitBus
from publisher.app import rabbit_settings
from publisher.command.output import for_people, print_json, say
from publisher.command.settings_file import ConfigOption, load_settings
from publisher.command.stopping import run_loop
from publisher.configuration.section import EMBEDDED
from publisher.errors import ConfigurationError
from schemas.broker_topology import EVENTS, UNROUTED, UNROUTED_BINDING, UNROUTED_KEPT

topology = typer.Typer(help="Show or declare what stands on the RabbitMQ broker.", no_args_is_help=True)


def described() -> dict[str, Any]:
    """The topology as data."""
    return {
        "exchanges": [asdict(EVENTS), asdict(UNROUTED)],
        "queues": [asdict(UNROUTED_KEPT)],
        "bindings": [asdict(UNROUTED_BINDING)],
    }


@topology.command("show")
def show() -> None:
    """Print the exchanges, queues and bindings that the publisher declares."""
    if not for_people():
        print_json(described())
        return
    for exchange in (EVENTS, UNROUTED):
        arguments = "  ".join(f"{key}={value}" for key, value in exchange.arguments.items())
        say(f"exchange  {exchange.name:<14} {exchange.type:<7} durable  {arguments}".rstrip())
    arguments = "  ".join(f"{key}={value}" for key, value in UNROUTED_KEPT.arguments.items())
    say(f"queue     {UNROUTED_KEPT.name:<14} classic durable  {arguments}")
    say(f"binding   {UNROUTED_BINDING.exchange} -> {UNROUTED_BINDING.queue}")


@topology.command("apply")
def apply(
    config: ConfigOption = None,
) -> None:
    """Declare them on the configured broker; `amibus run` does the same at each connection."""
    settings = load_settings(config)
    url = settings.bus.read_url()
    if url.reveal() == EMBEDDED:
        raise ConfigurationError("[bus] url is embedded: there is no broker to declare anything on")
    run_loop(_apply(RabbitBus(rabbit_settings(settings.bus, url.reveal()), "topology")))
    if for_people():
        say(f"declared on {url}")
    else:
        print_json({"declared": described()})


async def _apply(bus: RabbitBus) -> None:
    session = await bus.open()
    await session.close()
