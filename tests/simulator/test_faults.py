"""The faults that the simulated PBX can have, and what a client then sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from publisher.simulator import SimulatedPbx, SimulatorOptions, User
from tests.simulator.client import SECRET, Client


@pytest.fixture
async def pbx() -> AsyncIterator[SimulatedPbx]:
    async with SimulatedPbx(SimulatorOptions(users={"bus": User(SECRET)})) as pbx:
        yield pbx


def numbered(number: int, padding: int = 0) -> bytes:
    value = f"{number}{'x' * padding}"
    return f"Event: UserEvent\r\nPrivilege: user,all\r\nNumber: {value}\r\n\r\n".encode()


async def logged_in(client: Client) -> None:
    await client.login()
    assert (await client.packet())["Event"] == "FullyBooted"


async def test_a_kick_ends_the_session_after_what_was_sent(pbx: SimulatedPbx) -> None:
    async with Client(pbx) as client:
        await logged_in(client)
        pbx.send(numbered(1))
        await pbx.kick()
        assert await client.rest() == numbered(1)
    assert not pbx.sessions


async def test_a_kick_in_mid_packet_leaves_half_an_event(pbx: SimulatedPbx) -> None:
    async with Client(pbx) as client:
        await logged_in(client)
        await pbx.kick(mid_packet=True)
        rest = await client.rest()
        assert rest.startswith(b"Event: Newstate\r\n")
        assert not rest.endswith(b"\r\n\r\n")


async def test_a_restart_drops_sessions_and_starts_anew(pbx: SimulatedPbx) -> None:
    pbx.state.new_channel("200")
    pbx.state.started -= 1000
    port = pbx.port
    async with Client(pbx) as client:
        await logged_in(client)
        before = await client.ask("Action: CoreStatus")
        await pbx.restart()
        assert b"Event: Shutdown" in await client.rest()
    assert pbx.port == port
    async with Client(pbx) as client:
        await client.login()
        assert int((await client.packet())["Uptime"]) < 1000
        after = await client.ask("Action: CoreStatus")
        assert (before["CoreCurrentCalls"], after["CoreCurrentCalls"]) == ("1", "0")
        assert before["CoreStartupTime"] != after["CoreStartupTime"]


async def test_two_restarts_at_once_still_differ_in_their_start_time(pbx: SimulatedPbx) -> None:
    first = int(pbx.state.started)
    await pbx.restart()
    second = int(pbx.state.started)
    await pbx.restart()
    assert first < second < int(pbx.state.started)


async def test_a_frozen_pbx_says_and_hears_nothing_until_it_thaws(pbx: SimulatedPbx) -> None:
    async with Client(pbx) as client:
        await logged_in(client)
        pbx.freeze()
        pbx.send(numbered(1))
        client.send("Action: Ping")
        late = asyncio.open_connection("127.0.0.1", pbx.port)
        reader, writer = await late
        ping = asyncio.ensure_future(client.packet())
        greeting = asyncio.ensure_future(reader.readline())
        done, _ = await asyncio.wait([ping, greeting], timeout=0.2)
        assert not done
        pbx.thaw()
        assert (await ping)["Number"] == "1"
        assert (await client.packet())["Ping"] == "Pong"
        assert await greeting == pbx.options.style.banner
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("size", [1, 7])
async def test_bytes_one_at_a_time_are_the_same_bytes(pbx: SimulatedPbx, size: int) -> None:
    async with Client(pbx) as client:
        await logged_in(client)
        pbx.chunk_bytes = size
        for number in range(20):
            pbx.send(numbered(number))
        assert await client.take(len(b"".join(map(numbered, range(20))))) == b"".join(
            map(numbered, range(20))
        )
        await pbx.drain()
        pbx.chunk_bytes = 0
        pbx.send(numbered(20))
        assert await client.raw() == numbered(20)


async def test_a_client_that_reads_nothing_is_cut_off_with_a_torn_event(pbx: SimulatedPbx) -> None:
    pbx.options.write_timeout_secs = 0.1
    async with Client(pbx) as client:
        await logged_in(client)
        client._reader._transport.pause_reading()  # type: ignore[attr-defined]
        number = 0
        while pbx.sessions:
            pbx.send(numbered(number, padding=50_000))
            number += 1
            await asyncio.sleep(0)
        client._reader._transport.resume_reading()  # type: ignore[attr-defined]
        rest = await client.rest()
        assert 0 < rest.count(b"\r\n\r\n") < number


async def test_send_bytes_goes_out_as_it_is(pbx: SimulatedPbx) -> None:
    async with Client(pbx) as client:
        await logged_in(client)
        sent = pbx.events_sent
        pbx.send_bytes(b"\r\nEvent: Broken\r\n\xff\xfe")
        assert await client.take(19) == b"\r\nEvent: Broken\r\n\xff\xfe"
        assert pbx.events_sent == sent


async def test_the_port_can_go_away_and_come_back(pbx: SimulatedPbx) -> None:
    await pbx.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", pbx.port)
    await pbx.start()
    async with Client(pbx) as client:
        await logged_in(client)
        await asyncio.wait_for(pbx.wait_logged_in(), 10)
