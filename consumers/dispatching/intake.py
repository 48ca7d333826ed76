"""What becomes of a delivery before the sink sees it: decoded, filtered, put in its lane.

What cannot be decoded, and what the filter could not decide in its time, is parked: it is neither lost nor
taken for a "no". A filter in quarantine holds its binding up, and its events wait on the bus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from consumers.plugin import AnyEvent, SinkEvent
from schemas.call_event import CallEvent, CallState
from schemas.codecs import decode, decode_map
from schemas.envelope import Event
from schemas.errors import DecodeError
from schemas.message import Delivery, Message

_CALL_STATES: Final = frozenset(state.value for state in CallState)


class Answer(Enum):
    """A filter's answer to one event."""

    YES = "yes"
    NO = "no"
    TIMEOUT = "timeout"
    QUARANTINED = "quarantined"


class Gate(Protocol):
    """The filter of one binding."""

    async def answers(self, events: Sequence[AnyEvent]) -> Sequence[Answer]:
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

    async def answers(self, events: Sequence[AnyEvent]) -> Sequence[Answer]:
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
            event = read_event(message)
        except DecodeError as error:
            decoded.bad.append((delivery, f"the body cannot be read: {error}"))
        else:
            decoded.good.append((delivery, SinkEvent(event, message)))
    return decoded


def read_event(message: Message) -> AnyEvent:
    """The event, or the call event, that a message holds. Raises `DecodeError`."""
    if message.type not in _CALL_STATES:
        return decode(message.content_type, message.body)
    # A PBX may name an event of its own so too.
    body = decode_map(message.content_type, message.body)
    return CallEvent.from_map(body) if "state" in body else Event.from_map(body)
