"""`amibus topology`: what we need on the broker."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import typer

from consumers.adapters.rabbitmq.driver import close_connection, open_connection
from publisher.adapters.rabbitmq.bus import RabbitBus
from publisher.app import rabbit_settings
from publisher.command.consuming import broker_settings
from publisher.command.output import for_people, print_json, say
from publisher.command.settings_file import ConfigOption, load_settings
from publisher.command.stopping import run_loop
from publisher.configuration.section import EMBEDDED
from publisher.configuration.settings import Settings
from publisher.errors import ConfigurationError
from schemas.broker_topology import (
    CALLS,
    DEAD,
    EVENTS,
    PARKED,
    PARKED_BINDING,
    UNROUTED,
    UNROUTED_BINDING,
    UNROUTED_KEPT,
    Arguments,
)

EXCHANGES: Final = (EVENTS, UNROUTED, CALLS, DEAD)
QUEUES: Final = (UNROUTED_KEPT, PARKED)
BINDINGS: Final = (UNROUTED_BINDING, PARKED_BINDING)

topology = typer.Typer(help="Show or declare what stands on the RabbitMQ broker.", no_args_is_help=True)


def described() -> dict[str, Any]:
    """The topology as data."""
    return {
        "exchanges": [asdict(exchange) for exchange in EXCHANGES],
        "queues": [asdict(queue) for queue in QUEUES],
        "bindings": [asdict(binding) for binding in BINDINGS],
    }


@topology.command("show")
def show() -> None:
    """Print what ami-bus declares; each [[binding]] has a queue besides."""
    if not for_people():
        print_json(described())
        return
    for exchange in EXCHANGES:
        said = _arguments(exchange.arguments)
        say(f"exchange  {exchange.name:<16} {exchange.type:<7} durable  {said}".rstrip())
    for queue in QUEUES:
        kind = str(queue.arguments.get("x-queue-type", "classic"))
        say(f"queue     {queue.name:<16} {kind:<7} durable  {_arguments(queue.arguments)}")
    for binding in BINDINGS:
        say(f"binding   {binding.exchange} -> {binding.queue}")


def _arguments(arguments: Arguments) -> str:
    return "  ".join(f"{key}={value}" for key, value in arguments.items() if key != "x-queue-type")


@topology.command("apply")
def apply(
    config: ConfigOption = None,
) -> None:
    """Declare them on the configured broker; `amibus run` does the same at each connection."""
    settings = load_settings(config)
    url = settings.bus.read_url()
    if url.reveal() == EMBEDDED:
        raise ConfigurationError("[bus] url is embedded: there is no broker to declare anything on")
    run_loop(_apply(settings, url.reveal()))
    if for_people():
        say(f"declared on {url}")
    else:
        print_json({"declared": described()})


async def _apply(settings: Settings, url: str) -> None:
    """Both sides declare what they need at each connection."""
    session = await RabbitBus(rabbit_settings(settings.bus, url), "topology").open()
    await session.close()
    await close_connection(await open_connection(broker_settings(settings, "ami-bus topology")))
