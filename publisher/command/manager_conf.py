"""What to put into the PBX's manager.conf for ami-bus, by the age of the Asterisk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from publisher.configuration.pbx import PbxSettings

# Classes by the interface's major version at which Asterisk knows them; an unknown one is an error there.
_READ_ALWAYS: Final = (
    "system",
    "call",
    "agent",
    "user",
    "config",
    "dtmf",
    "reporting",
    "cdr",
    "dialplan",
    "cc",
)
_SECURITY_SINCE: Final = 2


# The order in which manager.conf names them.
_WRITE_ORDER: Final = ("system", "call", "agent", "user", "reporting", "originate")


def _rank(name: str) -> int:
    return _WRITE_ORDER.index(name)


def ami_major(version: str) -> int:
    """The major version of the interface: 1 is Asterisk 11 and older, 2 is 12 and 13, …; 0 if unknown."""
    head = version.partition(".")[0]
    return int(head) if head.isdecimal() else 0


def manager_conf(pbx: PbxSettings, ami_version: str, write: Iterable[str] = ()) -> str:
    """A fragment of manager.conf: a user that reads everything and may do nothing but ask, and what the
    classes in `write` allow.

    `Action: Filter`, which `leave_out` needs, is of the class system, which may do more than ask."""
    major = ami_major(ami_version)
    read = [*_READ_ALWAYS, *(["security"] if major >= _SECURITY_SINCE else [])]
    # Any one of an action's classes is enough: reporting reads all lists and can do the least.
    # Filters are set at login by an action that needs system.
    classes = {"reporting", *write} | ({"system"} if pbx.leave_out else set())
    lines = [
        "[general]",
        "enabled = yes",
        "timestampevents = yes",
        "allowmultiplelogin = yes",
        "",
        f"[{pbx.username}]",
        "secret = (the secret)",
        f"read = {','.join(read)}",
        f"write = {','.join(sorted(classes, key=_rank))}",
        "writetimeout = 10000",
        "deny = 0.0.0.0/0.0.0.0",
        "permit = (the address of the machine that runs ami-bus)/255.255.255.255",
    ]
    if pbx.tls_settings is not None:
        lines[2:2] = ["tlsenable = yes", f"tlsbindaddr = 0.0.0.0:{pbx.port}"]
    return "\n".join(lines) + "\n"
