"""What plugin authors test with catches a sink that breaks the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from pydantic import Field

from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import DONE, Done, Outcome, Reject, Retry, SinkContext, SinkEvent, SinkOptions
from consumers.testing import ContractBroken, SinkRunner, check_contract, sink_event, sink_events
from schemas.codecs import decode
from schemas.message import JSON


class Options(SinkOptions):
    text: str = Field("", description="A text.")


class Scripted:
    """Says what the test gives it; an exception is raised, a text told."""

    Options: ClassVar[type[SinkOptions]] = Options
    most_events: ClassVar[int] = 5
    answer: ClassVar[Any] = DONE

    def __init__(self, options: Any, context: SinkContext) -> None:
        self.context = context
        self.taken: list[SinkEvent] = []

    async def open(self) -> None: ...

    async def take(self, events: Sequence[SinkEvent]) -> Outcome | Sequence[Outcome]:
        self.taken += events
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, str):
            self.context.tell(self.answer)
            return DONE
        answer: Outcome | Sequence[Outcome] = self.answer
        return answer

    async def close(self) -> None: ...


def saying(what: Any) -> Any:
    return type("Saying", (Scripted,), {"answer": what})


async def test_a_good_sink_keeps_the_contract() -> None:
    runner = SinkRunner(Scripted)
    await check_contract(runner)
    taken = runner.sink.taken  # type: ignore[attr-defined]
    assert len(taken) > 60
    assert len({event.id for event in taken}) < len(taken)


async def test_one_outcome_stands_for_all() -> None:
    async with SinkRunner(saying(Retry("busy"))) as sink:
        assert await sink.take(*sink_events(3)) == [Retry("busy")] * 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([DONE], "1 outcomes for 2 events"),
        ([DONE] * 3, "3 outcomes for 2 events"),
        ([True, True], "an outcome is Done, Retry or Reject, not True"),
        ([Retry(""), Retry("x")], "a reason is one sentence"),
        ([Reject("a\nb"), DONE], "a reason is one sentence"),
        ([Retry("x"), DONE], "took main-19e34a9be00-2 after one of the same call that it did not take"),
        ([DONE, Reject("the key hunter2 is wrong")], "a secret stands in what the sink says"),
        (SinkUnavailable("hunter2"), "a secret stands in what the sink says"),
        ("hunter2 it is", "a secret stands in what the sink says"),
        (KeyError("x"), "take raised KeyError"),
    ],
)
async def test_what_breaks_the_contract_is_told(answer: Any, why: str) -> None:
    async with SinkRunner(saying(answer), secrets=["hunter2"]) as sink:
        with pytest.raises(ContractBroken, match=why):
            await sink.take(*sink_events(2))


async def test_what_is_allowed_is_not_complained_about() -> None:
    async with SinkRunner(saying([Reject("x"), DONE])) as sink:
        await sink.take(*sink_events(2))
    async with SinkRunner(saying([Retry("x"), DONE])) as sink:
        await sink.take(*sink_events(2, calls=2))
    async with SinkRunner(saying("all is well")) as sink:
        await sink.take(sink_event())
        assert sink.told == ["all is well"]


async def test_a_sink_that_takes_nothing_does_not_pass() -> None:
    with pytest.raises(ContractBroken, match="did not take what it can take"):
        await check_contract(SinkRunner(saying(Retry("busy"))))


def test_wrong_options_are_told_as_a_binding_would_be() -> None:
    with pytest.raises(SinkMisconfigured, match="sink test: txet is unknown; did you mean text"):
        SinkRunner(Scripted, {"txet": "x"})


def test_an_event_is_made_from_a_packet() -> None:
    event = sink_event(
        "Event: Dial\r\nChannel: SIP/200-1\r\nVariable: a=1\r\nVariable: b=2\r\nVariable: c: d\r\n",
        extensions=["200", "202"],
        call="c",
        content_type=JSON,
    )
    assert event.event.fields == {"Event": "Dial", "Channel": "SIP/200-1", "Variable": ["a=1", "b=2", "c: d"]}
    assert event.text.startswith("Event: Dial\r\nChannel")
    assert event.message.routing_key == "main.dial.200"
    assert event.message.headers.cc == ("main.dial.202",)
    assert decode(JSON, event.message.body) == event.event
    assert event.id == event.message.message_id


def test_an_event_is_made_from_fields_and_a_control_event_from_its_map() -> None:
    assert sink_event({"Event": "X", "A": ["1", "2"]}).text == "Event: X\r\nA: 1\r\nA: 2\r\n"
    control = sink_event(control={"kind": "up"})
    assert (control.text, control.event.event, control.message.routing_key) == (
        "",
        "control.up",
        "main.control.up",
    )


def test_numbered_events_are_of_so_many_calls() -> None:
    events = sink_events(6, first=10, calls=2)
    assert [event.event.seq for event in events] == list(range(10, 16))
    assert len({event.message.headers.call for event in events}) == 2
    assert isinstance(DONE, Done)
