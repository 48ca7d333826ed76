"""PBXs that do not behave: the collector copes, and its neighbours never notice."""

from __future__ import annotations

import asyncio
from pathlib import Path

from publisher.adapters.tcp import TcpConnector
from publisher.simulator import SimulatedPbx, SimulatorOptions, User
from publisher.simulator.requests import Request
from publisher.simulator.session import Session
from tests.collector.office import SECRET, WAIT_SECS, Office, open_office


def options(**more: object) -> SimulatorOptions:
    return SimulatorOptions(users={"bus": User(SECRET)}, **more)  # type: ignore[arg-type]


async def numbered(office: Office) -> list[int]:
    return [int(str(event.fields["N"])) for event in await office.events() if "N" in event.fields]


async def heard(office: Office, count: int) -> list[int]:
    """Wait until so many numbered events stand in the journal."""
    async with asyncio.timeout(WAIT_SECS):
        while True:
            seen = office.journal.durable_pos
            numbers = await numbered(office)
            if len(numbers) >= count:
                return numbers
            await office.journal.wait_beyond(seen)


def tell(pbx: SimulatedPbx, first: int, count: int) -> None:
    for number in range(first, first + count):
        pbx.emit("UserEvent", "user,all", [("UserEvent", "count"), ("N", str(number))])


async def test_a_pbx_that_sends_one_byte_at_a_time_loses_nothing(tmp_path: Path) -> None:
    async with SimulatedPbx(options()) as pbx, open_office(pbx, tmp_path) as office:
        await office.up()
        pbx.chunk_bytes = 1
        tell(pbx, 1, 50)
        assert await heard(office, 50) == list(range(1, 51))


async def test_events_that_come_although_they_are_off_are_held_and_not_lost(tmp_path: Path) -> None:
    """A PBX double that knows no Events action, answers no CoreStatus and talks from the login on."""
    async with SimulatedPbx(options()) as pbx:
        told = 0

        def ignore(session: Session, request: Request) -> None:
            nonlocal told
            told += 1
            session.write(b"Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: x\r\nN: %d\r\n\r\n" % told)

        pbx.handlers["corestatus"] = ignore
        pbx.handlers["events"] = ignore
        async with open_office(pbx, tmp_path) as office:
            await office.until(lambda: office.collector.up)
            assert await heard(office, 2) == [1, 2]
            events = await office.events()
            assert events[0].event == "control.up"
            assert office.count("GapAnnounced") == 0


async def test_a_frozen_pbx_and_a_flooding_one_leave_their_neighbour_alone(tmp_path: Path) -> None:
    async with (
        SimulatedPbx(options()) as frozen,
        SimulatedPbx(options()) as flooding,
        SimulatedPbx(options()) as calm,
        open_office(frozen, tmp_path, name="frozen") as first,
        open_office(flooding, tmp_path, name="flooding") as second,
        open_office(calm, tmp_path, name="calm") as third,
    ):
        for office in (first, second, third):
            await office.up()
        frozen.freeze()

        async def flood() -> None:
            for start in range(1, 20_001, 100):
                tell(flooding, start, 100)
                await flooding.drain()
                await asyncio.sleep(0)

        flooded = asyncio.create_task(flood())
        for start in range(1, 201, 10):
            tell(calm, start, 10)
            await asyncio.sleep(0)
        assert await heard(third, 200) == list(range(1, 201))
        await flooded
        await second.until(lambda: second.collector.recorder.recorded >= 20_000)
        assert await heard(second, 20_000) == list(range(1, 20_001))
        assert third.count("PbxDown") == second.count("PbxDown") == 0
        frozen.thaw()


async def test_a_port_that_is_no_manager_port_is_told_apart(tmp_path: Path) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, SimulatedPbx(options()) as pbx:
        port = server.sockets[0].getsockname()[1]
        async with open_office(pbx, tmp_path, connector=TcpConnector("127.0.0.1", port)) as office:
            await office.until(lambda: office.count("PbxDown") >= 2)
            assert "does not greet like a manager port" in str(office.reports[0])
            assert office.journal.next_pos == 1


async def test_an_unreachable_pbx_is_tried_again_with_growing_waits(tmp_path: Path) -> None:
    async with SimulatedPbx(options()) as pbx:
        await pbx.stop_listening()
        async with open_office(pbx, tmp_path) as office:
            await office.until(lambda: office.count("PbxDown") >= 7)
            waits = [wait for wait in office.clock.waits if wait >= 0.5][:7]
            assert max(waits) <= 30.0
            assert waits[-1] > 4 * waits[0]
            await pbx.start()
            await office.up()
