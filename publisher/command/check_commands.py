"""What `amibus check` says of commands: the policy in words, the queue's server, the PBX's rights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from publisher.adapters.redis_commands.probe import probe_redis
from publisher.app.commands import redis_settings
from publisher.command.dialogue import Dialogue
from publisher.command.output import for_people, print_json, say
from publisher.commanding.policy_words import policy_words
from publisher.configuration.section import EMBEDDED
from publisher.configuration.settings import Settings
from publisher.errors import PublisherError
from schemas.actions import ACTIONS, Group

# The write class that an action of a group needs; MixMonitor and its like want more (main/manager.c and the
# applications' own registrations).
_CLASS_OF: Final = {
    Group.CALLS: "call",
    Group.QUEUES: "agent",
    Group.VARIABLES: "call",
    Group.RECORDING: "system",
    Group.STATUS: "reporting",
}
_OWN_CLASS: Final = {"Originate": "originate", "SendText": "call", "UserEvent": "user"}
# Without its channel or queue each of these is refused in either case, by another sentence.
_HARMLESS: Final = {"originate": "Originate", "call": "Redirect", "agent": "QueueAdd", "system": "MixMonitor"}


def write_classes(settings: Settings) -> frozenset[str]:
    """The classes that the AMI user must be able to write for what the policy allows."""
    allowed = {name for client in settings.policy.client for name in client.rules.actions}
    classes = {_OWN_CLASS.get(name) or _CLASS_OF.get(ACTIONS[name].group, "") for name in allowed}
    return frozenset(classes - {""})


async def ask_rights(dialogue: Dialogue, classes: Iterable[str]) -> list[str]:
    """A warning for each class that the PBX does not let us write; nothing is done by asking."""
    warnings = []
    for name in sorted(classes):
        action = _HARMLESS.get(name)
        if action is None:
            continue
        reply = await dialogue.ask(action)
        message = reply.response.fields.get("Message", "") if reply.response else ""
        if "ermission" in str(message):
            warnings.append(f"{action} is refused: {message}; add write = {name} for this user")
    return warnings


def show_policy(settings: Settings) -> None:
    """The rules of each client in words."""
    for client in settings.policy.client:
        words = policy_words(client.rules)
        if for_people():
            say(f"client {client.name}:")
            for line in words:
                say(f"  {line}")
        else:
            print_json({"check": "policy", "client": client.name, "ok": True, "rules": words})


async def check_queue(settings: Settings) -> bool:
    """Try the queue's server; whether all is well."""
    url = settings.commands.read_url().reveal()
    if url == EMBEDDED:
        if settings.policy.client:
            _tell("commands: ok: embedded, in amibus run", {"ok": True, "queue": "embedded"})
        return True
    try:
        facts, warnings = await probe_redis(redis_settings(settings.commands, url))
    except PublisherError as error:
        _tell(f"commands: FAILED: {error}", {"ok": False, "problem": str(error)})
        return False
    _tell(f"commands: ok: {facts}", {"ok": True, "queue": facts, "warnings": warnings})
    if for_people():
        for warning in warnings:
            say(f"  warning: {warning}")
    return True


def _tell(words: str, entry: dict[str, Any]) -> None:
    if for_people():
        say(words)
    else:
        print_json({"check": "commands", **entry})
