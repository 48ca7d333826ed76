"""Faults of single actions: each kind, what a client then sees, and what was done all the same."""

from __future__ import annotations

import asyncio

import pytest

from publisher.simulator import Fault, FaultError, FaultKind, Faults, SimulatedPbx
from publisher.simulator.requests import Request
from tests.simulator.client import Client
from tests.simulator.listening import answered, heard_until, listening, originate, until

SETVAR = ["Action: Setvar", "Variable: X", "Value: 1"]


async def quiet(pbx: SimulatedPbx) -> None:
    """Let everything happen that is due."""
    for _ in range(20):
        await asyncio.sleep(0)
    await pbx.drain()


async def test_no_response_is_done_and_never_answered() -> None:
    async with listening("20") as (pbx, client):
        pbx.faults.add(FaultKind.NO_RESPONSE, "setvar", times=1)
        client.send(*SETVAR, "ActionID: s1")
        assert (await answered(client, "p", "Action: Ping"))["Ping"] == "Pong"
        assert b"s1" not in client.data
        assert pbx.state.variables["X"] == "1"
        assert pbx.executed["s1"] == 1
        assert (await answered(client, "s2", *SETVAR))["Message"] == "Variable Set"


async def test_a_late_response_comes_after_its_time() -> None:
    async with listening("20") as (pbx, client):
        pbx.faults.add(FaultKind.LATE_RESPONSE, "setvar", late_secs=0.5)
        client.send(*SETVAR, "ActionID: s1")
        assert (await client.packet())["Event"] == "VarSet"
        assert (await answered(client, "p", "Action: Ping"))["Ping"] == "Pong"
        assert (await client.packet())["ActionID"] == "s1"


@pytest.mark.parametrize("line", ["Async: true", "Async: false"])
async def test_a_connection_dropped_before_means_that_nothing_was_done(line: str) -> None:
    async with listening("20") as (pbx, client):
        pbx.faults.add(FaultKind.DROP_BEFORE, "originate")
        client.send(*originate("20", "217", line))
        assert await client.rest() == b""
        assert (pbx.dialled, pbx.executed) == ({}, {})
        assert pbx.requests[-1].action_id == "o1"


@pytest.mark.parametrize("line", ["Async: true", "Async: false"])
async def test_a_connection_dropped_after_means_that_all_was_done(line: str) -> None:
    async with listening("20") as (pbx, client), Client(pbx) as other:
        await other.login()
        pbx.faults.add(FaultKind.DROP_AFTER, "originate")
        client.send(*originate("20", "217", line))
        assert await client.rest() == b""
        await until(other, "Newexten", Extension="600")
        assert (pbx.dialled, pbx.executed) == ({"o1": 1}, {"o1": 1})


async def test_a_refused_action_is_not_done() -> None:
    async with listening("20") as (pbx, client):
        pbx.faults.add(FaultKind.REFUSED, "originate", times=1)
        answer = await answered(client, "o1", *originate("20", "217")[:2])
        assert (answer["Response"], answer["Message"]) == ("Error", "Permission denied")
        assert (pbx.dialled, pbx.executed) == ({}, {})


async def test_a_duplicate_response_comes_twice() -> None:
    async with listening("20") as (pbx, client):
        pbx.faults.add(FaultKind.DUPLICATE_RESPONSE, "queuesummary")
        client.send("Action: QueueSummary", "ActionID: q")
        first = [await client.raw() for _ in range(3)]
        assert [await client.raw() for _ in range(3)] == first


async def test_a_wrong_action_id_is_another_one() -> None:
    async with listening("20") as (pbx, client):
        pbx.faults.add(FaultKind.WRONG_ACTION_ID, "setvar")
        answer = await client.ask(*SETVAR, "ActionID: s1")
        assert answer["ActionID"] not in ("", "s1")
        assert pbx.executed["s1"] == 1


@pytest.mark.parametrize("version", ["11", "20", "22"])
async def test_the_response_can_come_after_its_event(version: str) -> None:
    async with listening(version) as (pbx, client):
        pbx.faults.add(FaultKind.RESPONSE_AFTER_EVENT)
        client.send(*originate(version, "217", "Async: true"))
        heard = await heard_until(client, "OriginateResponse")
        assert not any(packet.get("Message") for packet in heard)
        assert (await client.packet())["Message"] == "Originate successfully queued"


async def test_the_event_can_fail_to_come() -> None:
    async with listening("20", busy=frozenset({"217"})) as (pbx, client):
        pbx.faults.add(FaultKind.NO_ORIGINATE_RESPONSE)
        client.send(*originate("20", "217", "Async: true"))
        heard = await heard_until(client, "Hangup")
        assert "OriginateResponse" not in {packet.get("Event") for packet in heard}
        assert heard[0]["Message"] == "Originate successfully queued"


async def test_the_event_can_come_twice() -> None:
    async with listening("20") as (pbx, client):
        pbx.faults.add(FaultKind.DUPLICATE_ORIGINATE_RESPONSE)
        client.send(*originate("20", "217", "Async: true"))
        first = await until(client, "OriginateResponse")
        second = await until(client, "OriginateResponse")
        assert first["Uniqueid"] == second["Uniqueid"]
        assert pbx.dialled == {"o1": 1}


async def test_an_originate_that_waits_and_gets_no_response_does_not_hold_the_session_for_ever() -> None:
    async with listening("20") as (pbx, client):
        pbx.faults.add(FaultKind.NO_RESPONSE, "originate")
        client.send(*originate("20", "217"))
        assert (await answered(client, "p", "Action: Ping"))["Ping"] == "Pong"
        assert b"o1\r\n" not in client.data


async def test_no_fault_keeps_a_client_from_its_login_by_chance() -> None:
    async with listening("20") as (pbx, _), Client(pbx) as client:
        pbx.faults.add(FaultKind.REFUSED)
        assert (await client.login(events="off"))["Response"] == "Success"
        assert (await client.ask("Action: Ping"))["Message"] == "Permission denied"
        assert (await client.ask("Action: Logoff"))["Response"] == "Goodbye"


# The rules.


def request(action: str, **headers: str) -> Request:
    return Request([("Action", action), *headers.items()])


def test_a_rule_strikes_as_often_as_it_says_and_is_counted() -> None:
    faults = Faults()
    rule = faults.add("no_response", "Ping", times=2)
    assert [faults.pick(request("ping")) for _ in range(3)] == [rule, rule, None]
    assert faults.pick(request("setvar")) is None
    assert (rule.injected, faults.injected) == (2, {FaultKind.NO_RESPONSE: 2})


def test_the_first_rule_that_strikes_is_the_one() -> None:
    faults = Faults(Fault(FaultKind.REFUSED, "ping", times=1), Fault(FaultKind.NO_RESPONSE))
    kinds = [fault.kind for _ in range(2) if (fault := faults.pick(request("Ping")))]
    assert kinds == [FaultKind.REFUSED, FaultKind.NO_RESPONSE]
    faults.clear()
    assert faults.pick(request("Ping")) is None


def test_chance_is_repeatable() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults(Fault(FaultKind.NO_RESPONSE, probability=0.3), seed=seed)
        return [faults.pick(request("ping")) is not None for _ in range(1000)]

    assert struck(7) == struck(7)
    assert struck(7) != struck(8)
    assert 200 < sum(struck(7)) < 400


def test_what_concerns_the_event_strikes_only_an_asynchronous_originate() -> None:
    faults = Faults(Fault(FaultKind.NO_ORIGINATE_RESPONSE))
    assert faults.pick(request("ping")) is None
    assert faults.pick(request("Originate")) is None
    assert faults.pick(request("Originate", Async="true")) is not None


def test_a_rule_is_read_from_its_parts() -> None:
    assert Fault.parse("drop_before") == Fault(FaultKind.DROP_BEFORE)
    assert Fault.parse("drop_after:Originate:0.25") == Fault(
        FaultKind.DROP_AFTER, "originate", probability=0.25
    )
    assert Fault.parse("refused:*") == Fault(FaultKind.REFUSED)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("explode", "'explode' is no kind of fault; allowed: no_response,"),
        ("", "'' is no kind of fault"),
        ("refused:ping:often", "'often' is no probability"),
        ("refused:ping:0", "0 is no probability"),
        ("refused:ping:1.5", "1.5 is no probability"),
        ("refused:ping:nan", "nan is no probability"),
        ("refused:ping:1:2", "too many parts"),
        ("refused:login", "login can have no fault"),
        ("no_originate_response:hangup", "concerns originate only, not hangup"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_in_one_sentence(text: str, part: str) -> None:
    with pytest.raises(FaultError, match=part.replace("'", ".")) as raised:
        Fault.parse(text)
    assert "\n" not in str(raised.value)
    with pytest.raises(FaultError, match="0 times is none"):
        Fault(FaultKind.REFUSED, times=0)
