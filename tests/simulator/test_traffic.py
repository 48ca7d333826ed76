"""What the simulated PBX tells: traces byte for byte, and calls whose live state is true."""

from __future__ import annotations

import asyncio
import gzip
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.simulator import (
    STYLES,
    Pace,
    Replay,
    SimulatedPbx,
    SimulatorOptions,
    Trace,
    TraceError,
    Traffic,
    User,
)
from publisher.simulator.calls import Caller
from publisher.simulator.options import default_extensions
from publisher.simulator.packets import packet
from publisher.simulator.script import Say
from publisher.simulator.state import PbxState
from tests.simulator.client import SECRET, Client

TRACES = Path(__file__).parents[2] / "../shared/traces"
RECORDED = sorted(TRACES.glob("*/mixed-plain.ami.gz"))
MADE = (
    b"Asterisk Call Manager/9.0.0\r\n"
    b"Response: Success\r\nActionID: 1\r\nMessage: Authentication accepted\r\n\r\n"
    b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 444\r\nStatus: Fully Booted\r\n\r\n"
    + b"".join(
        f"Event: UserEvent\r\nPrivilege: user,all\r\nNumber: {n}\r\n\r\n".encode() for n in range(3000)
    )
    + b"\r\nEvent: Fake\r\nExten: 200\r\n\r\ntail of a split packet\r\n\r\n"
    b"Response: Follows\r\nPrivilege: Command\r\nline\r\n\r\nEvent: no event\r\n--END COMMAND--\r\n\r\n"
    b"Event: Last\r\nPrivilege: user,all\r\n\r\nEvent: Torn\r\nPriv"
)
MADE_EVENTS = 3004


def traces() -> list[Trace]:
    return [Trace.cut(MADE), *(Trace.read(path) for path in RECORDED)]


def life(event: str, *lines: str) -> bytes:
    return ("\r\n".join([f"Event: {event}", "Privilege: call,all", *lines]) + "\r\n\r\n").encode()


def new_pbx() -> SimulatedPbx:
    return SimulatedPbx(SimulatorOptions(users={"bus": User(SECRET)}))


def test_a_trace_keeps_events_and_leaves_out_what_answered_its_client() -> None:
    trace = Trace.cut(MADE)
    assert len(trace.events) == MADE_EVENTS
    assert trace.boots
    assert trace.uptime == 444
    assert trace.style is STYLES["20"]
    assert trace.events[-3:] == [
        b"\r\nEvent: Fake\r\nExten: 200\r\n\r\n",
        b"tail of a split packet\r\n\r\n",
        b"Event: Last\r\nPrivilege: user,all\r\n\r\n",
    ]
    assert b"".join(block for block, _ in trace.blocks) == b"".join(trace.events)
    assert sum(count for _, count in trace.blocks) == MADE_EVENTS


@given(st.lists(st.sampled_from([b"Event: A", b"\r\n", b"\r\n\r\n", b"Response: Follows\r\n", b"x"])))
def test_any_bytes_can_be_cut(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    assert all(event.endswith(b"\r\n\r\n") and event in data for event in Trace.cut(data).events)


def test_a_trace_that_cannot_be_replayed_is_refused_in_one_sentence(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.ami.gz"
    damaged.write_bytes(gzip.compress(MADE)[:-20])
    empty = tmp_path / "empty.ami"
    empty.write_bytes(b"Asterisk Call Manager/1.3\r\n")
    for path, part in (
        (damaged, "damaged gzip data"),
        (empty, "no AMI event"),
        (tmp_path / "none", "No such file"),
        (tmp_path, "directory"),
    ):
        with pytest.raises(TraceError, match=part) as raised:
            Trace.read(path)
        assert str(path) in str(raised.value)


@pytest.mark.parametrize("rate", [0.0, 200_000.0])
async def test_a_replay_sends_the_events_byte_for_byte(rate: float) -> None:
    for trace in traces():
        events = trace.events[:20_000]
        short = Trace.cut(b"".join(events))
        async with new_pbx() as pbx, Client(pbx) as client:
            replay = Replay(pbx, short, rate=rate)
            answer = await client.login()
            assert answer["Response"] == "Success"
            expected = b"".join(short.events)
            assert await client.take(len(expected)) == expected
            assert (pbx.events_sent, replay.done) == (len(short.events), 1)
            await replay.stop()


async def test_each_session_gets_the_whole_trace_once_however_it_switches_events() -> None:
    trace = Trace.cut(MADE)
    expected = b"".join(trace.events)
    async with new_pbx() as pbx:
        replay = Replay(pbx, trace)
        for _ in range(2):
            async with Client(pbx) as client:
                await client.login(events="off")
                client.send("Action: Events", "EventMask: on")
                assert (await client.packet())["Events"] == "On"
                assert await client.take(len(expected)) == expected
                client.send("Action: Events", "EventMask: on")
                client.send("Action: Ping")
                assert (await client.packet())["Events"] == "On"
                assert (await client.packet())["Ping"] == "Pong"
        assert replay.done == 2
        await replay.stop()


async def test_a_loop_sends_the_boot_event_of_the_login_only_once() -> None:
    trace = Trace.cut(MADE)
    async with new_pbx() as pbx, Client(pbx) as client:
        replay = Replay(pbx, trace, loop=True)
        await client.login()
        once = b"".join(trace.events)
        again = b"".join(trace.events[1:])
        assert await client.take(len(once) + 2 * len(again)) == once + again + again
        await replay.stop()


async def test_the_start_time_agrees_with_the_uptime_in_the_trace() -> None:
    pbx = new_pbx()
    Replay(pbx, Trace.cut(MADE))
    assert abs(time.time() - 444 - pbx.state.started) < 60


async def test_a_filter_and_a_mask_hold_for_a_replay() -> None:
    trace = Trace.cut(MADE)
    async with new_pbx() as pbx, Client(pbx) as client:
        replay = Replay(pbx, trace)
        await client.login(events="off")
        await client.ask("Action: Filter", "Operation: Add", "Filter: !UserEvent")
        client.send("Action: Events", "EventMask: on")
        await client.packet()
        kept = b"".join(event for event in trace.events if b"UserEvent" not in event)
        assert await client.take(len(kept)) == kept
        await replay.stop()


async def test_a_shared_replay_goes_on_after_a_lost_session_and_waits_for_the_next() -> None:
    trace = Trace.cut(
        b"".join(b"Event: E\r\nPrivilege: user,all\r\nN: %d\r\n\r\n" % n for n in range(200_000))
    )
    async with new_pbx() as pbx:
        replay = Replay(pbx, trace, shared=True)
        seen: list[bytes] = []
        while not replay.done:
            async with Client(pbx) as client:
                await client.login()
                await client.packet()
                first = await client.raw()
                seen.append(first)
                await client.take(100_000)
                if len(seen) == 4:
                    while not replay.done:
                        await client.take(1)
                await pbx.kick()
                await asyncio.wait_for(pbx.wait_gone(), 10)
        numbers = [int(event.split(b"N: ")[1]) for event in seen]
        assert numbers[0] == 0
        assert numbers == sorted(set(numbers))
        await replay.stop()


async def test_a_shared_replay_keeps_the_live_state() -> None:
    trace = Trace.cut(
        life("Newchannel", "Channel: SIP/1-1", "ChannelState: 0", "Uniqueid: 1.1")
        + life("Newchannel", "Channel: SIP/2-2", "Uniqueid: 1.2", "Linkedid: 1.1")
        + life("Newstate", "Channel: SIP/1-1", "ChannelState: 6", "Uniqueid: 1.1")
        + life("Rename", "Channel: SIP/1-1", "Newname: SIP/1-1<MASQ>")
        + life("Hangup", "Channel: SIP/2-2", "Uniqueid: 1.2")
    )
    async with new_pbx() as pbx, Client(pbx) as client:
        replay = Replay(pbx, trace, shared=True)
        await client.login()
        await client.packet()
        await client.take(len(b"".join(trace.events)))
        assert [(c.name, c.uniqueid, c.state) for c in pbx.state.channels.values()] == [
            ("SIP/1-1<MASQ>", "1.1", 6)
        ]
        await replay.stop()


@pytest.mark.parametrize("version", ["11", "20", "22"])
def test_the_state_is_what_the_events_of_the_calls_tell(version: str) -> None:
    """Whoever follows Newchannel, Rename and Hangup knows exactly the channels that live."""
    import random

    state = PbxState(STYLES[version], default_extensions())
    caller = Caller(state, random.Random(7))
    told: set[str] = set()
    names: set[str] = set()
    for _ in range(40):
        for step in caller.next_call():
            if not isinstance(step, Say):
                assert step.secs >= 0
                assert told == set(state.channels)
                continue
            names.add(step.event)
            fields = dict(step.fields)
            packet([("Event", step.event), *step.fields])
            if step.event == "Newchannel":
                told.add(str(fields["Channel"]))
            elif step.event == "Hangup":
                told.remove(str(fields["Channel"]))
            assert ("Linkedid" in fields) <= (version != "11")
    assert not told
    assert not state.channels
    assert state.processed_calls == 40
    old = {"Dial", "Bridge"}
    new = {"DialBegin", "DialEnd", "BridgeEnter", "BridgeLeave", "DeviceStateChange", "BridgeDestroy"}
    assert names >= (old if version == "11" else new)
    assert not names & (new if version == "11" else old)


async def test_generated_calls_reach_the_client_with_their_cyrillic_names() -> None:
    async with new_pbx() as pbx, Client(pbx) as client:
        traffic = Traffic(pbx, 200.0, pace=Pace(0.01, 0.01), seed=1)
        await client.login()
        traffic.start()
        hangups = 0
        while hangups < 20:
            hangups += (await client.packet()).get("Event") == "Hangup"
        # Which of the calls carries the card is a matter of chance and time: wait for one.
        while "Карточка клиента".encode() not in client.data:
            await client.packet()
        await traffic.stop()
        assert traffic.calls >= 10


async def test_calls_do_not_survive_a_restart() -> None:
    async with new_pbx() as pbx:
        traffic = Traffic(pbx, 500.0, pace=Pace(0.05, 0.05), seed=2)
        traffic.start()
        async with Client(pbx) as client:
            await client.login()
            while (await client.packet()).get("Event") != "Newchannel":
                pass
            before = list(pbx.state.channels.values())
            await pbx.restart()
            assert before
        async with Client(pbx) as client:
            await client.login()
            # A new start numbers its channels from 0 again: only the objects tell the calls apart.
            assert not any(channel is old for channel in pbx.state.channels.values() for old in before)
            hangups = 0
            while hangups < 10:
                hangups += (await client.packet()).get("Event") == "Hangup"
        await traffic.stop()
