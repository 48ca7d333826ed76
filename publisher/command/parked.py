"""`amibus parked`: events that a sink would not take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from consumers.errors import ConsumerError
from consumers.ports import ParkedEvent, ParkingLot
from publisher.command.consuming import parking_lot_of
from publisher.command.output import for_people, print_json, say
from publisher.command.settings_file import ConfigOption, load_settings
from publisher.command.stopping import run_loop
from publisher.errors import PublisherError
from schemas import SchemaError, decode_map, packet_text
from schemas.codecs import decode

parked = typer.Typer(
    help="Events that a sink would not take: list, show, deliver again, drop.", no_args_is_help=True
)

_MOST = 20_000
BindingOption = Annotated[
    str, typer.Option("--binding", "-b", help="Only those of this binding.", metavar="NAME")
]
KeysArgument = Annotated[
    list[str] | None, typer.Argument(help="Keys as `amibus parked ls` shows them.", metavar="[KEY]…")
]
AllOption = Annotated[bool, typer.Option("--all", help="All of them, or all of --binding.")]


@parked.command("ls")
def ls(
    config: ConfigOption = None,
    binding: BindingOption = "",
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, metavar="N")] = 1000,
) -> None:
    """List what is parked, the oldest first."""

    async def work(lot: ParkingLot) -> None:
        found = await lot.parked(binding, limit)
        for event in found:
            if for_people():
                tries = f"{event.tries} tr{'y' if event.tries == 1 else 'ies'}"
                say(f"{event.key}  {event.binding}  {event.parked_at}  {tries}  {event.message.type}")
                say(f"    {event.reason}")
            else:
                print_json(_about(event))
        if for_people() and not found:
            say("nothing is parked")

    _run(config, work)


@parked.command("show")
def show(
    key: Annotated[str, typer.Argument(help="As `amibus parked ls` shows it.")], config: ConfigOption = None
) -> None:
    """Show one parked event whole."""

    async def work(lot: ParkingLot) -> None:
        for event in await lot.parked("", _MOST):
            if event.key == key:
                _show(event)
                return
        raise PublisherError(f"nothing is parked under {key!r}; see: amibus parked ls")

    _run(config, work)


@parked.command("replay")
def replay(
    keys: KeysArgument = None,
    config: ConfigOption = None,
    binding: BindingOption = "",
    all_of_them: AllOption = False,
) -> None:
    """Deliver parked events to their binding again; its sink gets them as if they were new."""
    _run(config, lambda lot: _change(lot, lot.replay, "delivered again", keys, binding, all_of_them))


@parked.command("drop")
def drop(
    keys: KeysArgument = None,
    config: ConfigOption = None,
    binding: BindingOption = "",
    all_of_them: AllOption = False,
) -> None:
    """Forget parked events for good."""
    _run(config, lambda lot: _change(lot, lot.drop, "dropped", keys, binding, all_of_them))


async def _change(
    lot: ParkingLot,
    change: Callable[[list[str]], Awaitable[int]],
    word: str,
    keys: list[str] | None,
    binding: str,
    all_of_them: bool,
) -> None:
    if not keys and not all_of_them:
        raise typer.BadParameter("name the keys, or say --all", param_hint="KEY")
    if keys and (all_of_them or binding):
        raise typer.BadParameter("keys stand alone: no --all or --binding beside them", param_hint="KEY")
    wanted = keys or [event.key for event in await lot.parked(binding, _MOST)]
    count = await change(wanted)
    if for_people():
        say(f"{count} {word}")
    else:
        print_json({word.replace(" ", "_"): count})
    if keys and count < len(set(keys)):
        raise PublisherError(f"{len(set(keys)) - count} of these keys are not parked; see: amibus parked ls")


def _run(config: Any, work: Callable[[ParkingLot], Awaitable[None]]) -> None:
    settings = load_settings(config)

    async def whole() -> None:
        lot = parking_lot_of(settings)
        try:
            await work(lot)
        except ConsumerError as error:
            raise PublisherError(str(error)) from error
        finally:
            await lot.close()

    run_loop(whole())


def _about(event: ParkedEvent) -> dict[str, Any]:
    return {
        "key": event.key,
        "binding": event.binding,
        "id": event.message.message_id,
        "event": event.message.type,
        "reason": event.reason,
        "tries": event.tries,
        "parked_at": event.parked_at,
    }


def _show(event: ParkedEvent) -> None:
    message = event.message
    try:
        body: Any = decode_map(message.content_type, message.body)
    except SchemaError:
        body = None
    if not for_people():
        print_json({**_about(event), "routing_key": message.routing_key, "body": body})
        return
    say(f"{event.binding}: {event.reason} ({event.tries} tries, parked at {event.parked_at})")
    say(f"{message.message_id}  {message.routing_key}")
    try:
        say(packet_text(decode(message.content_type, message.body)).replace("\r\n", "\n").rstrip())
    except SchemaError as error:
        say(f"its body cannot be read: {error}")
