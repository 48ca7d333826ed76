"""What a RabbitMQ broker or the network said, as one sentence that a person can act on. Pure.

RabbitMQ begins its reply texts with the name of the reply code ("ACCESS_REFUSED - …"; AMQP 0-9-1, section
1.2, reply codes). The names that mean "you may not" or "this does not fit" are refusals: the same try
again gives the same answer until someone changes something. Everything else is a lost connection.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from schemas.broker_url import BrokerUrl

_ADVICE: Final = {
    "ACCESS_REFUSED": "grant the user the permission",
    "NOT_FOUND": "it was deleted; it is declared again at the next connection",
    "PRECONDITION_FAILED": "delete what stands there, or make it as `amibus topology show` says",
    "NOT_ALLOWED": "make the virtual host and give the user access to it",
    "RESOURCE_LOCKED": "another connection has it to itself",
    "CONTENT_TOO_LARGE": "raise the broker's max_message_size",
}
# Class 10, method 50; then a code of two bytes and a short string (AMQP 0-9-1, connection.close).
_CONNECTION_CLOSE: Final = b"\x00\x0a\x00\x32"
_METHOD_FRAME: Final = b"\x01"


class Kind(enum.Enum):
    """Which of the three bus errors a sentence belongs to."""

    UNREACHABLE = enum.auto()
    REFUSED = enum.auto()
    LOST = enum.auto()


@dataclass(slots=True, frozen=True)
class Verdict:
    kind: Kind
    sentence: str


class Handshake:
    """Listens to what the other side sends first: the driver's error drops the text of a close."""

    __slots__ = ("close_text", "speaks_amqp")

    def __init__(self) -> None:
        self.close_text = ""
        self.speaks_amqp: bool | None = None

    def hear(self, data: bytes) -> None:
        """Bytes as the driver reads them: a byte, the rest of a frame's head, a payload."""
        if self.speaks_amqp is None:
            self.speaks_amqp = data.startswith(_METHOD_FRAME)
        if data.startswith(_CONNECTION_CLOSE):
            self.close_text = data[7 : 7 + data[6]].decode(errors="replace")


def said(url: BrokerUrl, text: str) -> Verdict:
    """The verdict on a reply text of the broker."""
    code, _, reason = text.partition(" - ")
    if code not in _ADVICE:
        return Verdict(Kind.LOST, f"{url.shown} closed the connection: {text or 'no reason given'}")
    if "login was refused" in reason.lower():
        return Verdict(
            Kind.REFUSED, f"{url.shown} refused the login of user {url.user!r}: check user and password"
        )
    return Verdict(Kind.REFUSED, f"{url.shown} refused: {reason} ({_ADVICE[code]})")


def not_opened(
    url: BrokerUrl, handshake: Handshake, text: str, error: BaseException | None, timeout_secs: float
) -> Verdict:
    """The verdict on a connection that did not come about; `text` is the broker's own, if any."""
    if told := handshake.close_text or text:
        return said(url, told)
    if handshake.speaks_amqp is False:
        hint = "" if url.secure else ", or wants amqps"
        return Verdict(Kind.UNREACHABLE, f"{url.shown}: what listens there does not speak AMQP 0-9-1{hint}")
    return Verdict(Kind.UNREACHABLE, f"{url.shown} cannot be reached: {_why(error, timeout_secs)}")


def ended(url: BrokerUrl, text: str, error: BaseException | None) -> Verdict:
    """The verdict on a connection that stood; `text` is the broker's own, if any."""
    if text:
        return said(url, text)
    root = _root(error)
    reason = root.strerror if isinstance(root, OSError) and root.strerror else "the connection broke"
    return Verdict(Kind.LOST, f"{url.shown}: {reason}")


def _why(error: BaseException | None, timeout_secs: float) -> str:
    root = _root(error)
    if isinstance(root, TimeoutError) or root is None:
        return f"no answer within {timeout_secs:g} s"
    if reason := getattr(root, "verify_message", ""):
        return f"its certificate was not accepted: {reason}"
    if type(root).__module__ == "ssl":
        return "it does not speak TLS there (amqps is usually port 5671, amqp 5672)"
    if isinstance(root, ConnectionRefusedError):
        return "nothing listens there"
    return root.strerror if isinstance(root, OSError) and root.strerror else "the connection broke"


def _root(error: BaseException | None) -> BaseException | None:
    """The first error of the system under the driver's own ones, else the outermost."""
    seen = error
    while seen is not None:
        if isinstance(seen, OSError) and type(seen).__module__ in ("builtins", "ssl", "socket"):
            return seen
        seen = seen.__cause__
    return error
