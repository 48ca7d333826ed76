"""What the broker or the network said, as one sentence that a person can act on.

RabbitMQ begins its reply texts with the name of the reply code ("ACCESS_REFUSED - …"; AMQP 0-9-1, section
1.2, reply codes). The names that mean "you may not" or "this does not fit" are refusals: the same try
again gives the same answer until someone changes something. Everything else is a lost connection.
"""

from __future__ import annotations

import ssl
from typing import Final

from publisher.errors import BusError, BusLost, BusRefused, BusUnreachable
from schemas.broker_url import BrokerUrl

_ADVICE: Final = {
    "ACCESS_REFUSED": "grant the user the permission",
    "NOT_FOUND": "it was deleted; it is declared again at the next connection",
    "PRECONDITION_FAILED": "delete what stands there, or make it as `amibus topology show` says",
    "NOT_ALLOWED": "make the virtual host and give the user access to it",
    "RESOURCE_LOCKED": "another connection has it to itself",
    "CONTENT_TOO_LARGE": "raise the broker's max_message_size",
}


def said(url: BrokerUrl, text: str) -> BusError:
    """The error for a reply text of the broker."""
    code, _, reason = text.partition(" - ")
    if code not in _ADVICE:
        return BusLost(f"{url.shown} closed the connection: {text or 'no reason given'}")
    if "Login was refused" in reason or "login refused" in reason.lower():
        return BusRefused(f"{url.shown} refused the login of user {url.user!r}: check user and password")
    return BusRefused(f"{url.shown} refused: {reason} ({_ADVICE[code]})")


def not_reached(url: BrokerUrl, error: BaseException | None, timeout_secs: float) -> BusUnreachable:
    """The error for a connection that did not come about."""
    return BusUnreachable(f"{url.shown} cannot be reached: {_why(error, timeout_secs)}")


def no_broker(url: BrokerUrl) -> BusUnreachable:
    """The error for something else that listens on the port."""
    hint = "" if url.secure else ", or wants amqps"
    return BusUnreachable(f"{url.shown}: what listens there does not speak AMQP 0-9-1{hint}")


def broke(url: BrokerUrl, error: BaseException | None) -> BusLost:
    """The error for a connection that ended without a word of the broker."""
    root = _root(error)
    reason = root.strerror if isinstance(root, OSError) and root.strerror else "the connection broke"
    return BusLost(f"{url.shown}: {reason}")


def silent(url: BrokerUrl, secs: float) -> BusLost:
    """The error for a broker that confirms nothing."""
    return BusLost(f"{url.shown} confirmed nothing for {secs:g} s: the connection was given up")


def _why(error: BaseException | None, timeout_secs: float) -> str:
    root = _root(error)
    if isinstance(root, TimeoutError) or root is None:
        return f"no answer within {timeout_secs:g} s"
    if isinstance(root, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted: {root.verify_message}"
    if isinstance(root, ssl.SSLError):
        return "it does not speak TLS there (amqps is usually port 5671, amqp 5672)"
    if isinstance(root, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(root, OSError):
        return root.strerror or "the connection broke"
    return "the driver gave up"


def _root(error: BaseException | None) -> BaseException | None:
    """The first error of the system under the driver's own ones, else the outermost."""
    seen = error
    while seen is not None:
        if isinstance(seen, OSError) and type(seen).__module__ in ("builtins", "ssl", "socket"):
            return seen
        seen = seen.__cause__
    return error
