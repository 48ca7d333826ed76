"""What Asterisk answers to actions that lack something or mean nothing, and the smaller answers besides."""

from __future__ import annotations

import pytest

from publisher.simulator import Channel, Pace, User
from publisher.simulator.packets import parse_classes
from publisher.simulator.parking_lot import SPACES
from publisher.simulator.state import ParkedCall
from publisher.simulator.switchboard import MAX_CHANNELS
from tests.simulator.client import SECRET, Client
from tests.simulator.listening import answered, listening, originate, until

LIVING = "Channel: SIP/200-1"

REFUSALS = [
    ("11", ["Atxfer", LIVING], "No extension specified"),
    ("11", ["Atxfer"], "No channel specified"),
    ("20", ["BlindTransfer"], "No channel specified"),
    ("20", ["BlindTransfer", LIVING], "No extension specified"),
    ("20", ["BlindTransfer", "Channel: x", "Exten: 1"], "Channel specified does not exist"),
    ("20", ["BlindTransfer", LIVING, "Exten: 1"], "Transfer invalid"),
    ("11", ["Park"], "Channel not specified"),
    ("11", ["Park", LIVING], "Channel2 not specified"),
    ("11", ["Park", LIVING, "Channel2: x"], "Channel does not exist: x"),
    ("11", ["Park", LIVING, "Channel2: x", "Timeout: soon"], "Invalid timeout value."),
    ("20", ["Park", LIVING, "Timeout: -1"], "Invalid Timeout value."),
    ("20", ["Park", "Channel: x"], "Channel does not exist: x"),
    ("20", ["AbsoluteTimeout"], "No channel specified"),
    ("20", ["AbsoluteTimeout", LIVING, "Timeout: 0"], "No timeout specified"),
    ("20", ["PlayDTMF", "Channel: x", "Digit: 1"], "Channel not found"),
    ("20", ["PlayDTMF", LIVING], "No digit specified"),
    ("20", ["PlayDTMF", LIVING, "Digit: 1", "Duration: long"], "Could not convert Duration parameter"),
    ("20", ["SendText"], "No channel specified"),
    ("20", ["SendText", LIVING], "No Message specified"),
    ("20", ["SendText", "Channel: x", "Message: y"], "No such channel"),
    ("20", ["MessageSend"], "No 'To' address specified."),
    ("20", ["MessageSend", "To: 200"], "Message technology not found."),
    ("20", ["MixMonitor"], "No channel specified"),
    ("20", ["MuteAudio", LIVING], "State not specified"),
    ("20", ["MuteAudio", LIVING, "State: on"], "Direction not specified"),
    ("20", ["Setvar", "Value: 1"], "No variable specified"),
    ("20", ["Setvar", "Channel: x", "Variable: v"], "No such channel"),
    ("20", ["DBPut"], "No family specified"),
    ("20", ["DBPut", "Family: f"], "No key specified"),
    ("20", ["DBGet"], "No family specified."),
    ("20", ["DBGet", "Family: f"], "No key specified."),
    ("20", ["DBDel"], "No family specified."),
    ("20", ["DBDel", "Family: f"], "No key specified."),
    ("11", ["DBDel", "Family: f", "Key: k"], "Database entry not found"),
    ("20", ["DBDel", "Family: f", "Key: k"], "Database entry could not be deleted"),
    ("20", ["DBDelTree"], "No family specified."),
    ("20", ["DBDelTree", "Family: f"], "Database entry not found"),
    ("20", ["ExtensionState"], "Extension not specified"),
    ("20", ["PresenceState"], "No provider specified"),
    ("20", ["MailboxStatus"], "Mailbox not specified"),
    ("20", ["MailboxCount"], "Mailbox not specified"),
    ("20", ["ParkedCalls", "ParkingLot: x"], "Requested parking lot could not be found."),
    ("20", ["ConfbridgeListRooms"], "No active conferences."),
    ("20", ["ConfbridgeList"], "No Conference name provided."),
    (
        "20",
        ["Redirect", LIVING, "ExtraChannel: x", "Context: c", "Exten: 1", "Priority: 1"],
        "ExtraChannel does not exist: x",
    ),
    (
        "20",
        [
            *("Redirect", LIVING, "Context: c", "Exten: 1", "Priority: 1"),
            *("ExtraChannel: x", "ExtraContext: c"),
        ],
        "ExtraExten not specified",
    ),
]


@pytest.mark.parametrize(
    ("version", "lines", "message"), REFUSALS, ids=[f"{case[1][0]}: {case[2]}" for case in REFUSALS]
)
async def test_an_action_without_what_it_needs_is_refused_in_asterisk_s_words(
    version: str, lines: list[str], message: str
) -> None:
    async with listening(version) as (pbx, client):
        pbx.state.channels["SIP/200-1"] = Channel("SIP/200-1", "17.1", state=6)
        answer = await answered(client, "x", f"Action: {lines[0]}", *lines[1:])
        assert (answer["Response"], answer["Message"]) == ("Error", message)
        assert list(pbx.state.channels) == ["SIP/200-1"]


@pytest.mark.parametrize(("version", "message"), [("11", "Park failure"), ("20", "Park action failed\n")])
async def test_a_full_parking_lot_takes_no_call(version: str, message: str) -> None:
    async with listening(version) as (pbx, client):
        channel = Channel("SIP/200-1", "17.1", state=6)
        pbx.state.channels[channel.name] = channel
        pbx.state.parked = {space: ParkedCall(space, channel, "SIP/201-1", 8.0) for space in SPACES}
        client.send("Action: Park", LIVING, LIVING.replace("Channel", "Channel2"), "ActionID: x")
        assert await client.raw() == f"Response: Error\r\nActionID: x\r\nMessage: {message}\r\n\r\n".encode()


async def test_a_pbx_that_is_full_begins_no_call() -> None:
    async with listening("20") as (pbx, client):
        pbx.state.channels |= {str(number): Channel(str(number), "") for number in range(MAX_CHANNELS)}
        client.send(*originate("20", "217", "Async: true"))
        assert (await until(client, "OriginateResponse"))["Reason"] == "0"
        assert not pbx.dialled


async def test_a_getvar_of_a_shell_needs_the_system_class() -> None:
    async with listening("20") as (pbx, client), Client(pbx) as reader:
        ask = ["Action: Getvar", "Variable: SHELL(ls)"]
        assert (await answered(client, "g", *ask))["Value"] == ""
        pbx.options.users["reader"] = User(SECRET, write=parse_classes("reporting"))
        await reader.login("reader", events="off")
        assert (await answered(reader, "g", *ask))["Message"] == "GetVar Access Forbidden: Variable"


async def test_the_database_keeps_trees() -> None:
    async with listening("20") as (_, client):
        for number, key in enumerate(["a/1", "a/2", "b"]):
            put = ["Action: DBPut", "Family: f", f"Key: {key}", f"Val: {number}"]
            assert (await answered(client, key, *put))["Message"] == "Updated database successfully"
        listed = await client.list("Action: DBGetTree", "Family: f", "Key: a")
        assert [(item["Key"], item["Val"]) for item in listed[1:-1]] == [("/f/a/1", "0"), ("/f/a/2", "1")]
        gone = await answered(client, "d", "Action: DBDelTree", "Family: f", "Key: a")
        assert gone["Message"] == "Key tree deleted successfully"
        assert len(await client.list("Action: DBGetTree", "Family: f")) == 3
        assert (await answered(client, "e", "Action: DBDel", "Family: f", "Key: b"))["Response"] == "Success"


async def test_bridges_are_listed() -> None:
    async with listening("20") as (_, client):
        client.send(*originate("20", "218", "Async: true", exten="219"))
        bridge = (await until(client, "BridgeCreate"))["BridgeUniqueid"]
        for _ in range(4):
            await until(client, "VarSet", Variable="BRIDGEPEER")
        listed = await client.list("Action: BridgeList")
        assert [item["BridgeUniqueid"] for item in listed[1:-1]] == [bridge]


async def test_an_application_dials_or_waits_as_long_as_it_says() -> None:
    async with listening("20", pace=Pace(talk_secs=0.02)) as (pbx, client):
        lines = ["Action: Originate", "Channel: SIP/218", "Async: true"]
        client.send(*lines, "Application: Dial", "Data: SIP/219,20", "ActionID: d")
        assert (await until(client, "DialBegin", DialString="219"))["Exten"] == ""
        await until(client, "Hangup")
        await until(client, "Hangup")
        client.send(*lines, "Application: Wait", "Data: 0.01", "ActionID: w")
        await until(client, "Hangup")
        assert not pbx.state.channels
