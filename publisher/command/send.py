"""`amibus send`: one command to a PBX, followed to its end."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from consumers.commands import CommandClient, CommandError, NoReplyYet, Reply
from publisher.adapters.log import one_line
from publisher.command.output import for_people, print_json, say
from publisher.command.queue_access import client_and_token, pbx_name, queue_client, run_with
from publisher.command.settings_file import ConfigOption, load_settings
from schemas.reply import State

FAILED = 1


def send(
    action: Annotated[str, typer.Argument(help="Such as Originate, Hangup, QueueStatus.", metavar="ACTION")],
    field: Annotated[
        list[str] | None,
        typer.Argument(
            help="Its fields: Phone=200 Exten=600; a map's entries as Variable.NAME=value.",
            metavar="NAME=VALUE…",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    pbx: Annotated[
        str | None, typer.Option(help="Which PBX; the only one by default.", metavar="NAME")
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            help="Whose command it is; the only client of the policy by default. The token comes from the "
            "policy, or from AMIBUS_TOKEN.",
            envvar="AMIBUS_CLIENT",
            metavar="NAME",
        ),
    ] = None,
    expires: Annotated[
        float,
        typer.Option(help="Begin it within so many seconds or never.", min=0.1, max=86_400, metavar="SECS"),
    ] = 30.0,
    id: Annotated[
        str, typer.Option("--id", help="Its id; the same id again is the same command.", metavar="ID")
    ] = "",
    bulk: Annotated[bool, typer.Option("--bulk", help="Let interactive commands go first.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Any action with any headers, if the policy names it.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the final reply.")] = True,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="Wait so long at most; by default as long as it can take.", min=0.1, metavar="SECS"
        ),
    ] = None,
) -> None:
    """Send a command to a PBX, show how it goes, and end with its outcome.

    Exit code 0: it succeeded; 1: it failed, was rejected, expired, or nobody knows; 2: it was not sent.

    \b
    amibus send Originate Phone=200 Exten=600
    amibus send QueuePause Queue=support Phone=201 Paused=true Reason=lunch
    amibus send CoreShowChannels
    """
    settings = load_settings(config)
    fields = fields_of(action, field or [], raw)
    name, token = client_and_token(settings, client)
    queue = queue_client(settings, name, token)
    how = {"expires_secs": expires, "id": id, "raw": raw, "priority": "bulk" if bulk else "interactive"}
    reply = run_with(queue, _send(queue, pbx_name(settings, pbx), action, fields, how, wait, timeout))
    if reply is not None and reply.state is not State.SUCCEEDED:
        raise typer.Exit(FAILED)


async def _send(
    queue: CommandClient,
    pbx: str,
    action: str,
    fields: dict[str, Any],
    how: dict[str, Any],
    wait: bool,
    patience_secs: float | None,
) -> Reply | None:
    began = time.monotonic()
    try:
        sent = await queue.send(pbx, action, fields, **how)
    except CommandError as error:
        raise typer.BadParameter(str(error), param_hint=action) from None
    _tell_step(began, "queued", sent.id)
    if not wait:
        return None
    try:
        async for progress in sent.steps(patience_secs):
            if progress.step not in ("final", "queued", "claimed"):
                _tell_step(began, progress.step, progress.channel)
        reply = await sent.reply()
    except NoReplyYet as error:
        raise NoReplyYet(f"{error}; ask again: amibus commands show {sent.id}") from None
    show_reply(reply)
    return reply


def fields_of(action: str, given: list[str], raw: bool) -> dict[str, Any]:
    """The fields of a command line. Raises `typer.BadParameter` for a word that is none."""
    fields: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{word!r} is no field; write NAME=VALUE", param_hint=action)
        head, dot, entry = name.partition(".")
        if dot and not raw:
            table = fields.setdefault(head, {})
            if not isinstance(table, dict) or entry in table:
                raise typer.BadParameter(f"{name} is there twice", param_hint=action)
            table[entry] = value
        elif name in fields and raw:
            before = fields[name]
            fields[name] = [*before, value] if isinstance(before, list) else [before, value]
        elif name in fields:
            raise typer.BadParameter(f"{name} is there twice", param_hint=action)
        else:
            fields[name] = value
    return fields


def _tell_step(began: float, step: str, more: str) -> None:
    if for_people():
        say(one_line(f"{time.monotonic() - began:6.2f} s  {step:<9} {more}").rstrip())
    else:
        print_json(
            {"step": step, **({"id": more} if step == "queued" else {"channel": more} if more else {})}
        )


def show_reply(reply: Reply) -> None:
    """A final reply: a line and its lists for people, the whole map for programs."""
    if not for_people():
        print_json(reply.to_map())
        return
    reason = f" ({reply.reason})" if reply.reason else ""
    message = reply.message or (reply.field("Message") if reply.succeeded else "")
    # A line end in a PBX's words must not make a line that looks like one of ours.
    say(one_line(f"{reply.state}{reason}{': ' + message if message else ''}"))
    for name, value in reply.fields.items():
        if name not in ("Response", "ActionID", "Message", "Event", "Privilege", "EventList"):
            say(one_line(f"  {name}: {value if isinstance(value, str) else ', '.join(value)}"))
    for line in reply.output:
        say(one_line(f"  {line}"))
    for event in reply.events:
        shown = "  ".join(
            f"{name}={value}" for name, value in event.items() if value and name not in ("Event", "ActionID")
        )
        say(one_line(f"  {event.get('Event', '')}  {shown}"))
    if reply.truncated:
        say("  … and more, that is not kept")
