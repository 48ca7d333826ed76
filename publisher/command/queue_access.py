"""How the command line reaches a command queue: the configured Redis, or the one inside `amibus run`."""

from __future__ import annotations

import os
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from consumers.commands import CommandClient
from publisher.adapters.embedded_commands import SOCKET_NAME
from publisher.command.stopping import run_loop
from publisher.configuration.section import EMBEDDED
from publisher.configuration.settings import Settings
from publisher.errors import ConfigurationError, QueueUnreachable

TOKEN_VARIABLE: Final = "AMIBUS_TOKEN"
_DOOR_SECS: Final = 5.0

Result = TypeVar("Result")


def queue_client(settings: Settings, client: str = "operator", token: str = "") -> CommandClient:
    """A client of the configured queue.

    Raises `QueueUnreachable` where that is inside a process that does not run.
    """
    commands = settings.commands
    url = commands.read_url().reveal()
    if url == EMBEDDED:
        door = settings.journal.dir / SOCKET_NAME
        _look_at(door)
        url = f"unix://{quote(str(door.absolute()))}"
    return CommandClient.connect(
        url,
        client=client,
        token=token,
        timeout_secs=commands.timeout_secs,
        verify=commands.tls.verify,
        ca_file=commands.tls.ca_file,
    )


def _look_at(door: Path) -> None:
    """Is somebody behind the embedded queue's door? A killed process leaves its socket behind.

    Raises `QueueUnreachable` where nobody is, or it may not be opened.
    """
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(_DOOR_SECS)
            asked.connect(str(door))
    except PermissionError as error:
        raise QueueUnreachable(
            f"{door} may be opened only by the user that amibus run belongs to: run this as that user"
        ) from error
    except BlockingIOError:
        # So many ask at the same time that there is no place in the line: somebody is there.
        return
    except OSError as error:
        raise QueueUnreachable(
            "the command queue is inside amibus run, and none that takes commands runs on "
            f"{door.parent}: start one with a [[policy.client]], or name a Redis in [commands]"
        ) from error


def client_and_token(settings: Settings, wanted: str | None) -> tuple[str, str, str]:
    """Whose command it is, its token, and where that comes from in words: the client named, else the only one
    of the policy; the token of the environment, else that of the policy. Raises `ConfigurationError`."""
    clients = {client.name: client for client in settings.policy.client}
    known = ", ".join(clients) or "none"
    token = os.environ.get(TOKEN_VARIABLE, "")
    if wanted is None:
        if len(clients) != 1:
            raise ConfigurationError(f"say whose command it is with --client NAME; in the policy: {known}")
        wanted = next(iter(clients))
    if token:
        return wanted, token, f"the environment variable {TOKEN_VARIABLE}"
    if wanted not in clients:
        raise ConfigurationError(
            f"there is no client {wanted!r} in the policy; there is: {known}; or set {TOKEN_VARIABLE}"
        )
    client = clients[wanted]
    variable = f"the environment variable {client.secret_env}" if client.secret_env else ""
    return wanted, client.read_secret(), variable or str(client.secret_file or "the configuration")


def pbx_name(settings: Settings, wanted: str | None) -> str:
    """The PBX whose queue is meant: the one named, else the only one. Raises `ConfigurationError`."""
    names = [pbx.name for pbx in settings.pbx]
    known = ", ".join(names) or "none"
    if wanted is None and len(names) != 1:
        raise ConfigurationError(f"say which PBX with --pbx NAME; in the configuration: {known}")
    # A machine that only sends commands need not know the PBXs.
    if wanted is not None and names and wanted not in names:
        raise ConfigurationError(f"there is no PBX {wanted!r} in the configuration; there is: {known}")
    return wanted or names[0]


def run_with(client: CommandClient, work: Coroutine[Any, Any, Result]) -> Result:
    """Do the work, then close the client."""

    async def whole() -> Result:
        async with client:
            return await work

    return run_loop(whole())
