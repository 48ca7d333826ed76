"""What an Originate asks for, read and checked as Asterisk 11, 20 and 22 do (`action_originate`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from publisher.simulator.arguments import originate_variables
from publisher.simulator.caller_id import parse_caller_id
from publisher.simulator.requests import Request, is_true, whole_number

MAX_UNIQUEID_BYTES: Final = 149
DEFAULT_TIMEOUT_MS: Final = 30_000
# Applications and data that need the system class besides, as parts of words.
_OLD_APPLICATIONS: Final = ("system", "exec", "agi", "mixmonitor", "externalivr")
_OLD_DATA: Final = ("SHELL", "EVAL")
_APPLICATIONS: Final = (*_OLD_APPLICATIONS, "dbdeltree", "originate", "reload")
_DATA: Final = ("CURL", "DB", "EVAL", "FILE", "ODBC", "REALTIME", "SHELL")


class OriginateRefused(ValueError):
    """The message is Asterisk's answer."""


@dataclass(slots=True, frozen=True)
class Origination:
    """An Originate. `channel` is `technology/target`; `caller_num` and `caller_name` are None if not given.

    `variables` are in the order of the headers; Asterisk sets the last one first.
    """

    action_id: str
    channel: str
    context: str
    exten: str
    priority: int
    application: str
    data: str
    timeout_ms: int
    caller_num: str | None
    caller_name: str | None
    variables: tuple[tuple[str, str], ...]
    channel_id: str
    other_channel_id: str
    asynchronous: bool

    @property
    def technology(self) -> str:
        return self.channel.partition("/")[0]

    @property
    def target(self) -> str:
        return self.channel.partition("/")[2]


@dataclass(slots=True, frozen=True)
class Originated:
    """One call that was really begun for an Originate. `at` is on the monotonic clock, in seconds."""

    action_id: str
    channel_id: str
    channel: str
    context: str
    exten: str
    application: str
    data: str
    variables: tuple[tuple[str, str], ...]
    at: float


def read_origination(request: Request, modern: bool, classes: frozenset[str]) -> Origination:
    """`classes` are the write classes of who asks. Raises `OriginateRefused`."""
    channel_id, other_id = request.get("ChannelId"), request.get("OtherChannelId")
    if not modern:
        channel_id = other_id = ""
    if (
        max(len(one.encode("utf-8", "surrogateescape")) for one in (channel_id, other_id))
        > MAX_UNIQUEID_BYTES
    ):
        # The line end within the message is Asterisk's own.
        raise OriginateRefused(f"Uniqueid length exceeds maximum of {MAX_UNIQUEID_BYTES}\n")
    channel = request.get("Channel")
    if not channel:
        raise OriginateRefused("Channel not specified")
    text = request.get("Priority")
    priority = whole_number(text) if text else 0
    if priority is None:
        # The dialplan of the simulator has no labels.
        raise OriginateRefused("Invalid priority")
    text = request.get("Timeout")
    timeout_ms = whole_number(text) if text else DEFAULT_TIMEOUT_MS
    if timeout_ms is None:
        raise OriginateRefused("Invalid timeout")
    if "/" not in channel:
        raise OriginateRefused("Invalid channel")
    application, data = request.get("Application"), request.get("Data")
    if application and "system" not in classes:
        _check_application(application, data, modern, classes)
    number, name = parse_caller_id(request.get("CallerID"))
    return Origination(
        action_id=request.action_id,
        channel=channel,
        context=request.get("Context"),
        exten=request.get("Exten"),
        priority=priority,
        application=application,
        data=data,
        timeout_ms=timeout_ms,
        caller_num=number,
        caller_name=name,
        variables=tuple(originate_variables(request.all("Variable"))),
        channel_id=channel_id,
        other_channel_id=other_id,
        asynchronous=is_true(request.get("Async")),
    )


def _check_application(application: str, data: str, modern: bool, classes: frozenset[str]) -> None:
    lowered = application.lower()
    if not modern:
        if any(word in lowered for word in _OLD_APPLICATIONS):
            raise OriginateRefused("Originate Access Forbidden: Application")
        if any(word in data for word in _OLD_DATA):
            raise OriginateRefused("Originate Access Forbidden: Data")
        return
    # The queue's sixth argument is an AGI: that one the agi class allows as well.
    agi = "queue" in lowered and len(parts := data.split(",")) > 5 and bool(parts[5])
    forbidden = any(word in lowered for word in _APPLICATIONS) or any(word in data for word in _DATA)
    if forbidden or (agi and "agi" not in classes):
        raise OriginateRefused("Originate Access Forbidden: app or data blacklisted")
