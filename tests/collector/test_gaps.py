"""Never a silent gap: what is announced when events may have been missed, and what is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from publisher.adapters.tcp import TcpConnector
from publisher.ami.framing import Limits
from publisher.reports import PbxLoginRefused
from publisher.simulator import SimulatedPbx, SimulatorOptions, User
from schemas import Event
from tests.collector.office import SECRET, open_office
from tests.services.proxy import CuttableProxy

VERSIONS = ("11", "20", "22")


@pytest.fixture(params=VERSIONS)
async def pbx(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedPbx]:
    async with SimulatedPbx(SimulatorOptions(version=request.param, users={"bus": User(SECRET)})) as pbx:
        yield pbx


def numbers_without_a_hole(events: list[Event]) -> bool:
    """Each epoch counts from 1 upwards."""
    last: dict[int, int] = {}
    for event in events:
        if event.seq != last.get(event.epoch, 0) + 1:
            return False
        last[event.epoch] = event.seq
    return True


async def test_the_first_start_announces_no_gap(pbx: SimulatedPbx, tmp_path: Path) -> None:
    async with open_office(pbx, tmp_path) as office:
        await office.up()
        assert await office.controls() == [("up", "")]
        assert office.count("GapAnnounced") == 0


async def test_a_lost_link_is_down_then_up_then_the_gap_then_the_live_state(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with open_office(pbx, tmp_path) as office:
        await office.up()
        living = office.call("201", exten="202")
        await office.until(lambda: living.uniqueid in office.collector.recorder.live.uniqueids())
        await pbx.kick()
        await office.until_up_again(2)
        events = await office.events()
        assert await office.controls() == [
            ("up", ""),
            ("down", "link_lost"),
            ("up", ""),
            ("gap", "link_lost"),
        ]
        gap = next(event for event in events if event.event == "control.gap")
        assert gap.control is not None
        assert gap.control["count"] is None
        assert str(gap.control["from"]) <= str(gap.control["to"]) <= gap.received_at
        after = events[events.index(gap) + 1 :]
        assert {event.event for event in after if event.snapshot} >= {"CoreShowChannel", "QueueMember"}
        assert not [event for event in after if event.synthetic], "the call still lives"
        assert numbers_without_a_hole(events)
        assert len({event.epoch for event in events}) == 1


async def test_each_call_that_ended_unseen_gets_one_synthetic_hangup_and_no_other_does(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with open_office(pbx, tmp_path) as office:
        await office.up()
        gone = [office.call(number) for number in ("201", "202", "203")]
        stays, hung_up = office.call("204"), office.call("205")
        office.hang_up(hung_up)
        await office.until(lambda: len(office.collector.recorder.live) == 4)
        await pbx.stop_listening()
        await pbx.kick()
        for channel in gone:
            pbx.state.end_channel(channel)
        unheard = pbx.state.new_channel("206")
        await pbx.start()
        await office.until_up_again(2)
        events = await office.events()
        synthetic = [event for event in events if event.synthetic]
        assert [event.event for event in synthetic] == ["Hangup"] * 3
        assert [event.fields["Uniqueid"] for event in synthetic] == [channel.uniqueid for channel in gone]
        assert [event.extensions[0] for event in synthetic] == ["201", "202", "203"]
        live = office.collector.recorder.live.uniqueids()
        assert live == {stays.uniqueid, unheard.uniqueid}


async def test_a_restarted_pbx_begins_a_new_epoch_and_ends_every_call(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with open_office(pbx, tmp_path) as office:
        await office.up()
        channel = office.call("207")
        await office.until(lambda: channel.uniqueid in office.collector.recorder.live.uniqueids())
        await pbx.restart(announced=True)
        await office.until_up_again(2)
        events = await office.events()
        assert await office.controls() == [
            ("up", ""),
            ("down", "pbx_shutdown"),
            ("up", ""),
            ("gap", "pbx_restart"),
        ]
        assert len({event.epoch for event in events}) == 2
        assert numbers_without_a_hole(events)
        ended = [event for event in events if event.synthetic]
        assert [event.fields["Uniqueid"] for event in ended] == [channel.uniqueid]


async def test_being_cut_off_inside_a_packet_is_called_so(pbx: SimulatedPbx, tmp_path: Path) -> None:
    async with open_office(pbx, tmp_path) as office:
        await office.up()
        await pbx.kick(mid_packet=True)
        await office.until_up_again(2)
        assert ("gap", "cut_off") in await office.controls()
        assert not [event for event in await office.events() if event.event == "Newstate"]


async def test_a_restarted_collector_announces_what_it_may_have_missed_and_forgets_no_call(
    pbx: SimulatedPbx, tmp_path: Path
) -> None:
    async with open_office(pbx, tmp_path) as office:
        await office.up()
        gone, stays = office.call("201"), office.call("202")
        await office.until(lambda: len(office.collector.recorder.live) == 2)
    pbx.state.end_channel(gone)
    async with open_office(pbx, tmp_path) as office:
        await office.up()
        assert await office.controls() == [
            ("up", ""),
            ("down", "collector_stopped"),
            ("up", ""),
            ("gap", "collector_restart"),
        ]
        events = await office.events()
        assert [event.fields["Uniqueid"] for event in events if event.synthetic] == [gone.uniqueid]
        assert office.collector.recorder.live.uniqueids() == {stays.uniqueid}
        assert numbers_without_a_hole(events)
        assert len({event.epoch for event in events}) == 1


async def test_a_half_open_connection_is_noticed_and_announced(tmp_path: Path) -> None:
    async with SimulatedPbx(SimulatorOptions(users={"bus": User(SECRET)})) as pbx:
        with CuttableProxy(pbx.port) as proxy:
            connector = TcpConnector("127.0.0.1", proxy.port)
            async with open_office(
                pbx, tmp_path, connector=connector, ping_interval_secs=0.3, pong_timeout_secs=0.5
            ) as office:
                await office.up()
                proxy.freeze()
                await office.until(lambda: office.count("PbxDown") >= 1)
                proxy.resume()
                await office.until_up_again(2)
                assert ("gap", "half_open") in await office.controls()


async def test_a_refused_login_is_never_up_and_tried_at_most_once_a_minute(tmp_path: Path) -> None:
    async with (
        SimulatedPbx(SimulatorOptions(users={"bus": User("another-fake")})) as pbx,
        open_office(pbx, tmp_path) as office,
    ):
        await office.until(lambda: office.count("PbxLoginRefused") >= 4)
        refusals = [report for report in office.reports if isinstance(report, PbxLoginRefused)]
        assert all(report.retry_secs >= 60.0 for report in refusals)
        assert all(wait >= 60.0 for wait in office.clock.waits)
        assert SECRET not in str(office.reports)
        assert office.count("PbxUp") == 0
        assert office.journal.next_pos == 1


async def test_a_pbx_that_comes_back_after_refusals_is_served(tmp_path: Path) -> None:
    async with SimulatedPbx(SimulatorOptions(users={"bus": User(SECRET)})) as pbx:
        pbx.refuse_logins()
        async with open_office(pbx, tmp_path) as office:
            await office.until(lambda: office.count("PbxLoginRefused") >= 2)
            pbx.refuse_logins(False)
            await office.up()
            assert await office.controls() == [("up", "")]


async def test_a_reader_without_rights_for_the_lists_declares_no_call_ended(tmp_path: Path) -> None:
    reader = User(SECRET, write=frozenset({"call"}))
    async with (
        SimulatedPbx(SimulatorOptions(users={"bus": reader})) as pbx,
        open_office(pbx, tmp_path) as office,
    ):
        await office.up()
        channel = office.call("201")
        await office.until(lambda: len(office.collector.recorder.live) == 1)
        await pbx.kick()
        pbx.state.end_channel(channel)
        await office.until_up_again(2)
        assert not [event for event in await office.events() if event.synthetic]
        assert office.count("ResyncIncomplete") >= 1


async def test_an_over_long_packet_is_a_gap_and_the_live_state_is_read_again(tmp_path: Path) -> None:
    async with SimulatedPbx(SimulatorOptions(users={"bus": User(SECRET)})) as pbx:
        limits = Limits(max_packet_bytes=4096)
        async with open_office(pbx, tmp_path, limits=limits) as office:
            await office.up()
            pbx.emit("UserEvent", "user,all", [("UserEvent", "big"), ("Body", "x" * 10_000)])
            pbx.emit("UserEvent", "user,all", [("UserEvent", "after")])
            await office.until(lambda: office.count("GapAnnounced") == 1)
            events = await office.events()
            gap = next(event for event in events if event.event == "control.gap")
            assert gap.control is not None
            assert (gap.control["cause"], gap.control["count"]) == ("malformed", 1)
            assert [event.fields["UserEvent"] for event in events if event.event == "UserEvent"] == ["after"]


async def test_a_packet_that_a_value_split_loses_nothing_and_claims_no_gap(tmp_path: Path) -> None:
    async with (
        SimulatedPbx(SimulatorOptions(users={"bus": User(SECRET)})) as pbx,
        open_office(pbx, tmp_path) as office,
    ):
        await office.up()
        pbx.send_bytes(
            b"Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: x\r\nNote: a\r\n\r\nEvent: Hangup\r\n"
            b"Uniqueid: 1.1\r\n\r\nthe rest of the note\r\n\r\n"
        )
        pbx.emit("UserEvent", "user,all", [("UserEvent", "after")])
        await office.until(lambda: office.collector.recorder.recorded >= 5 and not pbx.frozen)
        await office.until(lambda: office.count("MalformedSeen") == 1)
        events = [event for event in await office.events() if not event.snapshot][1:]
        assert [(event.event, event.suspect) for event in events] == [
            ("UserEvent", False),
            ("Hangup", True),
            ("control.malformed", True),
            ("UserEvent", False),
        ]
        assert events[2].text == "the rest of the note\r\n"
        assert office.count("GapAnnounced") == 0


@pytest.mark.parametrize("at_the_pbx", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_left_out_is_left_out_at_the_pbx_or_where_it_refuses_here_and_counted(
    version: str, at_the_pbx: bool, tmp_path: Path
) -> None:
    user = User(SECRET, write=frozenset({"system", "reporting"} if at_the_pbx else {"call"}))
    async with (
        SimulatedPbx(SimulatorOptions(version=version, users={"bus": user})) as pbx,
        open_office(pbx, tmp_path, leave_out=("VarSet",)) as office,
    ):
        await office.up()
        recorded = office.collector.recorder.recorded
        pbx.emit("VarSet", "dialplan,all", [("Variable", "X"), ("Value", "1")])
        pbx.emit("UserEvent", "user,all", [("UserEvent", "Event: VarSet")])
        await office.until(lambda: office.collector.recorder.recorded > recorded)
        names = [event.event for event in await office.events() if not event.snapshot]
        assert names == ["control.up", "UserEvent"]
        assert office.collector.recorder.left_out == (0 if at_the_pbx else 1)
        assert office.count("FilterNotSet") == (0 if at_the_pbx else 1)
        assert office.count("GapAnnounced") == 0
