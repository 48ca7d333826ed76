"""The calls that an Originate begins: whom they connect, what they carry, how they end."""

from __future__ import annotations

import asyncio

import pytest

from publisher.simulator import Originated, Pace
from tests.simulator.dialogues import VERSIONS
from tests.simulator.listening import TECH, heard_until, listening, originate, until


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_answered_call_rings_the_extension_and_ends_after_its_talk(version: str) -> None:
    async with listening(version, pace=Pace(talk_secs=0.05)) as (pbx, client):
        client.send(*originate(version, "218", "Async: true", "CallerID: Сайт <84957654321>", exten="219"))
        first = await until(client, "Newchannel")
        second = await until(client, "Newchannel")
        assert second["Channel"].startswith(f"{TECH[version]}/219-")
        dialled = await until(client, "Dial" if version == "11" else "DialBegin")
        assert dialled["Channel"] == first["Channel"]
        assert dialled["CallerIDNum"] == "84957654321"
        await until(client, "Bridge" if version == "11" else "BridgeEnter")
        for channel in (second, first):
            assert (await until(client, "Hangup"))["Channel"] == channel["Channel"]
        assert not pbx.state.channels
        assert pbx.dialled == {"o1": 1}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_number_behind_a_trunk_is_rung(version: str) -> None:
    async with listening(version, busy=frozenset({"74950000002"})) as (pbx, client):
        client.send(*originate(version, "trunk/74950000001", "Async: true"))
        assert (await until(client, "OriginateResponse"))["Reason"] == "4"
        client.send(*originate(version, "74950000002@trunk", "Async: true"))
        assert (await until(client, "OriginateResponse"))["Response"] == "Failure"
        assert pbx.dialled == {"o1": 2}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_local_channel_has_two_halves_and_rings_through_the_dialplan(version: str) -> None:
    async with listening(version) as (_, client):
        lines = originate(version, "x", "Async: true", "ChannelId: our-1", exten="221")
        lines[1] = "Channel: Local/215@internal"
        client.send(*lines)
        one, two = await until(client, "Newchannel"), await until(client, "Newchannel")
        assert one["Channel"][:-1] == two["Channel"][:-1]
        assert (one["Channel"][-2:], two["Channel"][-2:]) == (";1", ";2")
        if version != "11":
            assert (one["Uniqueid"], two["Uniqueid"], two["Linkedid"]) == ("our-1", "our-1;2", "our-1")
        assert (await until(client, "LocalBridge"))["LocalOptimization"] == "Yes"
        assert (await until(client, "Newchannel"))["Channel"].startswith(f"{TECH[version]}/215-")
        told = await until(client, "OriginateResponse")
        assert (told["Channel"], told["Reason"]) == (one["Channel"], "4")


@pytest.mark.parametrize(("version", "reason"), [("11", "1"), ("20", "0"), ("22", "0")])
async def test_a_local_channel_fails_when_its_other_half_reaches_nobody(version: str, reason: str) -> None:
    async with listening(version, busy=frozenset({"207"})) as (pbx, client):
        lines = originate(version, "x", "Async: true")
        lines[1] = "Channel: Local/207@internal/n"
        client.send(*lines)
        told = await until(client, "OriginateResponse")
        assert (told["Reason"], told["Channel"]) == (reason, "Local/207@internal/n")
        while pbx.state.channels:
            await until(client, "Hangup")


@pytest.mark.parametrize(("version", "reason"), [("11", "1"), ("20", "0"), ("22", "0")])
async def test_a_phone_that_is_hung_up_while_it_rings_is_told_at_once(version: str, reason: str) -> None:
    async with listening(version, ring_secs=60.0) as (pbx, client):
        client.send(*originate(version, "217", "Async: true"))
        ringing = await until(client, "Newstate", ChannelState="5")
        client.send("Action: Hangup", f"Channel: {ringing['Channel']}", "Cause: 17")
        told = await until(client, "OriginateResponse")
        assert (told["Response"], told["Reason"]) == ("Failure", reason)
        while pbx.state.channels:
            await client.packet()


async def test_variables_are_set_from_the_last_to_the_first_and_can_be_read() -> None:
    async with listening("20") as (pbx, client):
        more = ["Variable: A=1", "Variable: B=два: 2,C=3", "Variable: __D=(x,y)", 'Variable: E="q,r"\\,s']
        client.send(*originate("20", "217", "Async: true", *more))
        heard = await heard_until(client, "OriginateResponse")
        sets = [packet for packet in heard if packet.get("Event") == "VarSet"][1:]
        assert [(packet["Variable"], packet["Value"]) for packet in sets] == [
            ("E", "q,r,s"),
            ("__D", "(x,y)"),
            ("C", "3"),
            ("B", "два: 2"),
            ("A", "1"),
        ]
        (channel,) = pbx.state.channels.values()
        client.send("Action: Getvar", f"Channel: {channel.uniqueid}", "Variable: D", "ActionID: g")
        while (answer := await client.packet()).get("ActionID") != "g":
            pass
        assert answer["Value"] == "(x,y)"
        (kept,) = pbx.originations
        assert isinstance(kept, Originated)
        assert kept.variables == (("A", "1"), ("B", "два: 2"), ("C", "3"), ("__D", "(x,y)"), ("E", "q,r,s"))
        assert (kept.action_id, kept.channel, kept.exten) == ("o1", "SIP/217", "600")


async def test_a_call_ends_with_the_pbx_and_is_still_in_the_books() -> None:
    async with listening("20") as (pbx, client):
        client.send(*originate("20", "217", "Async: true"))
        await until(client, "OriginateResponse")
        await pbx.restart()
        assert not pbx.state.channels
        assert pbx.dialled == {"o1": 1}


async def test_a_hundred_originates_in_one_segment_are_a_hundred_calls() -> None:
    async with listening("20", pace=Pace(talk_secs=0.01)) as (pbx, client):
        for number in range(100):
            head = ["Action: Originate", f"ActionID: o{number}", "Async: true"]
            client.send(*head, "Channel: SIP/trunk/7495", "Context: internal", "Exten: 600", "Priority: 1")
        told: set[str] = set()
        while len(told) < 100:
            told.add((await until(client, "OriginateResponse", Reason="4"))["ActionID"])
        assert set(pbx.dialled.values()) == {1}
        assert not pbx.dialled.repeated()
        async with asyncio.timeout(10):
            while pbx.state.channels:
                await until(client, "Hangup")


async def test_a_test_can_wait_for_what_the_books_and_the_channels_say() -> None:
    async with listening("20", pace=Pace(talk_secs=0.01)) as (pbx, client):
        client.send(*originate("20", "218", "Async: true", exten="219"))
        async with asyncio.timeout(10):
            await pbx.wait_until(lambda: pbx.dialled["o1"] == 1)
            await pbx.wait_until(lambda: not pbx.state.channels)
