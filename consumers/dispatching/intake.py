"""What becomes of a delivery before the sink sees it: decoded, filtered, put in its lane.

What cannot be decoded, and what the filter could not decide in its time, is parked: it is neither lost nor
taken for a "no". A filter in quarantine holds its binding up, and its events wait on the bus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from consumers.plugin import SinkEvent
from schemas.codecs import decode
from schemas.envelope import Event
from schemas.errors import DecodeError
from schemas.message import Delivery


class Answer(Enum):
    """A filter's answer to one event."""

    YES = "yes"
    NO = "no"
    TIMEOUT = "timeout"
    QUARANTINED = "quarantined"


class Gate(Protocol):
    """The filter of one binding."""

    async def answers(self, events: Sequence[Event]) -> Sequence[Answer]:
        """One for each event, in order."""
        ...

    @property
    def quarantine_secs(self) -> float:
        """How long the quarantine lasts from now on; 0 without one."""
        ...

    async def close(self) -> None: ...


class OpenGate:
    """The gate of a binding without a filter."""

    quarantine_secs = 0.0

    async def answers(self, events: Sequence[Event]) -> Sequence[Answer]:
        return [Answer.YES] * len(events)

    async def close(self) -> None:
        return None


@dataclass(slots=True)
class Decoded:
    """Deliveries that could be read, and those that could not, with the reason."""

    good: list[tuple[Delivery, SinkEvent]]
    bad: list[tuple[Delivery, str]]


def decode_all(deliveries: Sequence[Delivery]) -> Decoded:
    """Read the bodies."""
    decoded = Decoded([], [])
    for delivery in deliveries:
        message = delivery.message
        try:
            event = decode(message.content_type, message.body)
        except DecodeError as error:
            decoded.bad.append((delivery, f"the body cannot be read: {error}"))
        else:
            decoded.good.append((delivery, SinkEvent(event, message)))
    return decoded
