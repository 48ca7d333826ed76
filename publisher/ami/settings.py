"""What a session needs to know before it begins."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from publisher.ami.actions import MAX_LINE_BYTES, encode_action
from publisher.ami.errors import ActionRefused
from publisher.ami.fields import UTF_8
from publisher.ami.framing import Limits

MAX_FILTERS: Final = 64

_MASK = re.compile(r"on|off|[a-z]+(,[a-z]+)*")
_CRITERIA = re.compile(r"eventfilter\((?P<criteria>.*)\)\s*=\s*(?P<expression>.*)")


def filter_headers(text: str) -> list[tuple[str, str]]:
    """The headers of `Action: Filter` that add this filter.

    `text` is a regular expression over the whole event, `!` in front to leave out what matches (Asterisk 10
    and later), or a line as in manager.conf, `eventfilter(action(exclude),name(VarSet)) =`. Servers before
    18.26, 20.11, 21.6 and 22.1 do not know the second form: they overlook its criteria and would take an
    expression in it for one that events must match.
    """
    line = _CRITERIA.fullmatch(text)
    if line is None:
        return [("Operation", "Add"), ("Filter", text)]
    return [("Operation", "Add"), ("MatchCriteria", line["criteria"]), ("Filter", line["expression"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """A login and its bounds. Times are in seconds, monotonic.

    `auth` is "md5" (challenge and response) or "plain". `event_mask` is "on", "off" or a list of classes
    like "call,agent", set by `AmiSession.turn_on_events`. `filters` are set at each login (see
    `filter_headers`). A dead connection is noticed after `ping_interval_secs + pong_timeout_secs` of
    silence. Without `action_id_prefix` each session makes an unguessable one.

    Raises `publisher.ami.errors.ActionRefused` for what could not be sent.
    """

    username: str
    secret: str = field(repr=False)
    auth: str = "md5"
    filters: tuple[str, ...] = ()
    event_mask: str = "on"
    encoding: str = UTF_8
    greeting_timeout_secs: float = 10.0
    login_timeout_secs: float = 10.0
    request_timeout_secs: float = 10.0
    ping_interval_secs: float = 3.0
    pong_timeout_secs: float = 5.0
    max_requests: int = 1024
    max_list_items: int = 100_000
    max_unsent_bytes: int = 1 << 20
    action_id_prefix: str = ""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.auth not in ("md5", "plain"):
            raise ActionRefused('auth must be "md5" or "plain"')
        if not _MASK.fullmatch(self.event_mask):
            raise ActionRefused('the event mask must be "on", "off" or classes like "call,agent"')
        if len(self.filters) > MAX_FILTERS:
            raise ActionRefused(f"{len(self.filters)} filters are set and {MAX_FILTERS} are allowed")
        if self.max_requests < 2 * MAX_FILTERS or self.max_unsent_bytes < 4 * MAX_FILTERS * MAX_LINE_BYTES:
            raise ActionRefused(
                f"the session must allow at least {2 * MAX_FILTERS} requests "
                f"and {4 * MAX_FILTERS * MAX_LINE_BYTES} unsent bytes"
            )
        encode_action("Login", [("Username", self.username), ("Secret", self.secret)], "check", self.encoding)
        encode_action("Events", [("EventMask", self.event_mask)], "check")
        for text in self.filters:
            encode_action("Filter", filter_headers(text), "check", self.encoding)
