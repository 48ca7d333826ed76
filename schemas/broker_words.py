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
from schemas.network_words import root_cause, why_not_opened

_ADVICE: Final = {
    "ACCESS_REFUSED": "grant the user the permission",
    "NOT_FOUND": "it was deleted; it is declared again at the next connection",
    "PRECONDITION_FAILED": "delete what stands there, or make it as `amibus topology show` says",
    "NOT_ALLOWED": "make the virtual host and give the user access to it",
    "RESOURCE_LOCKED": "another connection has it to itself",
    "CONTENT_TOO_LARGE": "raise the broker's max_message_size",
}
_TLS_HINT: Final = "amqps is usually port 5671, amqp 5672"
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
    return Verdict(
        Kind.UNREACHABLE, f"{url.shown} cannot be reached: {why_not_opened(error, timeout_secs, _TLS_HINT)}"
    )


def ended(url: BrokerUrl, text: str, error: BaseException | None) -> Verdict:
    """The verdict on a connection that stood; `text` is the broker's own, if any."""
    if text:
        return said(url, text)
    root = root_cause(error)
    reason = root.strerror if isinstance(root, OSError) and root.strerror else "the connection broke"
    return Verdict(Kind.LOST, f"{url.shown}: {reason}")
