"""Originate: what each age tells of the call that it begins, in which order, and with which Reason."""

from __future__ import annotations

import pytest

from publisher.simulator import Pace, SimulatorOptions
from tests.simulator.client import Client
from tests.simulator.dialogues import (
    VERSIONS,
    Dialogue,
    blocks,
    dialogues,
    name_of,
    simulator_for,
    value_of,
)
from tests.simulator.listening import TECH, heard_until, listening, originate, until

NOBODY = {"11": "<null>", "20": "<unknown>", "22": "<unknown>"}
# These tell of the channel that is rung. The places of DialBegin and DialState among them vary in the
# recordings; another thread of Asterisk sends them.
OF_THE_CHANNEL = {
    *("Newchannel", "VarSet", "NewAccountCode", "NewCallerid", "NewConnectedLine", "Newstate"),
    *("DialEnd", "HangupRequest", "OriginateResponse", "Hangup"),
}
ANYWHERE = {"DialBegin", "DialState"}
MASKED = {"Timestamp", "Channel", "DestChannel", "Uniqueid", "Linkedid", "DestUniqueid", "DestLinkedid"}


def story(data: bytes, phone: str) -> tuple[list[list[str]], set[str]]:
    """What is told of the channel that an Originate rings, and which events came anywhere among it."""
    told: list[list[str]] = []
    anywhere: set[str] = set()
    for lines in blocks(data):
        event = value_of(lines, "Event")
        channel = value_of(lines, "Channel") or value_of(lines, "DestChannel")
        if channel.partition("/")[2].partition("-")[0] != phone:
            continue
        if event in ANYWHERE:
            anywhere.add(event)
        if event in OF_THE_CHANNEL or value_of(lines, "Application") == "AppDial2":
            told.append([masked(line, lines) for line in lines])
    return told, anywhere


def masked(line: str, lines: list[str]) -> str:
    name = name_of(line)
    sip_call_id = name == "Value" and "Variable: SIPCALLID" in lines
    return name if sip_call_id or (name in MASKED and "<" not in line) else line


RECORDED = [
    dialogue
    for dialogue in dialogues()
    if dialogue.name in ("originate_async_ok", "originate_async_busy", "originate_async_noanswer")
]


@pytest.mark.parametrize("dialogue", RECORDED, ids=str)
async def test_the_events_of_an_originated_channel_are_the_recorded_ones(dialogue: Dialogue) -> None:
    phone = value_of(blocks(dialogue.sent)[1], "Channel").partition("/")[2]
    theirs, anywhere = story(dialogue.received, phone)
    last = {name for name in ("OriginateResponse", "Hangup") if [f"Event: {name}"] in [t[:1] for t in theirs]}

    def quick(options: SimulatorOptions) -> None:
        options.ring_secs = 0.01
        options.pace = Pace(talk_secs=60.0)

    async with simulator_for(dialogue, change=quick) as pbx, Client(pbx) as client:
        await client.banner()
        client.send_bytes(dialogue.sent)
        await heard_until(client, *last)
        ours, ours_anywhere = story(bytes(client.data), phone)
    assert ours == theirs
    assert ours_anywhere == anywhere


@pytest.mark.parametrize(("version", "names"), [("11", []), ("20", ["Newexten"]), ("22", ["Newexten"] * 2)])
async def test_from_12_on_the_first_dialplan_steps_come_before_the_response_event(
    version: str, names: list[str]
) -> None:
    async with listening(version) as (_, client):
        client.send(*originate(version, "217", "Async: true"))
        heard = await heard_until(client, "OriginateResponse")
        own = [packet for packet in heard if packet.get("Extension") == "600"]
        assert [packet["Event"] for packet in own] == names


REASONS = [
    ("217", {"11": "4", "20": "4", "22": "4"}),
    ("207", {"11": "5", "20": "5", "22": "0"}),
    ("208", {"11": "3", "20": "3", "22": "3"}),
    ("209", {"11": "8", "20": "8", "22": "0"}),
    ("nope", {"11": "0", "20": "0", "22": "0"}),
]
PHONES: dict[str, object] = {
    "busy": frozenset({"207"}),
    "no_answer": frozenset({"208"}),
    "congested": frozenset({"209"}),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("phone", "reasons"), REASONS, ids=[phone for phone, _ in REASONS])
async def test_the_reason_tells_what_the_phone_did(version: str, phone: str, reasons: dict[str, str]) -> None:
    async with listening(version, **PHONES) as (pbx, client):
        client.send(*originate(version, phone, "Async: true", "Timeout: 50"))
        told = await until(client, "OriginateResponse")
        assert told["ActionID"] == "o1"
        assert told["Reason"] == reasons[version]
        success = phone == "217"
        assert told["Response"] == ("Success" if success else "Failure")
        assert (told["Uniqueid"] == NOBODY[version]) is not success
        assert (told["Channel"] == f"{TECH[version]}/{phone}") is not success
        assert told["Privilege"] == "call,all"
        assert (told["CallerIDNum"], told["CallerIDName"]) == ("<unknown>", "<unknown>")
        assert pbx.dialled["o1"] == (phone != "nope")
        assert pbx.executed["o1"] == 1


@pytest.mark.parametrize("version", ["20", "22"])
async def test_a_busy_phone_of_chan_pjsip_tells_the_truth_in_other_events(version: str) -> None:
    async with listening(version, **PHONES) as (_, client):
        client.send(*originate(version, "207", "Async: true"))
        heard = await heard_until(client, "OriginateResponse", "Hangup")
        told = {packet["Event"]: packet for packet in heard if "Event" in packet}
        assert told["DialEnd"]["DialStatus"] == "BUSY"
        assert told["Hangup"]["Cause"] == "17"
        assert ("HangupRequest" in told) is (version == "22")
        assert told["Hangup"].get("TechCause") == ("486" if version == "22" else None)


@pytest.mark.parametrize(
    ("version", "phone", "order"),
    [
        ("11", "207", ["Hangup", "OriginateResponse"]),
        ("11", "208", ["Hangup", "OriginateResponse"]),
        ("20", "207", ["DialEnd", "OriginateResponse", "Hangup"]),
        ("20", "208", ["OriginateResponse", "Hangup"]),
        ("22", "207", ["HangupRequest", "DialEnd", "OriginateResponse", "Hangup"]),
        ("22", "208", ["OriginateResponse", "Hangup"]),
    ],
)
async def test_the_end_of_a_failed_call_is_told_in_the_order_of_its_age(
    version: str, phone: str, order: list[str]
) -> None:
    async with listening(version, **PHONES) as (_, client):
        client.send(*originate(version, phone, "Async: true", "Timeout: 20"))
        heard = await heard_until(client, "OriginateResponse", "Hangup")
        names = [packet.get("Event") for packet in heard]
        ends = {"Hangup", "OriginateResponse", "DialEnd", "HangupRequest"}
        assert [name for name in names if name in ends] == order


@pytest.mark.parametrize("version", ["20", "22"])
async def test_a_channel_id_becomes_the_uniqueid_and_the_linkedid(version: str) -> None:
    async with listening(version, **PHONES) as (_, client):
        client.send(*originate(version, "217", "Async: true", "ChannelId: our-1"))
        made = await until(client, "Newchannel")
        assert (made["Uniqueid"], made["Linkedid"]) == ("our-1", "our-1")
        assert (await until(client, "OriginateResponse"))["Uniqueid"] == "our-1"


@pytest.mark.parametrize("phone", ["207", "nope"])
async def test_a_channel_id_stands_in_the_response_event_of_a_failed_call_too(phone: str) -> None:
    async with listening("20", **PHONES) as (_, client):
        client.send(*originate("20", phone, "Async: true", "ChannelId: our-1"))
        told = await until(client, "OriginateResponse")
        assert (told["Response"], told["Uniqueid"]) == ("Failure", "our-1")


async def test_asterisk_11_knows_no_channel_id() -> None:
    async with listening("11") as (_, client):
        client.send(*originate("11", "217", "Async: true", "ChannelId: our-1"))
        assert (await until(client, "Newchannel"))["Uniqueid"] != "our-1"


async def test_a_channel_id_that_lives_already_makes_the_origination_fail() -> None:
    async with listening("20") as (pbx, client):
        client.send(*originate("20", "217", "Async: true", "ChannelId: our-1"))
        await until(client, "OriginateResponse")
        client.send(*originate("20", "218", "Async: true", "ChannelId: our-1"))
        told = await until(client, "OriginateResponse")
        assert (told["Reason"], told["Uniqueid"], told["Channel"]) == ("0", "our-1", "SIP/218")
        assert (pbx.dialled["o1"], pbx.executed["o1"]) == (1, 2)


async def test_a_channel_id_that_is_too_long_is_refused() -> None:
    async with listening("20") as (pbx, client):
        client.send(*originate("20", "217", f"ChannelId: {'x' * 150}"))
        assert await client.raw() == (
            b"Response: Error\r\nActionID: o1\r\nMessage: Uniqueid length exceeds maximum of 149\n\r\n\r\n"
        )
        assert not pbx.dialled


@pytest.mark.parametrize("version", VERSIONS)
async def test_who_waits_hears_the_response_before_everything_that_happened_meanwhile(version: str) -> None:
    async with listening(version) as (pbx, client), Client(pbx) as other:
        await other.login()
        client.send(*originate(version, "217"))
        client.send("Action: Ping", "ActionID: p1")
        await until(other, "Newexten")
        answer = await client.packet()
        assert (answer["ActionID"], answer["Message"]) == ("o1", "Originate successfully queued")
        heard = [await client.packet()]
        while heard[-1].get("ActionID") != "p1":
            heard.append(await client.packet())
        assert heard[0]["Event"] == "Newchannel"
        assert "OriginateResponse" not in {packet.get("Event") for packet in heard}


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_reader_of_calls_is_told_the_result_not_only_the_asker(version: str) -> None:
    async with listening(version) as (pbx, client), Client(pbx) as other:
        await other.login("calls")
        client.send(*originate(version, "217", "Async: true"))
        assert (await until(other, "OriginateResponse"))["ActionID"] == "o1"


async def test_an_originate_without_an_action_id_is_told_without_one() -> None:
    async with listening("20") as (pbx, client):
        client.send("Action: Originate", "Channel: SIP/217", "Application: Wait", "Data: 5", "Async: true")
        assert "ActionID" not in await until(client, "OriginateResponse")
        assert pbx.dialled == {"": 1}


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_application_stands_in_the_place_of_the_extension(version: str) -> None:
    async with listening(version) as (_, client):
        head = ["Action: Originate", f"Channel: {TECH[version]}/217", "Async: yes", "ActionID: o1"]
        client.send(*head, "Application: UserEvent", "Data: FromApp,Key: значение,Num: 215")
        heard = await heard_until(client, "OriginateResponse", "UserEvent", "Hangup")
        told = next(packet for packet in heard if packet.get("Event") == "OriginateResponse")
        assert list(told)[4:8] == ["Response", "Channel", "Application", "Data"]
        event = next(packet for packet in heard if packet.get("Event") == "UserEvent")
        assert (event["UserEvent"], event["Key"], event["Num"]) == ("FromApp", "значение", "215")
        names = [packet.get("Event") for packet in heard]
        assert (names.index("UserEvent") < names.index("OriginateResponse")) is (version != "11")


REFUSALS = [
    (["Channel: 217"], "Invalid channel"),
    (["Channel: SIP/217", "Priority: first"], "Invalid priority"),
    (["Channel: SIP/217", "Timeout: soon"], "Invalid timeout"),
    (["Channel: SIP/217", "Context: internal", "Exten: gone", "Priority: 1"], "Extension does not exist."),
    (["Channel: SIP/217", "Exten: 600", "Priority: 1"], "Extension does not exist."),
    (["Exten: 600"], "Channel not specified"),
]


@pytest.mark.parametrize(("lines", "message"), REFUSALS, ids=[message for _, message in REFUSALS])
async def test_an_originate_that_cannot_be_is_refused_and_rings_nobody(
    lines: list[str], message: str
) -> None:
    async with listening("20", unknown_extens=frozenset({"gone"})) as (pbx, client):
        answer = await client.ask("Action: Originate", "ActionID: o1", "Async: true", *lines)
        assert (answer["Response"], answer["Message"]) == ("Error", message)
        assert not pbx.dialled


@pytest.mark.parametrize(
    ("version", "application", "data", "message"),
    [
        ("11", "System", "ls", "Originate Access Forbidden: Application"),
        ("11", "NoOp", "${SHELL(ls)}", "Originate Access Forbidden: Data"),
        ("20", "TrySystem", "ls", "Originate Access Forbidden: app or data blacklisted"),
        ("20", "Set", "FILE(x)=y", "Originate Access Forbidden: app or data blacklisted"),
        ("22", "Queue", "q,,,,5,agi.sh", "Originate Access Forbidden: app or data blacklisted"),
        ("22", "Queue", "q,,,,5", "Originate successfully queued"),
        ("20", "NoOp", "shell", "Originate successfully queued"),
    ],
)
async def test_an_application_near_the_shell_needs_the_system_class(
    version: str, application: str, data: str, message: str
) -> None:
    async with listening(version) as (pbx, _), Client(pbx) as client:
        await client.login("calls", events="off")
        lines = ["Action: Originate", f"Channel: {TECH[version]}/217", "Async: true"]
        answer = await client.ask(*lines, f"Application: {application}", f"Data: {data}")
        assert answer["Message"] == message
