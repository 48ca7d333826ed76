"""For the tests of sinks: events made from packets, and a runner that holds a sink to its contract.

    async def test_my_sink(tmp_path):
        event = sink_event("Event: Hangup\\r\\nChannel: SIP/200-0000019c\\r\\n", extensions=["200"])
        async with SinkRunner(MySink, {"path": "x"}, folder=tmp_path) as sink:
            assert await sink.take(event) == [Done()]

    async def test_its_contract():
        await check_contract(SinkRunner(MySink, {"path": "x"}))

What a sink may do stands in `consumers.plugin`; whatever else it does raises `ContractBroken`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from consumers.errors import SinkUnavailable
from consumers.plugin import Done, Outcome, Reject, Retry, Sink, SinkContext, SinkEvent, SinkOptions, SinkType
from consumers.sinks.lanes import lane_of
from consumers.sinks.registry import FoundSink
from schemas.call_event import CallEvent, CallState, call_event_id, call_keys
from schemas.codecs import body_writer, encode
from schemas.envelope import Event, Fields, event_id
from schemas.message import MSGPACK, Headers, Message
from schemas.routing import control_key, routing_keys
from schemas.timestamps import timestamp_text

__all__ = ["ContractBroken", "SinkRunner", "check_contract", "sink_event", "sink_events"]

EPOCH: Final = 1_779_000_000_000
_BEGIN_US: Final = EPOCH * 1000
_PACKET: Final = "Event: Hangup\r\nChannel: SIP/200-0000019c\r\nCause: 16\r\n"


class ContractBroken(AssertionError):
    """The sink did what `consumers.plugin` does not allow."""


def sink_event(
    packet: str | Mapping[str, str | Sequence[str]] = _PACKET,
    *,
    pbx: str = "main",
    seq: int = 1,
    extensions: Iterable[str] = (),
    call: str = "",
    linkedid: str = "",
    control: dict[str, Any] | None = None,
    attempt: int = 1,
    content_type: str = MSGPACK,
) -> SinkEvent:
    """An event as a sink gets it: from a packet's text (`Name: value` lines) or from its fields.

    `seq` makes its id. With `control` (a map with `kind`) it is a control event, and has no packet. Without
    `call` it concerns no call.
    """
    fields = {} if control is not None else _fields(packet)
    name = f"control.{control['kind']}" if control is not None else _first(fields.get("Event", "Unknown"))
    parties = tuple(extensions)
    event = Event(
        id=event_id(pbx, EPOCH, seq),
        pbx=pbx,
        epoch=EPOCH,
        seq=seq,
        received_at=timestamp_text(_BEGIN_US + seq * 1000),
        event=name,
        extensions=parties,
        fields=fields,
        linkedid=linkedid,
        call=call,
        control=control,
    )
    keys = (control_key(pbx, control["kind"]),) if control is not None else routing_keys(pbx, name, parties)
    message = Message(
        routing_key=keys[0],
        headers=Headers(pbx, EPOCH, seq, call or pbx, linkedid, tuple(keys[1:])),
        message_id=event.id,
        type=name,
        timestamp=(_BEGIN_US + seq * 1000) // 1_000_000,
        body=encode(content_type, event),
        content_type=content_type,
    )
    return SinkEvent(event, message, attempt)


def sink_call_event(
    state: str = "answered",
    *,
    pbx: str = "main",
    seq: int = 1,
    extensions: Iterable[str] = ("200", "202"),
    call: str = "1795424093.1",
    content_type: str = MSGPACK,
    **more: Any,
) -> SinkEvent:
    """A call event as a sink gets it where its binding is on calls. `more` are further keys of its body."""
    at = timestamp_text(_BEGIN_US + seq * 1000)
    event = CallEvent.from_map(
        {
            "v": 1,
            "id": call_event_id(event_id(pbx, EPOCH, seq), CallState(state), 0),
            "pbx": pbx,
            "epoch": EPOCH,
            "seq": seq,
            "event": "Newstate",
            "call": call,
            "state": state,
            "at": at,
            "begun_at": at,
            "extensions": list(extensions),
            "uniqueids": [call],
            **more,
        }
    )
    keys = call_keys(event)
    message = Message(
        routing_key=keys[0],
        headers=Headers(pbx, EPOCH, seq, call, event.linkedid, keys[1:]),
        message_id=event.id,
        type=state,
        timestamp=(_BEGIN_US + seq * 1000) // 1_000_000,
        body=body_writer(content_type)(event.to_map()),
        content_type=content_type,
    )
    return SinkEvent(event, message)


def sink_events(count: int, *, first: int = 1, calls: int = 1, pbx: str = "main") -> list[SinkEvent]:
    """Events numbered from `first`, of so many calls in turn."""
    numbers = range(first, first + count)
    return [sink_event(pbx=pbx, seq=seq, extensions=["200"], call=f"call-{seq % calls}") for seq in numbers]


def _fields(packet: str | Mapping[str, str | Sequence[str]]) -> Fields:
    if not isinstance(packet, str):
        return {name: value if isinstance(value, str) else list(value) for name, value in packet.items()}
    fields: Fields = {}
    for line in packet.splitlines():
        name, colon, value = line.partition(":")
        if not colon:
            continue
        name, value = name.strip(), value.removeprefix(" ")
        before = fields.get(name)
        if before is None:
            fields[name] = value
        else:
            fields[name] = [*([before] if isinstance(before, str) else before), value]
    return fields


def _first(value: str | list[str]) -> str:
    return value if isinstance(value, str) else value[0]


class SinkRunner:
    """One sink, run as a binding would run it. Open it and close it, or use it as a context.

    `options` are those of the configuration: wrong ones raise `SinkMisconfigured` here. Nothing that the sink
    says (reasons, errors, what it tells the log) may hold one of the `secrets`. `told` is what it told.
    """

    def __init__(
        self,
        sink_type: SinkType,
        options: Mapping[str, Any] | None = None,
        *,
        folder: Path | None = None,
        binding: str = "test",
        secrets: Iterable[str] = (),
    ) -> None:
        self.told: list[str] = []
        self._secrets = [secret for secret in secrets if secret]
        found = FoundSink(binding, sink_type, "a test")
        self.options: SinkOptions = found.options(options or {})
        self.most_events = found.most_events(self.options)
        context = SinkContext(binding, folder or Path(), self._tell)
        self.sink: Sink = found.make(self.options, context)

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Raises `SinkUnavailable` when the sink does, and `ContractBroken` for whatever else it raises."""
        try:
            await self.sink.open()
        except SinkUnavailable as error:
            self._check_sentence(str(error))
            raise
        except Exception as error:
            raise ContractBroken(f"open raised {type(error).__name__}: {error}") from error

    async def close(self) -> None:
        try:
            await self.sink.close()
        except Exception as error:
            raise ContractBroken(f"close raised {type(error).__name__}: {error}") from error

    async def take(self, *events: SinkEvent) -> list[Outcome]:
        """What the sink says of each event. Raises `SinkUnavailable` when the sink does."""
        try:
            said: Any = await self.sink.take(list(events))
        except SinkUnavailable as error:
            self._check_sentence(str(error))
            raise
        except Exception as error:
            raise ContractBroken(f"take raised {type(error).__name__}: {error}") from error
        outcomes = [said] * len(events) if isinstance(said, Outcome) else list(said)
        if len(outcomes) != len(events):
            raise ContractBroken(f"{len(outcomes)} outcomes for {len(events)} events")
        held_back: set[str] = set()
        for event, outcome in zip(events, outcomes, strict=True):
            self._check_outcome(outcome)
            if isinstance(outcome, Retry):
                held_back.add(lane_of(event))
            elif isinstance(outcome, Done) and lane_of(event) in held_back:
                raise ContractBroken(f"took {event.id} after one of the same call that it did not take")
        return outcomes

    def _check_outcome(self, outcome: object) -> None:
        if not isinstance(outcome, Outcome):
            raise ContractBroken(f"an outcome is Done, Retry or Reject, not {outcome!r}")
        if isinstance(outcome, Retry | Reject):
            self._check_sentence(outcome.reason)

    def _check_sentence(self, sentence: str) -> None:
        if not sentence or "\n" in sentence:
            raise ContractBroken(f"a reason is one sentence, not {sentence!r}")
        for secret in self._secrets:
            if secret in sentence:
                raise ContractBroken("a secret stands in what the sink says")

    def _tell(self, sentence: str) -> None:
        self._check_sentence(sentence)
        self.told.append(sentence)


async def check_contract(sink: SinkRunner) -> None:
    """Run a sink, whose other side is up and takes everything, through all that a binding may do with it."""
    await sink.open()
    try:
        await _taken(sink, sink_events(1))
        await _taken(sink, sink_events(min(sink.most_events, 50), first=2, calls=3))
        # The same again: after a crash nobody knows what was settled.
        await _taken(sink, sink_events(min(sink.most_events, 50), first=2, calls=3))
        await asyncio.gather(*(_taken(sink, [_of_call(n)]) for n in range(100, 108)))
        await _cancelled(sink)
        await sink.close()
        await sink.open()
        await _taken(sink, sink_events(1, first=300))
    finally:
        await sink.close()


def _of_call(number: int) -> SinkEvent:
    return sink_event(seq=number, call=f"call-{number}")


async def _taken(sink: SinkRunner, events: Sequence[SinkEvent]) -> None:
    outcomes = await sink.take(*events)
    if left := [outcome for outcome in outcomes if not isinstance(outcome, Done)]:
        raise ContractBroken(f"did not take what it can take: {left[0]}")


async def _cancelled(sink: SinkRunner) -> None:
    """Cancelled at whatever point it waits; after each it takes again, or says that it must be opened."""
    for turns in range(12):
        taking = asyncio.create_task(sink.take(*sink_events(min(sink.most_events, 5), first=200)))
        for _ in range(turns):
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])
        if not taking.cancelled() and isinstance(taking.exception(), ContractBroken):
            await taking
        try:
            await _taken(sink, sink_events(1, first=220))
        except SinkUnavailable:
            await sink.close()
            await sink.open()
            await _taken(sink, sink_events(1, first=220))
