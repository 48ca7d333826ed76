"""Commands to simulated PBXs of each age, through the whole program: what becomes of them in each trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from publisher.simulator import SimulatedPbx
from publisher.simulator.faults import FaultKind
from schemas.reply import Reason, State
from tests.commanding.office import office
from tests.faults.command_office import command_pbx
from tests.faults.orders import BUSY, NOWHERE, SILENT

CALL = {"Phone": "200", "Exten": "201"}
CHANGE = {"Queue": "support", "Phone": "201", "Paused": True}


@pytest.fixture(params=["11", "20", "22"])
async def pbx(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedPbx]:
    async with command_pbx(request.param) as pbx:
        yield pbx


def is_old(pbx: SimulatedPbx) -> bool:
    return pbx.options.version == "11"


def nothing_twice(pbx: SimulatedPbx) -> None:
    assert not pbx.dialled.repeated()
    assert not pbx.executed.repeated()


async def test_a_call_is_told_step_by_step_and_ends_with_its_channels_uniqueid(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with office(pbx, tmp_path) as house:
        sent = await house.client.send("main", "Originate", CALL, id="card-15.call-1")
        steps = [step.step async for step in sent.steps(30)]
        reply = await sent.reply()
    assert reply.state is State.SUCCEEDED
    # News may be left out, and never come in another order.
    told = ["claimed", "sending", "accepted", "dialling", "ringing", "answered", "final"]
    assert [step for step in told if step in steps] == steps
    assert {"dialling", "answered"} <= set(steps)
    channel = reply.field("Channel")
    assert channel.startswith(f"{pbx.options.style.tech}/200-")
    assert is_old(pbx) or reply.field("Uniqueid") == "card-15.call-1"
    assert reply.field("Uniqueid")
    assert pbx.dialled["card-15.call-1"] == 1


@pytest.mark.parametrize(
    ("phone", "reasons"),
    [
        (BUSY, {Reason.BUSY}),
        (SILENT, {Reason.NO_ANSWER}),
        (NOWHERE, {Reason.UNREACHABLE, Reason.CALL_FAILED}),
    ],
)
async def test_a_call_that_fails_says_why(
    pbx: SimulatedPbx, tmp_path: Path, phone: str, reasons: set[Reason]
) -> None:
    async with office(pbx, tmp_path) as house:
        reply = await house.ask("Originate", {"Phone": phone, "Exten": "201", "Timeout": 1000})
    assert reply.state is State.FAILED
    assert reply.reason in reasons
    assert reply.message


async def test_a_live_call_is_asked_about_sent_elsewhere_and_ended(pbx: SimulatedPbx, tmp_path: Path) -> None:
    # However slow the machine is, the call is still there at its end.
    pbx.options.pace = type(pbx.options.pace)(ring_secs=0.05, talk_secs=600)
    async with office(pbx, tmp_path) as house:
        call = await house.ask("Originate", CALL)
        channel = call.field("Channel")
        listed = await house.ask("CoreShowChannels")
        assert channel in [event["Channel"] for event in listed.events]
        assert listed.events[-1]["Event"] == "CoreShowChannelsComplete" or not listed.truncated
        noted = await house.ask(
            "Setvar", {"Channel": channel, "Variable": "CRM_CARD", "Value": 'Карта "15", a=b'}
        )
        assert noted.state is State.SUCCEEDED
        read = await house.ask("Getvar", {"Channel": channel, "Variable": "CRM_CARD"})
        assert read.field("Value") == 'Карта "15", a=b'
        moved = await house.ask("Redirect", {"Channel": channel, "Exten": "205"})
        assert moved.state is State.SUCCEEDED
        ended = await house.ask("Hangup", {"Channel": channel})
        assert ended.state is State.SUCCEEDED
        again = await house.ask("Hangup", {"Channel": channel})
        assert (again.state, again.reason) == (State.FAILED, Reason.REFUSED_BY_PBX)
    nothing_twice(pbx)


async def test_a_list_comes_back_whole_in_the_reply(pbx: SimulatedPbx, tmp_path: Path) -> None:
    async with office(pbx, tmp_path) as house:
        reply = await house.ask("QueueStatus", {"Queue": "support"})
    names = [event["Event"] for event in reply.events]
    assert names[0] == "QueueParams"
    assert "QueueMember" in names
    assert all(event["ActionID"] == reply.id for event in reply.events)


async def test_answers_that_come_in_another_order_or_twice_change_nothing(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    kinds = (
        FaultKind.RESPONSE_AFTER_EVENT,
        FaultKind.DUPLICATE_ORIGINATE_RESPONSE,
        FaultKind.DUPLICATE_RESPONSE,
    )
    async with office(pbx, tmp_path) as house:
        for kind in kinds:
            pbx.faults.clear()
            pbx.faults.add(kind, "originate", times=1)
            reply = await house.ask("Originate", CALL)
            assert reply.state is State.SUCCEEDED, kind
            assert pbx.faults.injected[kind] == 1
    nothing_twice(pbx)


async def test_a_call_whose_response_is_missing_is_told_by_its_event_and_the_other_way_round(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with office(pbx, tmp_path) as house:
        for kind in (FaultKind.NO_RESPONSE, FaultKind.WRONG_ACTION_ID):
            pbx.faults.clear()
            pbx.faults.add(kind, "originate", times=1)
            reply = await house.ask("Originate", CALL)
            assert reply.state is State.SUCCEEDED, kind
            assert reply.field("Event") == "OriginateResponse"
    nothing_twice(pbx)


async def test_what_the_pbx_refuses_failed_with_its_words(pbx: SimulatedPbx, tmp_path: Path) -> None:
    async with office(pbx, tmp_path) as house:
        for action, fields in (("Originate", CALL), ("QueuePause", CHANGE), ("CoreShowChannels", {})):
            pbx.faults.add(FaultKind.REFUSED, action, times=1)
            reply = await house.ask(action, fields)
            assert (reply.state, reply.reason) == (State.FAILED, Reason.REFUSED_BY_PBX)
            assert reply.message == "Permission denied"
            assert not pbx.executed[reply.id]


async def test_a_change_without_an_answer_is_unknown_and_a_question_failed(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with office(pbx, tmp_path, "rate = 0\nanswer_timeout_secs = 1") as house:
        for kind in (FaultKind.NO_RESPONSE, FaultKind.LATE_RESPONSE, FaultKind.WRONG_ACTION_ID):
            pbx.faults.clear()
            for action in ("queuepause", "queuesummary"):
                pbx.faults.add(kind, action, late_secs=2.5, times=1)
            change, question = await asyncio.gather(
                house.ask("QueuePause", CHANGE), house.ask("QueueSummary")
            )
            assert (change.state, change.reason) == (State.UNKNOWN, Reason.NO_REPLY), kind
            assert (question.state, question.reason) == (State.FAILED, Reason.NOTHING_HEARD), kind
        # Late answers come meanwhile, and the next command is not given one of them.
        assert (await house.ask("QueuePause", CHANGE)).state is State.SUCCEEDED
    nothing_twice(pbx)


async def test_what_broke_with_its_connection_is_unknown_and_never_sent_again(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with office(pbx, tmp_path) as house:
        pbx.faults.add(FaultKind.DROP_AFTER, "queuepause", times=1)
        done = await house.ask("QueuePause", CHANGE)
        assert done.state is State.UNKNOWN
        assert pbx.executed[done.id] == 1
        pbx.faults.add(FaultKind.DROP_BEFORE, "queuepause", times=1)
        undone = await house.ask("QueuePause", CHANGE)
        assert undone.state is State.UNKNOWN
        assert not pbx.executed[undone.id]
        # The connection is there again, for the next one.
        assert (await house.ask("QueuePause", CHANGE)).state is State.SUCCEEDED
    nothing_twice(pbx)


async def test_of_a_call_that_outlived_its_connection_the_channel_says_what_became(
    tmp_path: Path,
) -> None:
    """The phone is answered while nobody listens, and the call goes on: that much can be found out."""
    async with command_pbx("20", ring_secs=0.2) as pbx, office(pbx, tmp_path) as house:
        pbx.options.pace = type(pbx.options.pace)(ring_secs=0.05, talk_secs=20)
        pbx.faults.add(FaultKind.DROP_AFTER, "originate", times=1)
        reply = await house.ask("Originate", CALL)
        assert reply.state is State.SUCCEEDED
        assert reply.field("Uniqueid") == reply.id
        assert pbx.dialled[reply.id] == 1


async def test_a_call_that_came_and_went_while_nobody_listened_is_unknown(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with office(pbx, tmp_path) as house:
        pbx.faults.add(FaultKind.DROP_BEFORE, "originate", times=1)
        reply = await house.ask("Originate", CALL | {"Timeout": 1000})
        assert (reply.state, reply.reason) == (State.UNKNOWN, Reason.LINK_LOST)
    nothing_twice(pbx)


async def test_a_call_without_its_last_word_is_told_by_what_its_channel_did(tmp_path: Path) -> None:
    async with command_pbx("11") as pbx, office(pbx, tmp_path) as house:
        pbx.faults.add(FaultKind.NO_ORIGINATE_RESPONSE, "originate")
        answered, busy = await asyncio.gather(
            house.ask("Originate", CALL | {"Timeout": 1000}),
            house.ask("Originate", {"Phone": BUSY, "Exten": "201", "Timeout": 1000}),
        )
    assert answered.state is State.SUCCEEDED
    assert busy.state is State.FAILED
    nothing_twice(pbx)


async def test_commands_wait_for_a_pbx_that_is_away_until_their_time_is_over(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with office(pbx, tmp_path) as house:
        assert (await house.ask("Ping")).state is State.SUCCEEDED
        away = asyncio.create_task(pbx.restart(announced=False, down_secs=2.0))
        await pbx.wait_gone()
        short, long = await asyncio.gather(
            house.client.send("main", "Originate", CALL, expires_secs=0.8),
            house.client.send("main", "Originate", CALL, expires_secs=120.0),
        )
        late = await short.reply(30)
        assert (late.state, late.reason) == (State.EXPIRED, Reason.EXPIRED)
        assert not away.done()
        await away
        assert (await long.reply(60)).state is State.SUCCEEDED
    assert not pbx.executed[short.id]
    nothing_twice(pbx)


async def test_what_is_called_back_before_it_is_sent_never_reaches_the_pbx(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with office(pbx, tmp_path, "rate = 1\nburst = 1") as house:
        first = await house.client.send("main", "Originate", CALL)
        await first.reply(30)
        second = await house.client.send("main", "Originate", CALL)
        assert await house.client.cancel("main", second.id) == "asked"
        reply = await second.reply(30)
        assert await house.client.cancel("main", first.id) == "final"
    assert (reply.state, reply.reason) == (State.REJECTED, Reason.CANCELLED)
    assert not pbx.executed[second.id]


async def test_the_same_command_sent_again_is_the_same_command(pbx: SimulatedPbx, tmp_path: Path) -> None:
    async with office(pbx, tmp_path) as house:
        replies = await asyncio.gather(
            *(house.ask("Originate", CALL, id="once-only") for _ in range(20)),
        )
        after = await house.ask("Originate", CALL, id="once-only")
    assert {reply.encode() for reply in [*replies, after]} == {after.encode()}
    assert after.state is State.SUCCEEDED
    assert pbx.dialled["once-only"] == 1


async def test_no_more_calls_ring_at_a_time_than_are_allowed_and_a_hangup_passes_them(tmp_path: Path) -> None:
    async with (
        command_pbx("20", ring_secs=1.0) as pbx,
        office(pbx, tmp_path, "rate = 0\nmax_calls = 3") as house,
    ):
        calls = [await house.client.send("main", "Originate", CALL) for _ in range(7)]
        await pbx.wait_until(lambda: sum(pbx.dialled.values()) >= 3)
        question = await house.ask("Ping")
        assert question.state is State.SUCCEEDED
        assert sum(pbx.dialled.values()) == 3
        assert {(await call.reply(30)).state for call in calls} == {State.SUCCEEDED}
    nothing_twice(pbx)


async def test_a_client_beyond_its_rate_is_told_when_and_a_pbx_is_not_asked_faster_than_its_own(
    tmp_path: Path,
) -> None:
    async with (
        command_pbx("20") as pbx,
        office(pbx, tmp_path, "rate = 20\nburst = 5", "rate = 1\nburst = 30") as house,
    ):
        began = asyncio.get_running_loop().time()
        replies = await asyncio.gather(*(house.ask("Ping") for _ in range(40)))
        took = asyncio.get_running_loop().time() - began
    states = [reply.state for reply in replies]
    assert states.count(State.SUCCEEDED) in (30, 31, 32)
    refused = [reply for reply in replies if reply.state is State.REJECTED]
    assert {reply.reason for reply in refused} == {Reason.RATE_LIMITED}
    assert "the next one is taken in" in refused[0].message
    assert took >= (30 - 5) / 20


async def test_the_audit_has_a_line_for_each_command_sent_and_each_ended(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with office(pbx, tmp_path) as house:
        call = await house.ask("Originate", CALL | {"CallerID": '"CRM" <89161234567>'})
        refused = await house.ask("Originate", {"Phone": "200", "Exten": "88002000600"})
        lines = house.audit()
    of_call = [line for line in lines if line["id"] == call.id]
    assert [line["state"] for line in of_call] == ["sending", "succeeded"]
    (of_refused,) = [line for line in lines if line["id"] == refused.id]
    assert (of_refused["state"], of_refused["reason"]) == ("rejected", "not_allowed")
    text = str(lines)
    assert "89161234567" not in text
    assert "88002000600" not in text
    assert "4567" in text
