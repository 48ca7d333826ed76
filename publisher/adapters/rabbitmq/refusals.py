"""Verdicts on the broker's words as the publisher's errors."""

from __future__ import annotations

from typing import Final

from publisher.errors import BusError, BusLost, BusRefused, BusUnreachable
from schemas.broker_url import BrokerUrl
from schemas.broker_words import Kind, Verdict

_ERRORS: Final[dict[Kind, type[BusError]]] = {
    Kind.UNREACHABLE: BusUnreachable,
    Kind.REFUSED: BusRefused,
    Kind.LOST: BusLost,
}


def bus_error(verdict: Verdict) -> BusError:
    return _ERRORS[verdict.kind](verdict.sentence)


def opening_error(verdict: Verdict) -> BusError:
    """While a connection is opened nothing can be lost: what is no refusal is out of reach."""
    return BusRefused(verdict.sentence) if verdict.kind is Kind.REFUSED else BusUnreachable(verdict.sentence)


def silent(url: BrokerUrl, secs: float) -> BusLost:
    """The error for a broker that confirms nothing."""
    return BusLost(f"{url.shown} confirmed nothing for {secs:g} s: the connection was given up")
