"""Events from the bus to a microservice: subscribed to, iterated over, settled.

    async with EventClient.connect("amqp://user:password@localhost") as bus:
        async with bus.subscribe("crm", keys=["*.dialbegin.200"], regex="Dial.{1,}?200") as events:
            async for event in events:
                print(event.event, event.field("CallerIDNum"), event.received)
                event.ack()                  # or event.retry(after_secs=30), event.reject("no such customer")

A subscription with a name is a durable queue, which keeps the events while nobody is there; one without ends
with the connection. Several clients with the same name, keys and filter share the events, each going to one.

Bounds: one connection for all subscriptions to events, one for those to calls, one to the parking lot, each
made when it is first needed.
"""

from __future__ import annotations

import re
import ssl
import time
import uuid
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Literal
from weakref import WeakSet

from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.lot import RabbitLot
from consumers.adapters.rabbitmq.source import RabbitSource
from consumers.events.intake import Wanted
from consumers.events.received_call import ReceivedCall
from consumers.events.received_event import ReceivedEvent
from consumers.events.reports import StreamReport, StreamReporter
from consumers.events.stream import EventStream
from consumers.filtering import CompiledFilter, EventFilter, narrowed_keys
from consumers.ports import MAX_WAITING, Binding, BusSource, ParkingLot
from schemas.broker_topology import CALLS
from schemas.broker_url import BrokerUrl
from schemas.call_event import CallEvent
from schemas.codecs import decode, decode_map
from schemas.envelope import Event
from schemas.message import Message
from schemas.topics import check_pattern

PREFETCH: Final = 200
_MOST_PREFETCH: Final = 65_535
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}")


def _nobody(_: StreamReport) -> None:
    return None


class EventClient:
    """A client of the bus. Close it, or use it as a context."""

    def __init__(
        self, events: BusSource, calls: BusSource, lot: ParkingLot, on_report: StreamReporter = _nobody
    ) -> None:
        self._events = events
        self._calls = calls
        self._lot = lot
        self._report = on_report
        self._streams: WeakSet[EventStream[Any]] = WeakSet()

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,
        name: str = "ami-bus client",
        queue_type: Literal["quorum", "classic"] = "quorum",
        heartbeat_secs: int = 5,
        timeout_secs: float = 10.0,
        on_report: StreamReporter = _nobody,
    ) -> EventClient:
        """A client for `amqp[s]://user:password@host:port/vhost`. Nothing is connected before the first
        subscription.

        `tls` is for amqps, instead of the system's authorities. `name` is shown in the broker's list of
        connections. `on_report` gets what happens meanwhile (`consumers.events.reports`).
        Raises `ValueError` for a URL of no known form.
        """
        if url == "embedded":
            raise ValueError("the bus inside amibus run cannot be reached: use a sink, or RabbitMQ")
        settings = SourceSettings(
            BrokerUrl.parse(url),
            name=name,
            queue_type=queue_type,
            heartbeat_secs=heartbeat_secs,
            connect_timeout_secs=timeout_secs,
            tls=tls,
        )
        lot = RabbitLot(settings, lambda: time.time_ns() // 1000)
        return cls(RabbitSource(settings), RabbitSource(settings, CALLS), lot, on_report)

    async def __aenter__(self) -> EventClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all subscriptions, each with what was acked said, and the connections."""
        for stream in list(self._streams):
            await stream.close()
        for part in (self._events, self._calls, self._lot):
            await part.close()

    def subscribe(
        self,
        name: str | None = None,
        keys: Iterable[str] = ("#",),
        *,
        regex: str = "",
        contains: str = "",
        where: Mapping[str, str] | None = None,
        events: Iterable[str] = (),
        extensions: Iterable[str] = (),
        prefetch: int = PREFETCH,
        ack_when_next: bool = False,
        undecided: Literal["park", "offer"] = "park",
        max_waiting: int = MAX_WAITING,
    ) -> EventStream[ReceivedEvent]:
        """Events whose key one of the patterns takes and that pass the filter, as a context to iterate over.

        `name` (a-z, 0-9, _ . -; not the name of a `[[binding]]`): a durable queue, which takes events from
        when it is first subscribed to; None: events from now on, as long as the connection lasts. The parts
        of the filter are those of `consumers.filtering.EventFilter`; one with a text or a pattern takes no
        control events. `prefetch`: events held at most. `ack_when_next`: an event about which nothing was
        said is acked when the loop comes for the next one. `undecided`: what becomes of events that the
        filter's pattern took too long on: into the parking lot, or given out as `event.undecided`.
        `max_waiting`: events that may wait on the broker; beyond, the oldest are parked.

        Raises, here and at once, `PatternError` for a key, `FilterInvalid` for a part of the filter and
        `ValueError` for a name or number; and when it is entered, `BusUnreachable` and `BusRefused`.
        """
        patterns = _checked_keys(keys)
        wanted = EventFilter(contains, regex, where or {}, tuple(events), tuple(extensions))
        compiled = wanted.compiled()
        filter = compiled if _filters(compiled) else None
        if undecided not in ("park", "offer"):
            raise ValueError(f"undecided must be 'park' or 'offer', not {undecided!r}")
        if filter is not None:
            patterns = narrowed_keys(patterns, wanted)
        stream = EventStream(
            Wanted(_binding(name, patterns, max_waiting), _checked_prefetch(prefetch), undecided == "offer"),
            self._events,
            self._lot,
            _read_event,
            ReceivedEvent,
            filter,
            ack_when_next,
            self._report,
        )
        self._streams.add(stream)
        return stream

    def calls(
        self,
        name: str | None = None,
        keys: Iterable[str] = ("#",),
        *,
        prefetch: int = PREFETCH,
        ack_when_next: bool = False,
        max_waiting: int = MAX_WAITING,
    ) -> EventStream[ReceivedCall]:
        """Call events (`amibus run` makes them where it is told to), in the same way. Keys are
        `<pbx>.<state>.<extension>`. A name is of one kind: not that of a subscription to events."""
        stream = EventStream(
            Wanted(_binding(name, _checked_keys(keys), max_waiting), _checked_prefetch(prefetch)),
            self._calls,
            self._lot,
            _read_call,
            ReceivedCall,
            None,
            ack_when_next,
            self._report,
        )
        self._streams.add(stream)
        return stream

    async def forget(self, name: str) -> None:
        """Remove a durable subscription, and what waits there."""
        await self._events.unbind(_checked_name(name))


def _read_event(message: Message) -> Event:
    return decode(message.content_type, message.body)


def _read_call(message: Message) -> CallEvent:
    return CallEvent.from_map(decode_map(message.content_type, message.body))


def _binding(name: str | None, keys: tuple[str, ...], max_waiting: int) -> Binding:
    if max_waiting < 1:
        raise ValueError(f"max_waiting must be at least 1, not {max_waiting}")
    if name is None:
        return Binding(f"client-{uuid.uuid4().hex[:12]}", keys, durable=False)
    return Binding(_checked_name(name), keys, max_waiting=max_waiting)


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a subscription; allowed: at most 60 of a-z, 0-9, _ . and -")
    return name


def _checked_keys(keys: Iterable[str]) -> tuple[str, ...]:
    if isinstance(keys, str):
        raise ValueError(f"keys must be a list of patterns, such as [{keys!r}]")
    patterns = tuple(map(check_pattern, keys))
    if not patterns:
        raise ValueError("a subscription needs a key pattern; # takes every event")
    return patterns


def _checked_prefetch(prefetch: int) -> int:
    if not 1 <= prefetch <= _MOST_PREFETCH:
        raise ValueError(f"prefetch must be from 1 to {_MOST_PREFETCH:,}, not {prefetch}")
    return prefetch


def _filters(compiled: CompiledFilter) -> bool:
    return bool(compiled.conditions or compiled.events or compiled.extensions)
