"""Living channels: hung up, sent elsewhere, parked, recorded; and what each age tells of it."""

from __future__ import annotations

import pytest

from publisher.simulator import Channel, Pace, SimulatedPbx, SimulatorOptions, Traffic, User
from publisher.simulator.packets import parse_classes
from tests.simulator.client import SECRET, Client
from tests.simulator.dialogues import (
    VERSIONS,
    Dialogue,
    blocks,
    dialogues,
    is_unasked,
    name_of,
    received_by,
    simulator_for,
    value_of,
)
from tests.simulator.listening import TECH, answered, heard_until, listening, originate, until

NEW = ("20", "22")


async def talking(client: Client, version: str) -> tuple[dict[str, str], dict[str, str]]:
    """Begin a call of 218 with 219, and wait until they talk."""
    client.send(*originate(version, "218", "Async: true", exten="219"))
    one, two = await until(client, "Newchannel"), await until(client, "Newchannel")
    await until(client, "VarSet", Variable="BRIDGEPEER", Value=one["Channel"])
    return one, two


async def ends(client: Client, *channels: dict[str, str]) -> dict[str, str]:
    """The causes with which these channels end."""
    causes: dict[str, str] = {}
    while set(causes) != {channel["Channel"] for channel in channels}:
        hangup = await until(client, "Hangup")
        causes[hangup["Channel"]] = hangup["Cause"]
    return causes


# Hangup.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("by", ["Channel", "Uniqueid"])
async def test_a_hangup_ends_both_parties_of_a_call(version: str, by: str) -> None:
    async with listening(version) as (pbx, client):
        one, two = await talking(client, version)
        answer = await answered(client, "h", "Action: Hangup", f"Channel: {two[by]}", "Cause: 21")
        assert answer["Message"] == "Channel Hungup"
        causes = await ends(client, one, two)
        assert causes[two["Channel"]] == "21"
        assert not pbx.state.channels
        assert pbx.executed == {"o1": 1, "h": 1}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_hangup_of_a_channel_by_itself_tells_no_request(version: str) -> None:
    async with listening(version) as (_, client):
        client.send(*originate(version, "218", "Async: true"))
        made = await until(client, "Newchannel")
        await until(client, "OriginateResponse")
        client.send("Action: Hangup", f"Channel: {made['Channel']}")
        heard = await heard_until(client, "Hangup")
        assert heard[-1]["Cause"] == "16"
        assert not {"HangupRequest", "SoftHangupRequest"} & {packet.get("Event") for packet in heard}


@pytest.mark.parametrize("version", VERSIONS)
async def test_calls_of_the_simulated_office_can_be_hung_up_too(version: str) -> None:
    async with listening(version) as (pbx, client):
        traffic = Traffic(pbx, 100.0, pace=Pace(60.0, 60.0), seed=1)
        traffic.start()
        while len(pbx.state.channels) < 6:
            await client.packet()
        living = list(pbx.state.channels.values())
        client.send("Action: Hangup", f"Channel: /^{TECH[version]}\\/(2[01]|trunk)/")
        while any(pbx.state.channels.get(channel.name) is channel for channel in living):
            await client.packet()
        await traffic.stop()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_channel_that_only_a_trace_or_a_test_made_is_hung_up_with_its_peer(version: str) -> None:
    async with listening(version) as (pbx, client):
        a, b = pbx.state.new_channel("200", state=6), pbx.state.new_channel("201", state=6)
        a.peer, b.peer = b, a
        assert (await answered(client, "h", "Action: Hangup", f"Channel: {a.name}"))["Response"] == "Success"
        await until(client, "Hangup", Channel=a.name)
        await until(client, "Hangup", Channel=b.name)
        assert not pbx.state.channels


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/^SIP", "Regex format invalid, Channel param should be /regex/"),
        ("/(/", "Regex compile failed on: /(/"),
        ("none", "No such channel"),
    ],
)
async def test_a_hangup_of_nothing_is_an_error(name: str, message: str) -> None:
    async with listening("20") as (_, client):
        answer = await answered(client, "h", "Action: Hangup", f"Channel: {name}")
        assert (answer["Response"], answer["Message"]) == ("Error", message)


# Redirect and transfers.


def told_of(data: bytes, phone: str) -> list[list[str]]:
    """What is told of a phone's channel while it moves: names and states, without who it is."""
    kinds = {"Newchannel", "Masquerade", "Rename", "NewCallerid", "SoftHangupRequest", "Hangup"}
    told = []
    for lines in blocks(data):
        if value_of(lines, "Event") in kinds and phone in "".join(lines):
            told.append([line for line in lines if name_of(line) not in VARYING])
    return told


VARYING = {"Timestamp", "Uniqueid", "Linkedid", "Context", "Exten", "Priority"} | {
    *("CallerIDNum", "CallerIDName", "ConnectedLineNum", "ConnectedLineName"),
}
MOVED = [dialogue for dialogue in dialogues() if dialogue.name == "redirect"]


@pytest.mark.parametrize("dialogue", MOVED, ids=str)
async def test_a_redirected_channel_tells_what_the_recorded_one_told(dialogue: Dialogue) -> None:
    def brief(options: SimulatorOptions) -> None:
        options.pace = Pace(talk_secs=60.0)

    async with simulator_for(dialogue, change=brief) as pbx, Client(pbx) as client:
        await client.banner()
        first, second = dialogue.sent.rsplit(b"Action: ", 1)
        client.send_bytes(first)
        await until(client, "Newexten", Extension="600")
        client.send_bytes(b"Action: " + second)
        await until(client, "Hangup", Cause="0")
        assert told_of(bytes(client.data), "SIP/210") == told_of(dialogue.received, "SIP/210")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_party_that_is_sent_elsewhere_leaves_the_other_which_ends(version: str) -> None:
    async with listening(version) as (pbx, client):
        one, two = await talking(client, version)
        lines = ["Action: Redirect", "Context: internal", "Exten: 215", "Priority: 1"]
        answer = await answered(client, "r", *lines, f"Channel: {two['Channel']}")
        assert answer["Message"] == "Redirect successful"
        await until(client, "Hangup", Channel=one["Channel"])
        rung = await until(client, "Newchannel", CallerIDNum="215")
        assert rung["Channel"].startswith(f"{TECH[version]}/215-")
        assert set(pbx.state.channels) == {two["Channel"], rung["Channel"]}


async def test_on_asterisk_11_a_redirect_of_the_called_party_changes_its_uniqueid() -> None:
    async with listening("11") as (pbx, client):
        _, two = await talking(client, "11")
        lines = ["Action: Redirect", "Context: internal", "Exten: 600", "Priority: 1"]
        client.send(*lines, f"Channel: {two['Channel']}")
        await until(client, "Newexten", Extension="600")
        assert pbx.state.channels[two["Channel"]].uniqueid != two["Uniqueid"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_two_parties_can_be_sent_to_two_places(version: str) -> None:
    async with listening(version) as (pbx, client):
        one, two = await talking(client, version)
        lines = ["Action: Redirect", f"Channel: {one['Channel']}", f"ExtraChannel: {two['Channel']}"]
        lines += ["Context: internal", "Exten: 601", "Priority: 1"]
        lines += ["ExtraContext: internal", "ExtraExten: 602", "ExtraPriority: 1"]
        answer = await answered(client, "r", *lines)
        assert answer["Message"] == "Dual Redirect successful"
        heard = [await until(client, "Newexten", Application="Answer") for _ in range(2)]
        places = {(packet["Channel"], packet["Extension"]) for packet in heard}
        assert places == {(one["Channel"], "601"), (two["Channel"], "602")}
        assert len(pbx.state.channels) == 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "Channel not specified"),
        (["Channel: X"], "Context not specified"),
        (["Channel: X", "Context: c"], "Exten not specified"),
        (["Channel: X", "Context: c", "Exten: 1"], "Priority not specified"),
        (["Channel: X", "Context: c", "Exten: 1", "Priority: 0"], "Priority is invalid"),
        (["Channel: X", "Context: c", "Exten: 1", "Priority: 1"], "Channel does not exist: X"),
    ],
)
async def test_a_redirect_without_a_place_is_an_error(lines: list[str], message: str) -> None:
    async with listening("20") as (_, client):
        assert (await answered(client, "r", "Action: Redirect", *lines))["Message"] == message


@pytest.mark.parametrize("version", NEW)
async def test_a_blind_transfer_sends_the_other_party_and_ends_the_one(version: str) -> None:
    async with listening(version) as (pbx, client):
        one, two = await talking(client, version)
        lines = ["Action: BlindTransfer", f"Channel: {one['Channel']}", "Exten: 215", "Context: internal"]
        assert (await answered(client, "t", *lines))["Message"] == "Transfer succeeded"
        told = await until(client, "BlindTransfer")
        assert (told["Result"], told["TransfereeChannel"]) == ("Success", two["Channel"])
        await until(client, "Hangup", Channel=one["Channel"])
        await until(client, "Newchannel", CallerIDNum="215")
        assert two["Channel"] in pbx.state.channels


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_attended_transfer_is_dialled_as_digits(version: str) -> None:
    async with listening(version) as (_, client):
        one, _ = await talking(client, version)
        lines = ["Action: Atxfer", f"Channel: {one['Channel']}", "Exten: 215", "Context: internal"]
        assert (await answered(client, "a", *lines))["Message"] == "Atxfer successfully queued"
        await until(client, "VarSet", Variable="TRANSFER_CONTEXT", Value="internal")
        digits = [await until(client, "DTMF" if version == "11" else "DTMFEnd") for _ in range(5)]
        assert "".join(packet["Digit"] for packet in digits) == "*2215"


# Parking.


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_parked_call_is_listed_until_it_is_fetched(version: str) -> None:
    async with listening(version) as (pbx, client):
        one, two = await talking(client, version)
        lines = ["Action: Park", f"Channel: {two['Channel']}", f"Channel2: {one['Channel']}"]
        answer = await answered(client, "p", *lines, "Timeout: 60000")
        assert answer["Message"].strip() == "Park successful"
        parked = await until(client, "ParkedCall")
        await until(client, "MusicOnHold" if version == "11" else "MusicOnHoldStart")
        assert one["Channel"] not in pbx.state.channels
        assert "701" in (parked.get("Exten"), parked.get("ParkingSpace"))
        listed = await client.list("Action: ParkedCalls")
        assert (listed[1]["Event"], listed[-1]["Total"]) == ("ParkedCall", "1")
        lines = ["Action: Redirect", "Context: internal", "Exten: 600", "Priority: 1"]
        client.send(*lines, f"Channel: {two['Channel']}")
        await until(client, "ParkedCallGiveUp")
        await until(client, "Newexten", Extension="600")
        assert not pbx.state.parked


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_parked_call_that_nobody_fetches_ends(version: str) -> None:
    async with listening(version) as (pbx, client):
        one, two = await talking(client, version)
        lines = ["Action: Park", f"Channel: {two['Channel']}", f"Channel2: {one['Channel']}"]
        client.send(*lines, "Timeout: 20")
        await until(client, "ParkedCallTimeOut")
        await until(client, "Hangup", Channel=two["Channel"])
        assert not pbx.state.channels


PARKED = [dialogue for dialogue in dialogues() if dialogue.name == "park"]


@pytest.mark.parametrize("dialogue", PARKED, ids=str)
async def test_a_parked_channel_is_told_as_the_recorded_one_was(dialogue: Dialogue) -> None:
    wanted = {"ParkedCall", "ParkedCallTimeOut", "Masquerade", "Rename"}

    def shapes(data: bytes) -> list[list[str]]:
        return [
            [lines[0], *map(name_of, lines[1:])]
            for lines in blocks(data)
            if is_unasked(lines) and value_of(lines, "Event") in wanted
        ]

    async with simulator_for(dialogue) as pbx, Client(pbx) as client:
        await client.banner()
        client.send_bytes(dialogue.sent)
        await until(client, "ParkedCallTimeOut")
        assert shapes(bytes(client.data)) == shapes(dialogue.received)


# What else is done to channels.


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_call_is_recorded_muted_and_told_something(version: str) -> None:
    async with listening(version) as (pbx, client):
        one, _ = await talking(client, version)
        channel = f"Channel: {one['Channel']}"
        started = await answered(client, "m", "Action: MixMonitor", channel, "File: x.wav", "Options: i(ID)")
        assert started["Response"] == "Success"
        assert "Message" not in started
        assert started["MixMonitorID"] == pbx.state.channels[one["Channel"]].variables["ID"]
        if version in NEW:
            assert (await until(client, "MixMonitorStart"))["Channel"] == one["Channel"]
        for number, (lines, message) in enumerate(
            [
                (["Action: StopMixMonitor"], None),
                (["Action: MuteAudio", "Direction: in", "State: on"], None),
                (["Action: PlayDTMF", "Digit: 5"], "DTMF successfully queued"),
                (["Action: SendText", "Message: привет"], "Success"),
                (["Action: AbsoluteTimeout", "Timeout: 30"], "Timeout Set"),
            ]
        ):
            answer = await answered(client, f"x{number}", *lines, channel)
            assert (answer["Response"], answer.get("Message")) == ("Success", message), lines
        monitored = await answered(client, "y", "Action: Monitor", channel)
        known = version != "22"
        assert (monitored["Message"] == "Started monitoring channel") is known
        assert pbx.executed["y"] == known


async def test_an_absolute_timeout_ends_the_call() -> None:
    async with listening("20") as (pbx, client):
        one, two = await talking(client, "20")
        client.send("Action: AbsoluteTimeout", f"Channel: {one['Channel']}", "Timeout: 0.02")
        await ends(client, one, two)
        assert not pbx.state.channels


@pytest.mark.parametrize(
    ("write", "allowed"),
    [
        ("call", {"hangup", "redirect", "setvar", "park", "getvar"}),
        ("system", {"hangup", "mixmonitor", "muteaudio", "dbput"}),
        ("originate", {"originate"}),
        ("agent", {"queueadd", "queuepause"}),
        ("reporting", {"getvar"}),
        ("user", {"userevent"}),
    ],
)
async def test_each_action_needs_a_write_class_of_its_own(write: str, allowed: set[str]) -> None:
    users = {"bus": User(SECRET, write=parse_classes(write))}
    actions = {"hangup", "redirect", "setvar", "park", "getvar", "mixmonitor", "muteaudio", "dbput"}
    actions |= {"originate", "queueadd", "queuepause", "userevent"}
    async with SimulatedPbx(SimulatorOptions(users=users)) as pbx, Client(pbx) as client:
        await client.login(events="off")
        answers = {action: await client.ask(f"Action: {action}") for action in sorted(actions)}
        done = {action for action in actions if answers[action]["Message"] != "Permission denied"}
    assert done == allowed
    assert pbx.executed.total() == len(allowed - {"getvar"})


async def test_a_channel_is_found_by_its_name_in_any_case() -> None:
    async with listening("20") as (pbx, client):
        pbx.state.channels["SIP/200-1"] = Channel("SIP/200-1", "17.1", state=6)
        lines = ["Action: Getvar", "Variable: CHANNEL(name)", "Channel: sip/200-1"]
        assert (await answered(client, "g", *lines))["Value"] == "SIP/200-1"


async def test_an_ended_dialogue_leaves_nothing_behind() -> None:
    (dialogue,) = [one for one in dialogues() if str(one) == "20-hangup_regex"]
    async with simulator_for(dialogue) as pbx, Client(pbx) as client:
        await received_by(client, dialogue)
        assert not pbx.state.channels
