"""`amibus send`: one command to a PBX, followed to its end."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any, Final

import typer

from consumers.commands import (
    CommandClient,
    CommandError,
    IdInUse,
    NoReplyYet,
    QueueFull,
    QueueRefused,
    QueueUnreachable,
    Reply,
    SentCommand,
)
from publisher.adapters.log import one_line
from publisher.command.output import for_people, print_json, say, warn
from publisher.command.queue_access import client_and_token, pbx_name, queue_client, run_with
from publisher.command.settings_file import ConfigOption, load_settings
from publisher.errors import QueueUnreachable as NobodyServes
from schemas.actions import action_named
from schemas.reply import Reason, State

FAILED: Final = 1
NOT_QUEUED: Final = 2
# What a command has besides its fields.
_OF_THE_WHOLE: Final = frozenset({"", "v", "id", "client", "action", "priority", "raw", "pbx", "ttl"})


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

    Every action and its fields: deploy/docs/actions.md; what is wrong with one names the fields there are.

    \b
    Exit code 0: it succeeded (with --no-wait: it is queued);
    1: it failed, was rejected, expired, no reply came, or nobody knows;
    2: nothing was queued: wrong usage or configuration, no queue, one that
    is full or refuses, an id that stands for another command.

    \b
    amibus send Originate Phone=200 Exten=600
    amibus send QueuePause Queue=support Phone=201 Paused=true Reason=lunch
    amibus send CoreShowChannels
    """
    settings = load_settings(config)
    fields = fields_of(action, field or [], raw)
    name, token, origin = client_and_token(settings, client)
    pbx = pbx_name(settings, pbx)
    try:
        queue = queue_client(settings, name, token)
    except NobodyServes as error:
        warn(str(error))
        raise typer.Exit(NOT_QUEUED) from None
    how = {"expires_secs": expires, "id": id or uuid.uuid4().hex, "raw": raw}
    how["priority"] = "bulk" if bulk else "interactive"
    reply = run_with(queue, _send(queue, pbx, action, fields, how, wait, timeout))
    if reply is not None and reply.state is not State.SUCCEEDED:
        if reply.reason == Reason.UNAUTHENTICATED and reply.message.startswith("signature"):
            warn(f"the policy of {pbx} knows no client {name} with that token; the token comes from {origin}")
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
    sent = await _queue(queue, pbx, action, fields, how)
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


async def _queue(
    queue: CommandClient, pbx: str, action: str, fields: dict[str, Any], how: dict[str, Any]
) -> SentCommand:
    """Put it into the queue; where that is not done, say so and end."""
    try:
        return await queue.send(pbx, action, fields, **how)
    except CommandError as error:
        raise typer.BadParameter(
            f"{error}{_its_fields(action, error, how['raw'])}", param_hint=action
        ) from None
    except (IdInUse, QueueFull, QueueRefused) as error:
        warn(str(error))
        raise typer.Exit(NOT_QUEUED) from None
    except QueueUnreachable as error:
        if error.begun:
            warn(f"{error}; it may be queued all the same: the same again with --id {how['id']} is safe")
            raise typer.Exit(FAILED) from None
        warn(str(error))
        raise typer.Exit(NOT_QUEUED) from None


def _its_fields(action: str, error: CommandError, raw: bool) -> str:
    """What an action takes, after an error in one of its fields that does not say it."""
    spec = None if raw or error.field in _OF_THE_WHOLE else action_named(action)
    if spec is None or "is no field of" in str(error):
        return ""
    return f"; {spec.name} takes {', '.join(spec.fields) or 'no fields'}"


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
