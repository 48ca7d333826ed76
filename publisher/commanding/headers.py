"""From a judged command to the action's headers, for an Asterisk of a given age. Pure.

What differs by age (versions are the manager interface's own: 1.x is Asterisk 11 and older, 2.x is 12):
* ChannelId, which makes the command's id the channel's Uniqueid, is known since 12. Before that a channel
  variable carries the id, so that the channel can be told by its VarSet event.
* Park says TimeoutChannel since 12, Channel2 before.

A `Variable` header is split at commas, and quotes and backslashes in it are taken away (main/app.c,
__ast_app_separate_args; main/manager.c, man_do_variable_value): a backslash before each keeps a value whole.
Brackets count there too, and an open one would hide what follows it, so they are kept from counting as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from schemas.actions import DEFAULT_RING_MS, MAX_RING_MS
from schemas.command import Command

Headers = list[tuple[str, str]]

ID_VARIABLE: Final = "AMIBUS_COMMAND"
_SPECIAL: Final = re.compile(r'([\\",()\[\]])')


def knows_channel_ids(ami_version: str) -> bool:
    """Whether this manager interface takes ChannelId: Asterisk 12 and later. Unknown counts as yes."""
    major = ami_version.partition(".")[0]
    return not major.isdigit() or int(major) >= 2


def variable_text(name: str, value: str) -> str:
    """`NAME=value` as a Variable header of Originate, so that all of the value arrives."""
    escaped = _SPECIAL.sub(r"\\\1", value)
    return f"{name}={escaped}"


def action_of(command: Command, fields: Mapping[str, Any], ami_version: str) -> tuple[str, Headers, int]:
    """The action's name, its headers, and for a call how long it may ring in milliseconds, else 0.

    `fields` are what the policy made of the command's.
    """
    if command.raw:
        return _raw(command, fields, ami_version)
    spec = command.spec
    assert spec is not None
    match spec.name:
        case "Originate":
            ring_ms = fields.get("Timeout", DEFAULT_RING_MS)
            return "Originate", _originate(command.id, fields, ring_ms, ami_version), ring_ms
        case "UserEvent":
            headers = _plain({"UserEvent": fields["UserEvent"]}) + _plain(fields.get("Headers", {}))
            return "UserEvent", headers, 0
        case "Park" if not knows_channel_ids(ami_version):
            names = {"TimeoutChannel": "Channel2"}
            return "Park", _plain({names.get(name, name): value for name, value in fields.items()}), 0
        case "Redirect" | "AttendedTransfer":
            numbered = {"Priority": 1, **fields}
            if "ExtraChannel" in fields:
                numbered.setdefault("ExtraPriority", 1)
            return spec.ami or spec.name, _plain(numbered), 0
        case _:
            return spec.ami or spec.name, _plain(fields), 0


def _raw(command: Command, fields: Mapping[str, Any], ami_version: str) -> tuple[str, Headers, int]:
    """As given; but an Originate that is not async would hold up the session, and the events with it."""
    if command.action.lower() != "originate":
        return command.action, _plain(fields), 0
    given = [(name, value) for name, value in _plain(fields) if name.lower() != "async"]
    # Of several headers of one name Asterisk reads the first.
    known = {name.lower(): value for name, value in reversed(given)}
    timeout = known.get("timeout", "")
    ring_ms = min(int(timeout), MAX_RING_MS) if re.fullmatch("[0-9]{1,9}", timeout) else DEFAULT_RING_MS
    headers = [*given, ("Async", "true")]
    if "channelid" not in known and knows_channel_ids(ami_version):
        headers.append(("ChannelId", command.id))
    return command.action, headers, max(1, ring_ms)


def _originate(id: str, fields: Mapping[str, Any], ring_ms: int, ami_version: str) -> Headers:
    """Async, so that the session goes on; the answer is the event OriginateResponse with our ActionID."""
    headers = [("Channel", fields["Channel"])]
    if "Application" in fields:
        headers += _plain({name: fields[name] for name in ("Application", "Data") if name in fields})
    else:
        headers += [("Context", fields["Context"]), ("Exten", fields["Exten"])]
        headers.append(("Priority", str(fields.get("Priority", 1))))
    headers += [("Timeout", str(ring_ms)), ("Async", "true")]
    headers += _plain(
        {name: fields[name] for name in ("CallerID", "Account", "EarlyMedia") if name in fields}
    )
    headers += [("Variable", variable_text(*pair)) for pair in fields.get("Variable", {}).items()]
    if knows_channel_ids(ami_version):
        headers.append(("ChannelId", id))
        if fields["Channel"].lower().startswith("local/"):
            # The other half of a Local channel would get a name of Asterisk's own making otherwise.
            headers.append(("OtherChannelId", f"{id}-2"))
    else:
        headers.append(("Variable", f"{ID_VARIABLE}={id}"))
    return headers


def _plain(fields: Mapping[str, Any]) -> Headers:
    headers: Headers = []
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            headers.append((name, ("true" if one else "false") if isinstance(one, bool) else str(one)))
    return headers
