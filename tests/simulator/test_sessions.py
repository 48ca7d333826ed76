"""Sessions with the simulated PBX: logins, rights, masks, filters, and the answers of each age."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from publisher.simulator import Channel, PortInUse, SimulatedPbx, SimulatorOptions, User
from publisher.simulator.packets import parse_classes
from publisher.simulator.requests import RequestReader
from tests.simulator.client import SECRET, Client

TRACES = Path(__file__).parents[2] / "../shared/traces"
VERSIONS = ("11", "20", "22")


@pytest.fixture(params=VERSIONS)
async def pbx(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedPbx]:
    async with SimulatedPbx(options(request.param)) as pbx:
        yield pbx


@pytest.fixture
async def pbx20() -> AsyncIterator[SimulatedPbx]:
    async with SimulatedPbx(options("20")) as pbx:
        yield pbx


def options(version: str = "20") -> SimulatorOptions:
    users = {
        "bus": User(SECRET),
        "limited": User(SECRET, read=parse_classes("call"), write=parse_classes("call")),
    }
    return SimulatorOptions(version=version, users=users)


def hangup(number: int) -> bytes:
    return f"Event: Hangup\r\nPrivilege: call,all\r\nChannel: SIP/{number}-1\r\n\r\n".encode()


async def test_a_plain_login_is_greeted_with_fully_booted(pbx: SimulatedPbx) -> None:
    async with Client(pbx) as client:
        assert await client.banner() == pbx.options.style.banner
        answer = await client.ask("Action: Login", "Username: bus", f"Secret: {SECRET}", "ActionID: 7")
        assert answer == {"Response": "Success", "ActionID": "7", "Message": "Authentication accepted"}
        booted = await client.packet()
        assert booted["Event"] == "FullyBooted"
        assert ("Uptime" in booted) is (pbx.options.version != "11")


async def test_an_md5_login_is_accepted(pbx20: SimulatedPbx) -> None:
    async with Client(pbx20) as client:
        await client.banner()
        assert (await client.login_md5())["Response"] == "Success"


async def test_a_wrong_md5_key_is_refused_and_the_connection_closed(pbx20: SimulatedPbx) -> None:
    async with Client(pbx20) as client:
        await client.banner()
        answer = await client.login_md5(secret="other")
        assert answer == {"Response": "Error", "Message": "Authentication failed"}
        assert await client.rest() == b""
    assert pbx20.logins_refused == 1


@pytest.mark.parametrize(("user", "secret"), [("bus", "wrong"), ("nobody", SECRET), ("bus", "")])
async def test_a_wrong_plain_login_is_refused(pbx20: SimulatedPbx, user: str, secret: str) -> None:
    async with Client(pbx20) as client:
        assert (await client.login(user, secret))["Message"] == "Authentication failed"
        assert await client.rest() == b""


async def test_an_md5_key_without_a_challenge_is_no_login(pbx20: SimulatedPbx) -> None:
    async with Client(pbx20) as client:
        await client.banner()
        key = "5ebe2294ecd0e0f08eab7690d2a6ee69"
        answer = await client.ask("Action: Login", "AuthType: MD5", "Username: bus", f"Key: {key}")
        assert answer["Response"] == "Error"


async def test_logins_can_be_refused_at_will(pbx20: SimulatedPbx) -> None:
    pbx20.refuse_logins()
    async with Client(pbx20) as client:
        assert (await client.login())["Message"] == "Authentication failed"
    pbx20.refuse_logins(False)
    async with Client(pbx20) as client:
        assert (await client.login())["Response"] == "Success"


async def test_without_multiple_logins_the_new_one_is_refused_while_the_old_lives() -> None:
    one_only = options()
    one_only.allow_multiple_login = False
    async with SimulatedPbx(one_only) as pbx, Client(pbx) as first:
        await first.login()
        async with Client(pbx) as second:
            assert (await second.login())["Message"] == "Login Already In Use"
        await pbx.kick()
        async with Client(pbx) as third:
            assert (await third.login())["Response"] == "Success"


async def test_nothing_is_allowed_before_the_login(pbx20: SimulatedPbx) -> None:
    async with Client(pbx20) as client:
        await client.banner()
        assert (await client.ask("Action: Ping", "ActionID: p"))["Message"] == "Permission denied"


async def test_a_session_that_does_not_log_in_is_closed() -> None:
    impatient = options()
    impatient.auth_timeout_secs = 0.05
    async with SimulatedPbx(impatient) as pbx, Client(pbx) as client:
        assert await client.rest() == pbx.options.style.banner


async def test_sessions_beyond_the_limit_of_unauthenticated_ones_are_closed() -> None:
    few = options()
    few.max_unauthenticated = 1
    async with SimulatedPbx(few) as pbx, Client(pbx) as first:
        await first.banner()
        async with Client(pbx) as second:
            assert await second.rest() == b""


@pytest.mark.parametrize("action", ["devicestatelist", "extensionstatelist", "presencestatelist"])
async def test_an_asterisk_11_knows_no_state_lists(action: str) -> None:
    async with SimulatedPbx(options("11")) as pbx, Client(pbx) as client:
        await client.login(events="off")
        answer = await client.ask(f"Action: {action}", "ActionID: x")
        assert answer["Message"].startswith(f"Invalid/unknown command: {action}. Use Action: ListCommands")


async def test_actions_answer_as_the_recorded_dialogues_do(pbx: SimulatedPbx) -> None:
    """The same requests give the same header names, in the same order, as the real server gave."""
    folder = TRACES / pbx.options.version / "actions"
    if not folder.is_dir():
        folder = Path(__file__).parents[1] / "corpus" / "dialogues" / pbx.options.version
    names = ["corestatus", "coresettings", "ping", "filter", "logoff", "unknown_action", "no_action_header"]
    names += ["empty_packet", "too_long_line", "too_many_headers", "command_version", "lf_only_line_ends"]
    names += ["two_actions_one_segment", "presencestatelist", "header_without_colon", "command_unknown"]
    names += ["challenge_badtype", "noauth_ping", "devicestatelist", "queuesummary", "coreshowchannels"]
    compared = 0
    a = pbx.state.new_channel("200", state=6, application="Wait", data="40")
    for name in names:
        recording, request = folder / f"{name}.ami", folder / f"{name}.req"
        if not recording.exists() or not request.exists():
            continue
        sent = request.read_bytes().replace(b"Secret: secret", f"Secret: {SECRET}".encode())
        async with Client(pbx) as client:
            await client.banner()
            client.send_bytes(sent.replace(b"Events: on\r\n", b"Events: off\r\n"))
            client.send("Action: Logoff", "ActionID: our-end")
            answered = (await client.rest()).partition(b"Response: Goodbye\r\nActionID: our-end")[0]
        expected = recording.read_bytes().partition(b"\r\n")[2]
        assert shape(answered) == shape(expected), name
        compared += 1
    assert compared >= 3
    assert a.name in pbx.state.channels


def shape(data: bytes) -> list[list[str]]:
    """Header names of each kind of packet, once; events that nobody asked for are left out."""
    seen: list[list[str]] = []
    for packet in data.decode(errors="replace").split("\r\n\r\n"):
        lines = packet.strip("\r\n").split("\r\n")
        if lines == [""] or any(line.startswith("Privilege: ") and ",all" in line for line in lines):
            continue
        names = [lines[0].strip(), *(line.partition(":")[0] for line in lines[1:])]
        names = [name for name in names if not name.startswith(("ChanVariable", "Asterisk 11"))]
        if names not in seen:
            seen.append(names)
    return seen


async def test_core_show_channels_tells_what_lives(pbx: SimulatedPbx) -> None:
    a = pbx.state.new_channel("200", state=6)
    pbx.state.channels["Local/1@x-1;1"] = Channel("Local/1@x-1;1", "17.1")
    async with Client(pbx) as client:
        await client.login(events="off")
        listed = await client.list("Action: CoreShowChannels", "ActionID: c")
        assert listed[0]["EventList"] == "start"
        assert [item.get("Channel") for item in listed[1:-1]] == [a.name, "Local/1@x-1;1"]
        assert all(item["ActionID"] == "c" for item in listed)
        assert listed[-1]["ListItems"] == "2"
        pbx.state.end_channel(a)
        assert len(await client.list("Action: CoreShowChannels")) == 3


async def test_status_of_one_channel_and_of_none(pbx: SimulatedPbx) -> None:
    a = pbx.state.new_channel("200", state=6)
    pbx.state.new_channel("201", state=6)
    async with Client(pbx) as client:
        await client.login(events="off")
        assert len(await client.list("Action: Status")) == 4
        listed = await client.list("Action: Status", f"Channel: {a.name}")
        assert [item.get("Channel") for item in listed[1:-1]] == [a.name]
        assert (await client.ask("Action: Status", "Channel: SIP/none"))["Message"] == "No such channel"


async def test_devices_and_hints_follow_the_channels(pbx20: SimulatedPbx) -> None:
    pbx20.state.new_channel("200", state=6)
    pbx20.state.new_channel("201", state=5)
    pbx20.state.device_states["SIP/202"] = "UNAVAILABLE"
    async with Client(pbx20) as client:
        await client.login(events="off")
        devices = await client.list("Action: DeviceStateList")
        states = {item["Device"]: item["State"] for item in devices[1:-1]}
        assert [states[f"SIP/{n}"] for n in (200, 201, 202, 203)] == [
            "INUSE",
            "RINGING",
            "UNAVAILABLE",
            "NOT_INUSE",
        ]
        hints = await client.list("Action: ExtensionStateList")
        assert [hints[n]["Status"] for n in (1, 2, 4)] == ["1", "8", "0"]


async def test_queue_status_lists_members_and_callers(pbx: SimulatedPbx) -> None:
    (queue,) = pbx.state.queues
    caller = pbx.state.new_channel("210", state=6)
    queue.callers.append(caller)
    async with Client(pbx) as client:
        await client.login(events="off")
        listed = await client.list("Action: QueueStatus", "ActionID: q")
        assert [item["Event"] for item in listed[1:-1]] == ["QueueParams", *["QueueMember"] * 4, "QueueEntry"]
        assert listed[2]["Name"] == "Оператор Иван"
        assert listed[-2]["Channel"] == caller.name
        summary = await client.list("Action: QueueSummary")
        assert summary[1]["Callers"] == "1"
        assert len(await client.list("Action: QueueStatus", "Queue: none")) == 2


async def test_variables_are_kept(pbx20: SimulatedPbx) -> None:
    channel = pbx20.state.new_channel("200")
    async with Client(pbx20) as client:
        await client.login(events="off")
        await client.ask("Action: Setvar", f"Channel: {channel.name}", "Variable: CRM", "Value: карта: a=b")
        answer = await client.ask("Action: Getvar", f"Channel: {channel.name}", "Variable: CRM")
        assert answer["Value"] == "карта: a=b"
        assert (await client.ask("Action: Getvar", "Variable: CRM")) == {
            "Response": "Success",
            "Variable": "CRM",
            "Value": "",
        }


async def test_a_user_event_goes_to_everyone(pbx20: SimulatedPbx) -> None:
    async with Client(pbx20) as listener, Client(pbx20) as client:
        await listener.login()
        await listener.packet()
        await client.login(events="off")
        answer = await client.ask("Action: UserEvent", "UserEvent: Lab", "Exten: 215", "ActionID: u")
        assert answer["Message"] == "Event Sent"
        event = await listener.packet()
        assert (event["UserEvent"], event["Exten"], event["Privilege"]) == ("Lab", "215", "user,all")


async def test_a_limited_user_reads_and_does_only_what_it_may(pbx20: SimulatedPbx) -> None:
    async with Client(pbx20) as client:
        await client.login("limited")
        assert (await client.ask("Action: CoreSettings"))["Message"] == "Permission denied"
        assert (await client.ask("Action: Filter", "Operation: Add"))["Message"] == "Permission denied"
        pbx20.send(b"Event: Reload\r\nPrivilege: system,all\r\n\r\n")
        pbx20.send(hangup(1))
        assert (await client.packet())["Event"] == "Hangup"


@pytest.mark.parametrize(
    ("mask", "state", "expected"),
    [("on", "On", [1, 2]), ("call,user", "On", [1]), ("off", "Off", []), ("bogus", "Off", [])],
)
async def test_the_event_mask_picks_classes(
    pbx20: SimulatedPbx, mask: str, state: str, expected: list[int]
) -> None:
    async with Client(pbx20) as client:
        await client.login(events="off")
        assert (await client.ask("Action: Events", f"EventMask: {mask}"))["Events"] == state
        pbx20.send(hangup(1))
        pbx20.send(hangup(2).replace(b"call,all", b"system,all"))
        client.send("Action: Ping")
        got = [await client.packet() for _ in range(len(expected) + 1)]
        assert [packet.get("Channel") for packet in got[:-1]] == [f"SIP/{number}-1" for number in expected]
        assert got[-1]["Ping"] == "Pong"
    assert pbx20.events_sent == len(expected)


def var_set(number: int) -> bytes:
    return hangup(number).replace(b"Hangup", b"VarSet")


@pytest.mark.parametrize(
    ("version", "filters", "expected"),
    [
        ("20", [("!Event: VarSet", None)], ["Hangup 1", "Hangup 2"]),
        ("11", [("!Event: VarSet", None)], ["Hangup 1", "Hangup 2"]),
        ("20", [("SIP/1-", None)], ["Hangup 1", "VarSet 1"]),
        ("20", [("SIP/1-", None), ("!VarSet", None)], ["Hangup 1"]),
        ("20", [("", "action(exclude),name(VarSet)")], ["Hangup 1", "Hangup 2"]),
        ("20", [("", "name(VarSet)")], ["VarSet 1", "VarSet 2"]),
        ("20", [("SIP/2-", "header(Channel),method(starts_with)")], ["Hangup 2", "VarSet 2"]),
        ("20", [("^SIP/[1]", "action(include),name(VarSet),header(Channel),method(regex)")], ["VarSet 1"]),
        ("20", [("SIP/2-1", "header(channel),method(exact)")], ["Hangup 2", "VarSet 2"]),
        ("20", [("2-1", "header(Channel),method(ends_with),name(Hangup)")], ["Hangup 2"]),
        ("20", [("SIP/2", "method(contains)")], ["Hangup 2", "VarSet 2"]),
    ],
)
async def test_filters_pass_what_asterisk_would_pass(
    version: str, filters: list[tuple[str, str | None]], expected: list[str]
) -> None:
    async with SimulatedPbx(options(version)) as pbx, Client(pbx) as client:
        await client.login(events="off")
        for expression, criteria in filters:
            lines = ["Action: Filter", "Operation: Add", f"Filter: {expression}"]
            answer = await client.ask(*lines, *([f"MatchCriteria: {criteria}"] if criteria else []))
            assert answer["Response"] == "Success"
        await client.ask("Action: Events", "EventMask: on")
        for event in (hangup(1), var_set(1), hangup(2), var_set(2)):
            pbx.send(event)
        client.send("Action: Ping")
        got: list[str] = []
        while (packet := await client.packet()).get("Ping") != "Pong":
            got.append(f"{packet['Event']} {packet['Channel'][4]}")
        assert got == expected
        assert pbx.sessions[0].events_filtered == 4 - len(expected)


@pytest.mark.parametrize(
    ("expression", "criteria"),
    [("[bad", None), ("", "name(X),name(Y)"), ("x", "name(X)"), ("", "method(exact)"), ("x", "action(drop)")],
)
async def test_a_filter_that_means_nothing_is_refused(
    pbx20: SimulatedPbx, expression: str, criteria: str | None
) -> None:
    async with Client(pbx20) as client:
        await client.login(events="off")
        lines = ["Action: Filter", "Operation: Add", f"Filter: {expression}"]
        answer = await client.ask(*lines, *([f"MatchCriteria: {criteria}"] if criteria else []))
        assert answer["Response"] == "Error"


async def test_actions_that_are_read_byte_by_byte_are_the_same() -> None:
    data = b"Action: Ping\nActionID: 1\n\nAction: Ping\r\nX: " + b"y" * 2000 + b"\r\nActionID: 2\r\n\r\n\r\n"
    whole = RequestReader().receive_data(data)
    reader = RequestReader()
    assert [r for byte in data for r in reader.receive_data(bytes([byte]))] == whole
    assert [(r.action_id, bool(r.problem)) for r in whole] == [("1", False), ("2", True), ("", False)]


async def test_a_port_in_use_gives_one_sentence(pbx20: SimulatedPbx) -> None:
    taken = options()
    taken.port = pbx20.port
    with pytest.raises(PortInUse, match="is in use by another program; choose another port"):
        await SimulatedPbx(taken).start()


async def test_a_handler_takes_an_action_over(pbx20: SimulatedPbx) -> None:
    pbx20.handlers["ping"] = lambda session, request: session.write(b"Response: Error\r\n\r\n")
    async with Client(pbx20) as client:
        await client.login(events="off")
        assert (await client.ask("Action: Ping"))["Response"] == "Error"
    assert [request.action for request in pbx20.requests] == ["login", "ping"]
    await asyncio.wait_for(pbx20.wait_gone(), 10)
