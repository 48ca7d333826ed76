"""Events from RabbitMQ for a microservice (see `consumers.events.client`)."""

from consumers.errors import BusLost, BusRefused, BusUnreachable, ConsumerError, FilterInvalid
from consumers.events.client import EventClient
from consumers.events.received_call import ReceivedCall
from consumers.events.received_event import ReceivedEvent
from consumers.events.reports import (
    BusBack,
    BusDown,
    EventParked,
    FilterQuarantined,
    ParkingFailed,
    StreamReport,
    StreamReporter,
)
from consumers.events.seq_watch import SeqWatch
from consumers.events.stream import EventStream
from schemas.errors import PatternError

__all__ = [
    "BusBack",
    "BusDown",
    "BusLost",
    "BusRefused",
    "BusUnreachable",
    "ConsumerError",
    "EventClient",
    "EventParked",
    "EventStream",
    "FilterInvalid",
    "FilterQuarantined",
    "ParkingFailed",
    "PatternError",
    "ReceivedCall",
    "ReceivedEvent",
    "SeqWatch",
    "StreamReport",
    "StreamReporter",
]
