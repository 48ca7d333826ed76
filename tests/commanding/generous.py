"""Policies that allow nothing, much, or all there is; commands of their client as they stand in the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from publisher.channel_names import ChannelNames
from publisher.commanding.entries import QueuedCommand
from publisher.commanding.number_patterns import NumberPatterns
from publisher.commanding.policy import ChannelTemplate, ClientRules, Judge, NamePatterns
from publisher.services.intake import Intake
from schemas.actions import ACTIONS
from schemas.codecs import json_body, pack_body
from schemas.command import signature, signed_text

PBX = "main"
TOKEN = "an-obviously-fake-token"
NOW_MS = 1_795_424_093_210
TTL_MS = 30_000
TRUNKS = ("provider", "SIP/trunk-out")


def patterns(*texts: str) -> NumberPatterns:
    return NumberPatterns.parse(texts)


NOTHING = ClientRules(name="crm")
GENEROUS = ClientRules(
    name="crm",
    actions=frozenset(ACTIONS),
    raw=frozenset({"dbget", "dbput", "originate", "command", "userevent"}),
    extensions=patterns("200-249", "_9[0-4]X", "alice"),
    channels=(
        ChannelTemplate("PJSIP/{extension}"),
        ChannelTemplate("SIP/{extension}"),
        ChannelTemplate("Local/{extension}@from-queue/n"),
    ),
    contexts=("from-internal", "other"),
    destinations=patterns("_X.", "_+X.", "*8"),
    destinations_denied=patterns("_810.", "_+[2-6]."),
    caller_ids=patterns("200-249", "+78005550000"),
    variables=NamePatterns(("CRM_*", "NOTE", "A", "B")),
    global_variables=True,
    queues=NamePatterns(("*",)),
    user_events=NamePatterns(("Crm*",)),
    applications=("Playback",),
)
# Whatever the policy can allow, so that nothing but the form of a command stands in its way.
BOUNDLESS = replace(
    GENEROUS,
    extensions=patterns("_X.", "_X!", "_*.", "_#.", "_+.", "alice"),
    any_channel=True,
    destinations=patterns("_X.", "_X!", "_*.", "_#.", "_+."),
    destinations_denied=patterns(),
    caller_ids=patterns("_X.", "_X!", "_*.", "_#.", "_+."),
    variables=NamePatterns(("*",)),
    user_events=NamePatterns(("*",)),
)


def judge(rules: ClientRules = GENEROUS) -> Judge:
    return Judge(PBX, [rules], ChannelNames(TRUNKS))


def intake(rules: ClientRules = BOUNDLESS, encoding: str = "utf-8") -> Intake:
    """An intake that knows one client."""
    return Intake(PBX, judge(rules), lambda client: TOKEN if client == rules.name else "", encoding)


def queued(body: bytes | Mapping[str, Any], *, as_json: bool = False, **changes: Any) -> QueuedCommand:
    """A command in the queue, signed with the client's token for these very bytes, id and times."""
    if isinstance(body, bytes):
        data, id = body, changes.get("id", "c-1")
    else:
        data, id = (json_body if as_json else pack_body)(dict(body)), changes.get("id", body.get("id"))
    signed: dict[str, Any] = {"id": id, "at_ms": NOW_MS, "ttl_ms": TTL_MS}
    signed |= {key: value for key, value in changes.items() if key in signed}
    # Half a character cannot be signed; as an id it is refused before the signature is looked at.
    signable = str(signed["id"]).encode("utf-8", "replace").decode()
    given = signature(TOKEN, signed_text(PBX, signable, signed["at_ms"], signed["ttl_ms"], data))
    whole: dict[str, Any] = {"state": "claimed", "body": data, "signature": given, **signed}
    return QueuedCommand(**(whole | {"queued_ms": NOW_MS, "expires_ms": NOW_MS + TTL_MS} | changes))
