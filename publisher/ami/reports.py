"""What a session reports, in stream order: events as bare packets, everything else as one of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from publisher.ami.fields import ParsedPacket
from publisher.ami.framing import Packet


class CloseCause(StrEnum):
    """Why a session ended."""

    HALF_OPEN = "half_open"  # a ping went out and no byte came back in time
    LOGIN_TIMEOUT = "login_timeout"  # no greeting or no answer to the login in time
    LOGIN_REFUSED = "login_refused"  # the PBX said no; `LoginRefused` came before
    NOT_AMI = "not_ami"  # the first line is no greeting of a manager port
    TRUNCATED = "truncated"  # the connection ended inside a packet: Asterisk cut off a slow reader
    SHUTDOWN = "shutdown"  # the connection ended after the event Shutdown
    GOODBYE = "goodbye"  # the PBX answered a Logoff
    LOST = "lost"  # the connection ended between two packets, unannounced


@dataclass(frozen=True, slots=True)
class Greeted:
    """The banner: its text, and the version of the interface, such as "1.3" or "9.0.0"."""

    version_text: str
    ami_version: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The login was accepted. Events are still off; the filters of the settings follow at once."""


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The PBX refused the login. `Closed` follows."""

    message: str


@dataclass(frozen=True, slots=True)
class FilterRefused:
    """The PBX did not take an event filter, for want of write=system or for its syntax. Not fatal."""

    filter: str
    message: str


@dataclass(frozen=True, slots=True)
class ListItem:
    """A list event that answers one of our requests."""

    action_id: str
    packet: Packet


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a request. `complete` tells whether all of the answer came; if not, `reason` says why.

    The reply to `AmiSession.turn_on_events` is no success where the PBX knows none of the classes asked for.

    `response` is the parsed response packet, None where none came. `success` is False for
    `Response: Error` and where no response came. `output` holds the lines of a command's output. `items`
    counts the list events, and `end` is the event that ended the list.
    """

    action_id: str
    response: ParsedPacket | None
    success: bool
    output: list[str] = field(default_factory=list)
    items: int = 0
    end: Packet | None = None
    complete: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UnsolicitedResponse:
    """A response that answers none of our requests, such as an error without ActionID."""

    packet: Packet


@dataclass(frozen=True, slots=True)
class MalformedPacket:
    """Bytes that are no packet; `packet.reason` says why. An event may have been lost in it."""

    packet: Packet


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over; it reports nothing more. `reason` is one sentence."""

    cause: CloseCause
    reason: str


SessionEvent = (
    Packet
    | Greeted
    | LoggedIn
    | LoginRefused
    | FilterRefused
    | ListItem
    | Reply
    | UnsolicitedResponse
    | MalformedPacket
    | Closed
)
