"""`amibus commands`: what stands in the command queues."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from consumers.commands import CommandClient, NoReplyYet, QueuedView
from publisher.adapters.log import one_line
from publisher.command.output import for_people, print_json, say, warn
from publisher.command.queue_access import pbx_name, queue_client, run_with
from publisher.command.send import show_reply
from publisher.command.settings_file import ConfigOption, load_settings
from schemas.reply import Reason
from schemas.timestamps import timestamp_text

FAILED = 1
_CANCEL_SECS = 5.0

commands = typer.Typer(
    help="Look at the commands in the queue of a PBX, and call them back.", no_args_is_help=True
)

PbxNameOption = Annotated[
    str | None, typer.Option("--pbx", help="Which PBX; the only one by default.", metavar="NAME")
]
IdArgument = Annotated[str, typer.Argument(help="The command's id.", metavar="ID")]


@commands.command("ls")
def ls(
    config: ConfigOption = None,
    pbx: PbxNameOption = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000, metavar="N")] = 200,
) -> None:
    """List the commands that are not over: those under way, then those that wait."""
    settings = load_settings(config)
    name = pbx_name(settings, pbx)
    queue = queue_client(settings)
    views = run_with(queue, queue.waiting(name, limit))
    for view in views:
        if for_people():
            say(line_of(view, time.time_ns() // 1_000_000))
        else:
            print_json(as_map(view))
    if for_people() and not views:
        say(f"no command of {name} waits or is under way")


@commands.command("show")
def show(id: IdArgument, config: ConfigOption = None, pbx: PbxNameOption = None) -> None:
    """Show one command and its reply, as long as the queue keeps them."""
    settings = load_settings(config)
    name = pbx_name(settings, pbx)
    queue = queue_client(settings)
    view = run_with(queue, queue.look(name, id))
    if view is None:
        _unknown(name, id)
        return
    show_view(view)


def show_view(view: QueuedView) -> None:
    """One command: its lines for people, a map for programs."""
    if not for_people():
        print_json(as_map(view))
        return
    say(one_line(f"{view.action} of {view.client}, {view.priority}: {view.state}"))
    queued, until = _time_text(view.queued_ms), _time_text(view.expires_ms)
    say(f"  queued {queued or '(no time)'}, to be begun by {until or '(no time)'}")
    for field, value in (view.command.fields if view.command else {}).items():
        say(one_line(f"  {field} = {value}"))
    if view.reply is not None:
        show_reply(view.reply)


@commands.command("cancel")
def cancel(id: IdArgument, config: ConfigOption = None, pbx: PbxNameOption = None) -> None:
    """Call a command back that has not been sent yet.

    Exit code 0: it will not be sent; 1: it is being sent or over already, or nobody has said yet: then the
    request stands.
    """
    settings = load_settings(config)
    name = pbx_name(settings, pbx)
    queue = queue_client(settings)
    run_with(queue, _cancel(queue, name, id))


async def _cancel(queue: CommandClient, pbx: str, id: str) -> None:
    sent = await queue.follow(pbx, id)
    if sent is None:
        _unknown(pbx, id)
        return
    answer = await queue.cancel(pbx, id)
    if answer == "missing":
        _unknown(pbx, id)
    elif answer == "late":
        _tell_cancel(False, {"id": id, "pbx": pbx, "state": "sending"})
        warn(f"{id} is being sent already, and cannot be called back")
        raise typer.Exit(FAILED)
    try:
        reply = await sent.reply(_CANCEL_SECS)
    except NoReplyYet:
        _tell_cancel(None, {"id": id, "pbx": pbx, "state": "queued"})
        warn(
            f"nobody serves the queue of {pbx} now, or not within {_CANCEL_SECS:g} s; the request stands, "
            f"and a collector that comes will honour it: amibus commands show {id}"
        )
        raise typer.Exit(FAILED) from None
    unsent = reply.reason in (Reason.CANCELLED, Reason.EXPIRED)
    if answer == "final" and for_people():
        say(one_line(f"{id} was over already, since {reply.at}:"))
    _tell_cancel(unsent and answer != "final", reply.to_map())
    if for_people():
        show_reply(reply)
    if not unsent or answer == "final":
        raise typer.Exit(FAILED)


def _tell_cancel(cancelled: bool | None, more: dict[str, Any]) -> None:
    """For programs: whether the command was called back; null where nobody has said yet."""
    if not for_people():
        print_json({"cancelled": cancelled, **more})


def _unknown(pbx: str, id: str) -> None:
    warn(f"the queue of {pbx} knows no command {id}; replies are kept for [commands] keep_replies_hours")
    raise typer.Exit(FAILED)


def line_of(view: QueuedView, now_ms: int) -> str:
    """One command in a list for people. What is no time is left empty."""
    left = (view.expires_ms - now_ms) / 1000
    until = "" if not view.expires_ms else f"{left:.0f} s left" if left > 0 else "over"
    age = f"{(now_ms - view.queued_ms) / 1000:6.1f} s old" if view.queued_ms else " " * 12
    line = f"{view.id:<34} {view.state:<8} {view.action:<18} {view.client:<12} {age}  {until}"
    return one_line(line).rstrip()


def _time_text(ms: int) -> str:
    """Empty where the queue's hash holds no time."""
    return timestamp_text(ms * 1000) if ms else ""


def as_map(view: QueuedView) -> dict[str, Any]:
    """A command for programs. A time that cannot be read is an empty text."""
    entry: dict[str, Any] = {"id": view.id, "pbx": view.pbx, "client": view.client, "action": view.action}
    entry |= {"state": view.state, "priority": view.priority}
    entry |= {
        "queued_at": _time_text(view.queued_ms),
        "expires_at": _time_text(view.expires_ms),
    }
    if view.command is not None:
        entry["fields"] = view.command.fields
    if view.reply is not None:
        entry["reply"] = view.reply.to_map()
    return entry
