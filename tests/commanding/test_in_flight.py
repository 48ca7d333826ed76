"""What becomes of commands under way, told by the PBX, by time, or by nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from publisher.ami.fields import ParsedPacket, parse_packet
from publisher.ami.reports import Reply as AmiReply
from publisher.command_ports import Taker
from publisher.commanding.call_watch import WATCHED, WATCHED_BY_VARIABLE
from publisher.commanding.outcomes import Outcome
from publisher.services.in_flight import Flight, InFlight
from publisher.services.settlement import Handled
from publisher.services.supervisor import CallbackFaults
from schemas.command import Command
from schemas.reply import Reason, State, Step

RINGS_MS = 30_000


class Line:
    """The way to a PBX whose state a test sets. Implements `publisher.command_ports.ActionLine`."""

    def __init__(self, ami_version: str = "9.0.0") -> None:
        self.up = True
        self.channels_known = True
        self.ami_version = ami_version
        self.channels: dict[str, tuple[str, str]] = {}

    def living(self, uniqueid: str) -> tuple[str, str] | None:
        return self.channels.get(uniqueid)

    def send(
        self,
        action: str,
        headers: Iterable[tuple[str, str]],
        action_id: str,
        taker: Taker,
        timeout_secs: float,
    ) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        raise NotImplementedError


@dataclass
class Air:
    """Flights of one PBX, and what was told of them."""

    line: Line = field(default_factory=Line)
    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)
    steps: list[tuple[str, Step, str]] = field(default_factory=list)
    faults: int = 0

    def __post_init__(self) -> None:
        def give(handled: Handled, outcome: Outcome) -> None:
            self.outcomes.append((handled.id, outcome))

        def tell(id: str, step: Step, more: str) -> None:
            self.steps.append((id, step, more))

        self.flights = InFlight(self.line, give, tell, CallbackFaults(self.count_fault))

    def count_fault(self) -> None:
        self.faults += 1

    def begin(self, action: str, id: str = "c1") -> Flight:
        command = Command.make(action, FIELDS[action], client="crm", id=id)
        handled = Handled.of(command, b"", 0.0, sent=True)
        return self.flights.begin(handled, RINGS_MS if action == "Originate" else 0, 0.0, 30.0)

    def event(self, name: str, **fields: str) -> None:
        self.flights.event(name, {"Event": name, "Privilege": "call,all", **fields})

    def until(self, *moments: float) -> None:
        for now in moments:
            self.flights.tick(now)

    @property
    def outcome(self) -> Outcome:
        ((_, outcome),) = self.outcomes
        assert not self.flights.calls
        assert not self.flights.others
        return outcome


FIELDS: dict[str, dict[str, str]] = {
    "Originate": {"Phone": "200", "Exten": "201"},
    "Setvar": {"Variable": "CRM_X", "Value": "1"},
    "QueueStatus": {},
}
BROKEN = AmiReply("c1", None, False, complete=False, reason="the link ended: lost")


def response(text: str = "Response: Success\r\nMessage: done\r\n") -> AmiReply:
    parsed = parse_packet(text.encode())
    return AmiReply("c1", parsed, "Success" in text)


def item(**headers: str) -> ParsedPacket:
    return parse_packet("".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode())


def test_a_call_ends_with_its_originate_response_in_whatever_order_the_answers_come() -> None:
    for first in ("response", "event"):
        air = Air()
        flight = air.begin("Originate")
        if first == "response":
            flight.answered(response())
        air.event("OriginateResponse", ActionID="c1", Response="Success", Uniqueid="c1", Reason="4")
        if first == "event":
            flight.answered(response())
        assert air.outcome.state is State.SUCCEEDED
        assert air.outcome.fields["Uniqueid"] == "c1"


def test_a_second_originate_response_and_one_of_somebody_elses_change_nothing() -> None:
    air = Air()
    air.begin("Originate")
    air.event("OriginateResponse", ActionID="other", Response="Failure", Reason="5")
    assert not air.outcomes
    air.event("OriginateResponse", ActionID="c1", Response="Success", Reason="4")
    air.event("OriginateResponse", ActionID="c1", Response="Failure", Reason="5")
    assert air.outcome.state is State.SUCCEEDED


def test_a_forged_originate_response_without_privilege_is_not_believed() -> None:
    air = Air()
    air.begin("Originate")
    air.flights.event("OriginateResponse", {"ActionID": "c1", "Response": "Success", "Reason": "4"})
    assert not air.outcomes


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("0", Reason.UNREACHABLE),
        ("1", Reason.HUNG_UP),
        ("3", Reason.NO_ANSWER),
        ("5", Reason.BUSY),
        ("8", Reason.CONGESTION),
    ],
)
def test_each_reason_of_asterisk_has_a_word(reason: str, expected: Reason) -> None:
    air = Air()
    air.begin("Originate")
    air.event("OriginateResponse", ActionID="c1", Response="Failure", Reason=reason)
    assert (air.outcome.state, air.outcome.reason) == (State.FAILED, expected)


def test_where_the_reason_says_nothing_the_end_of_the_dial_does() -> None:
    air = Air()
    air.begin("Originate")
    air.event("Newchannel", Uniqueid="c1", Channel="PJSIP/200-1")
    air.event("DialEnd", DestUniqueid="c1", DialStatus="BUSY")
    air.event("Hangup", Uniqueid="c1", Cause="17")
    air.event("OriginateResponse", ActionID="c1", Response="Failure", Reason="0")
    assert air.outcome.reason == Reason.BUSY


def test_steps_are_told_once_each_and_in_their_order() -> None:
    air = Air()
    flight = air.begin("Originate")
    flight.answered(response())
    air.event("Newchannel", Uniqueid="c1", Channel="PJSIP/200-1")
    air.event("Newstate", Uniqueid="c1", Channel="PJSIP/200-1", ChannelState="5")
    air.event("Newstate", Uniqueid="other", Channel="PJSIP/201-1", ChannelState="6")
    air.event("Newstate", Uniqueid="c1", Channel="PJSIP/200-1", ChannelState="6")
    air.event("Newstate", Uniqueid="c1", Channel="PJSIP/200-1", ChannelState="6")
    assert [step for _, step, _ in air.steps] == [Step.ACCEPTED, Step.DIALLING, Step.RINGING, Step.ANSWERED]
    assert air.steps[-1][2] == "PJSIP/200-1"


def test_an_old_asterisks_channel_is_known_by_its_variable() -> None:
    air = Air(Line("1.3"))
    air.begin("Originate")
    assert air.flights.watched == WATCHED_BY_VARIABLE
    air.event("VarSet", Variable="AMIBUS_COMMAND", Value="c1", Uniqueid="17.1", Channel="SIP/200-1")
    air.event("Newstate", Uniqueid="17.1", Channel="SIP/200-1", ChannelState="6")
    assert [step for _, step, _ in air.steps] == [Step.DIALLING, Step.ANSWERED]


def test_events_are_watched_only_while_a_call_is_under_way() -> None:
    air = Air()
    assert not air.flights.watched
    air.begin("Setvar", "c0")
    assert not air.flights.watched
    air.begin("Originate")
    assert air.flights.watched == WATCHED
    air.event("OriginateResponse", ActionID="c1", Response="Success", Reason="4")
    assert not air.flights.watched


def test_a_refusal_ends_a_call_at_once() -> None:
    air = Air()
    air.begin("Originate").answered(response("Response: Error\r\nMessage: Permission denied\r\n"))
    assert (air.outcome.state, air.outcome.message) == (State.FAILED, "Permission denied")


# The connection breaks.


def broken(air: Air) -> Flight:
    """A call whose connection broke at 1 and is there again at 2."""
    flight = air.begin("Originate")
    air.until(0.5)
    air.line.up = False
    flight.answered(BROKEN)
    air.until(1.0)
    air.line.up = True
    air.until(2.0)
    return flight


def test_a_call_that_is_up_after_the_connection_broke_was_answered() -> None:
    air = Air()
    air.line.channels["c1"] = ("PJSIP/200-1", "6")
    broken(air)
    assert air.outcome.state is State.SUCCEEDED
    assert air.outcome.fields == {"Uniqueid": "c1", "Channel": "PJSIP/200-1"}


def test_a_call_that_still_rings_is_waited_for() -> None:
    air = Air()
    air.line.channels["c1"] = ("PJSIP/200-1", "5")
    broken(air)
    air.until(10.0)
    assert not air.outcomes
    air.event("OriginateResponse", ActionID="c1", Response="Failure", Reason="3")
    assert (air.outcome.state, air.outcome.reason) == (State.FAILED, Reason.NO_ANSWER)


def test_a_call_that_is_gone_is_unknown_after_a_moment_for_its_response() -> None:
    air = Air()
    broken(air)
    air.until(2.5, 3.9)
    assert not air.outcomes
    air.until(4.1)
    assert (air.outcome.state, air.outcome.reason) == (State.UNKNOWN, Reason.LINK_LOST)


def test_nothing_is_concluded_from_a_list_of_channels_that_is_not_read_yet() -> None:
    air = Air()
    air.line.channels_known = False
    broken(air)
    air.until(4.0, 8.0)
    assert not air.outcomes
    air.line.channels_known = True
    air.line.channels["c1"] = ("PJSIP/200-1", "6")
    air.until(8.1)
    assert air.outcome.state is State.SUCCEEDED


def test_that_a_call_ended_says_nothing_where_its_answer_may_have_been_missed() -> None:
    air = Air()
    broken(air)
    air.event("Hangup", Uniqueid="c1", Cause="16")
    air.until(4.5)
    assert air.outcome.state is State.UNKNOWN


def test_a_call_answered_before_the_connection_broke_succeeded() -> None:
    air = Air()
    flight = air.begin("Originate")
    air.event("Newchannel", Uniqueid="c1", Channel="PJSIP/200-1")
    air.event("Newstate", Uniqueid="c1", Channel="PJSIP/200-1", ChannelState="6")
    air.until(0.5)
    air.line.up = False
    flight.answered(BROKEN)
    air.until(1.0)
    air.line.up = True
    air.until(2.0, 4.5)
    assert air.outcome.state is State.SUCCEEDED


def test_a_pbx_that_stays_away_leaves_its_calls_unknown() -> None:
    air = Air()
    flight = air.begin("Originate")
    air.until(0.5)
    air.line.up = False
    flight.answered(BROKEN)
    air.until(1.0, 41.0, 60.9)
    assert not air.outcomes
    air.until(61.1)
    assert (air.outcome.state, air.outcome.reason) == (State.UNKNOWN, Reason.LINK_LOST)


def test_a_connection_that_breaks_again_and_again_ends_no_call_too_early() -> None:
    air = Air()
    broken(air)
    for at in (3.0, 5.0, 7.0):
        air.line.up = False
        air.until(at)
        air.line.up = True
        air.until(at + 1.0, at + 1.9)
    assert not air.outcomes


# Nobody says anything.


def test_a_call_is_waited_for_as_long_as_it_may_ring_and_a_margin() -> None:
    air = Air()
    air.begin("Originate").answered(response())
    air.until(39.9)
    assert not air.outcomes
    air.until(40.1)
    assert (air.outcome.state, air.outcome.reason) == (State.UNKNOWN, Reason.NO_REPLY)


def test_a_call_without_its_response_that_was_seen_to_end_failed() -> None:
    air = Air()
    air.begin("Originate").answered(response())
    air.event("Newchannel", Uniqueid="c1", Channel="PJSIP/200-1")
    air.event("Hangup", Uniqueid="c1", Cause="17")
    air.until(40.1)
    assert (air.outcome.state, air.outcome.reason) == (State.FAILED, Reason.BUSY)


@pytest.mark.parametrize(
    ("action", "state", "reason"),
    [
        ("Setvar", State.UNKNOWN, Reason.NO_REPLY),
        ("QueueStatus", State.FAILED, Reason.NOTHING_HEARD),
    ],
)
def test_without_an_answer_a_change_is_unknown_and_a_question_failed(
    action: str, state: State, reason: Reason
) -> None:
    air = Air()
    air.begin(action).answered(BROKEN)
    assert (air.outcome.state, air.outcome.reason) == (state, reason)


def test_what_even_the_session_does_not_answer_ends_by_time() -> None:
    air = Air()
    air.begin("Setvar")
    air.until(39.9)
    assert not air.outcomes
    air.until(40.1)
    assert air.outcome.state is State.UNKNOWN


# Lists.


def test_a_list_comes_with_its_reply() -> None:
    air = Air()
    flight = air.begin("QueueStatus")
    for number in range(3):
        flight.item(item(Event="QueueMember", Name=str(number)))
    flight.answered(response())
    assert [event["Name"] for event in air.outcome.events] == ["0", "1", "2"]
    assert not air.outcome.truncated


@pytest.mark.parametrize(
    "make", [lambda: item(Event="X"), lambda: item(Event="X", Text="я" * 2_000)], ids=["many", "large"]
)
def test_a_list_without_end_is_cut_and_says_so(make: Callable[[], ParsedPacket]) -> None:
    air = Air()
    flight = air.begin("QueueStatus")
    for _ in range(2_100):
        flight.item(make())
    flight.answered(response())
    assert air.outcome.truncated
    assert len(air.outcome.events) <= 2_000
    assert sum(len(str(event)) for event in air.outcome.events) < 1 << 20


# After a crash.


def found(action: str, air: Air, left_secs: float = 20.0) -> bool:
    command = Command.make(action, FIELDS[action], client="crm", id="c1")
    handled = Handled.of(command, b"", 0.0, sent=True)
    return air.flights.find_out(handled, RINGS_MS if action == "Originate" else 0, left_secs, 0.0) is not None


def test_of_what_an_earlier_process_sent_only_calls_can_be_found_out() -> None:
    changed, asked = Air(), Air()
    assert not found("Setvar", changed)
    assert (changed.outcome.state, changed.outcome.reason) == (State.UNKNOWN, Reason.CRASHED)
    assert not found("QueueStatus", asked)
    assert (asked.outcome.state, asked.outcome.reason) == (State.FAILED, Reason.NOTHING_HEARD)


def test_a_call_is_found_out_from_the_journals_events() -> None:
    air = Air()
    assert found("Originate", air)
    air.event("Newchannel", Uniqueid="c1", Channel="PJSIP/200-1")
    air.event("OriginateResponse", ActionID="c1", Response="Success", Reason="4", Uniqueid="c1")
    assert air.outcome.state is State.SUCCEEDED


def test_a_call_that_was_answered_by_the_journal_and_lives_succeeded() -> None:
    air = Air()
    assert found("Originate", air)
    air.event("Newchannel", Uniqueid="c1", Channel="PJSIP/200-1")
    air.event("Newstate", Uniqueid="c1", Channel="PJSIP/200-1", ChannelState="6")
    air.flights.settle_found("c1")
    air.line.channels["c1"] = ("PJSIP/200-1", "6")
    air.until(0.1)
    assert air.outcome.state is State.SUCCEEDED


def test_a_call_of_which_nothing_is_known_is_unknown() -> None:
    air = Air()
    assert found("Originate", air, left_secs=-100.0)
    air.flights.settle_found("c1")
    air.until(0.1, 2.2)
    assert (air.outcome.state, air.outcome.reason) == (State.UNKNOWN, Reason.LINK_LOST)


def test_an_old_asterisks_call_without_a_trace_is_waited_for_until_its_time_is_over() -> None:
    air = Air(Line("1.3"))
    assert found("Originate", air, left_secs=5.0)
    air.until(0.1, 5.0, 14.9)
    assert not air.outcomes
    air.until(15.1)
    assert air.outcome.state is State.UNKNOWN


def test_a_fault_in_a_callback_is_kept_for_the_service_and_hurts_no_connection() -> None:
    air = Air()
    flight = air.begin("QueueStatus")
    flight.item(None)  # type: ignore[arg-type]
    assert air.faults == 1
