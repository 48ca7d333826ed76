"""A link at its worst moments: it always ends as one, and says what it did not see."""

from __future__ import annotations

import pytest

from publisher.reports import EventsNotOn, ResyncIncomplete
from publisher.services.link_end import Phase
from tests.collector.scripted import ScriptedLink

PHASES = ("logged_in", "identified", "live")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("half_a_packet", [b"", b"Event: Newch"], ids=["between packets", "inside one"])
def test_a_connection_lost_in_any_phase_ends_the_link_and_nothing_else(
    phase: str, half_a_packet: bytes
) -> None:
    scripted = ScriptedLink()
    getattr(scripted, phase)()
    scripted.link.received(half_a_packet)
    scripted.link.lost(None)
    end = scripted.link.end
    assert end is not None
    assert end.was_live == (phase == "live")
    assert scripted.link.phase is Phase.ENDED
    assert scripted.wire.aborted
    assert scripted.kinds() == (["up", "down"] if phase == "live" else [])
    assert not [said for said in scripted.reports if isinstance(said, EventsNotOn | ResyncIncomplete)]


@pytest.mark.parametrize("phase", PHASES)
def test_a_pbx_that_falls_silent_in_any_phase_ends_the_link_as_half_open(phase: str) -> None:
    scripted = ScriptedLink()
    getattr(scripted, phase)()
    scripted.link.want_resync()
    scripted.wait(20)
    end = scripted.link.end
    assert end is not None
    assert end.cause == "half_open"
    assert scripted.kinds() == ["up", "down"]


def test_a_second_loss_in_the_middle_of_a_resync_costs_no_call_its_end() -> None:
    scripted = ScriptedLink()
    scripted.live()
    scripted.say(
        "Event: Newchannel", "Privilege: call,all", "Channel: SIP/200-1", "Uniqueid: 1.1", "Linkedid: 1.1"
    )
    scripted.link.lost(None)
    scripted.connect("link_lost")
    scripted.live()
    scripted.link.lost(None)
    scripted.connect("link_lost")
    channels = scripted.live()
    scripted.answer(channels, "EventList: start")
    scripted.say("Event: CoreShowChannelsComplete", f"ActionID: {channels}", "EventList: Complete")
    queues = scripted.asked()["QueueStatus"]
    scripted.answer(queues)
    scripted.say("Event: QueueStatusComplete", f"ActionID: {queues}")
    ends = [record for record in scripted.journal.records if record.raw.startswith(b"Event: Hangup")]
    assert len(ends) == 1
    assert scripted.kinds() == ["up", "down", "up", "gap", "down", "up", "gap"]


def test_a_peer_that_disqualified_itself_before_the_stream_came_is_hung_up_on() -> None:
    scripted = ScriptedLink()
    scripted.connect("", attach=False)
    scripted.link.received(b"220 mail ready\r\n\r\n250 and more\r\n\r\n" + bytes(400) + b"\r\n\r\n")
    assert scripted.link.end is not None
    scripted.link.attach(scripted.wire)
    assert scripted.wire.aborted


def test_a_pbx_too_busy_to_name_its_run_in_time_still_gets_its_epoch() -> None:
    scripted = ScriptedLink()
    scripted.live("2026-11-23")
    scripted.link.lost(None)
    scripted.connect("link_lost")
    asked = scripted.logged_in()
    scripted.wait(5)
    assert scripted.link.phase is Phase.LIVE
    before = scripted.journal.epoch
    scripted.answer(asked, "CoreStartupDate: 2026-11-24", "CoreStartupTime: 10:00:00")
    assert scripted.journal.epoch > before
    assert [kind for kind, epoch in scripted.controls() if epoch > before] == ["up"]
    assert scripted.kinds().count("gap") == 1
    scripted.link.lost(None)
    scripted.connect("link_lost")
    now = scripted.journal.epoch
    scripted.live("2026-11-24")
    assert scripted.journal.epoch == now


def test_the_run_named_late_for_the_first_time_is_remembered_and_no_restart() -> None:
    scripted = ScriptedLink()
    asked = scripted.logged_in()
    scripted.wait(5)
    epoch = scripted.journal.epoch
    scripted.answer(asked, "CoreStartupDate: 2026-11-23", "CoreStartupTime: 10:00:00")
    assert scripted.journal.epoch == epoch
    scripted.link.lost(None)
    scripted.connect("link_lost")
    scripted.live("2026-11-24")
    assert scripted.journal.epoch > epoch


def test_a_forged_fullybooted_harms_nobody() -> None:
    scripted = ScriptedLink()
    scripted.logged_in()
    scripted.wait(5)
    for uptime in ("²", "9" * 5000, "9" * 40):
        scripted.say("Event: FullyBooted", f"Uptime: {uptime}")
    assert scripted.link.phase is Phase.LIVE


def test_a_start_time_in_no_encoding_names_the_same_run_after_a_restart_of_the_collector() -> None:
    scripted = ScriptedLink()
    for connection in range(3):
        answer = f"Response: Success\r\nActionID: {scripted.logged_in()}\r\nCoreStartupDate: "
        scripted.link.received(answer.encode() + b"\xff\r\nCoreStartupTime: 10:00:00\r\n\r\n")
        scripted.answer(scripted.asked()["Events"])
        assert scripted.link.phase is Phase.LIVE, connection
        scripted.link.lost(None)
        scripted.connect("link_lost")
    assert len({epoch for _, epoch in scripted.controls()}) == 1
