"""What the PBX's answer means for a command: the state, a word, and a sentence for a person."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.ami.fields import ParsedPacket
from publisher.ami.reports import Reply as AmiReply
from publisher.commanding.call_watch import CallFacts
from publisher.commanding.outcomes import found_out, of_answer, of_call, refused
from schemas.command import Command
from schemas.reply import Reason, State

HANGUP = Command.make("Hangup", {"Channel": "SIP/200-1"}, client="crm")
STATUS = Command.make("CoreShowChannels", client="crm")
RAW = Command.make("Command", {"Command": "core show channels"}, client="crm", raw=True)


def failed(reason: str, **facts: Any) -> tuple[str, str]:
    outcome = of_call(CallFacts("a", response={"Response": "Failure", "Reason": reason}, **facts))
    assert outcome is not None
    assert outcome.state is State.FAILED
    return outcome.reason, outcome.message


@pytest.mark.parametrize(
    ("reason", "word"),
    [("1", Reason.HUNG_UP), ("3", Reason.NO_ANSWER), ("5", Reason.BUSY), ("8", Reason.CONGESTION)],
)
def test_the_pbx_s_reason_goes_before_what_the_channel_said(reason: str, word: Reason) -> None:
    assert failed(reason)[0] == failed(reason, uniqueid="a", dial_status="BUSY", cause="21")[0] == word


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"dial_status": "BUSY"}, Reason.BUSY),
        ({"dial_status": "NOANSWER"}, Reason.NO_ANSWER),
        ({"dial_status": "CONGESTION"}, Reason.CONGESTION),
        ({"dial_status": "CANCEL"}, Reason.HUNG_UP),
        ({"dial_status": "CHANUNAVAIL", "cause": "17"}, Reason.BUSY),
        ({"cause": "17"}, Reason.BUSY),
        ({"cause": "18"}, Reason.NO_ANSWER),
        ({"cause": "19"}, Reason.NO_ANSWER),
        ({"cause": "21"}, Reason.HUNG_UP),
        ({"cause": "34"}, Reason.CONGESTION),
        ({"cause": "38"}, Reason.CONGESTION),
        ({"cause": "42"}, Reason.CONGESTION),
        ({"cause": "16"}, Reason.CALL_FAILED),
        ({}, Reason.CALL_FAILED),
    ],
)
@pytest.mark.parametrize("reason", ["0", "", "2", "x"])
def test_a_reason_that_says_nothing_is_made_good_by_the_channel(
    reason: str, facts: dict[str, str], word: Reason
) -> None:
    assert failed(reason, uniqueid="a", **facts)[0] == word


def test_without_a_channel_the_phone_could_not_be_dialled() -> None:
    word, message = failed("0")
    assert word == Reason.UNREACHABLE
    assert "could not be dialled" in message


def test_a_call_without_its_response_has_no_outcome_yet() -> None:
    assert of_call(CallFacts("a", answered=True, ended=True)) is None


def test_a_success_is_one_by_its_response_alone() -> None:
    response: Any = {"Response": "Success", "Reason": "4", "Uniqueid": "a"}
    outcome = of_call(CallFacts("a", cause="17", response=response))
    assert outcome is not None
    assert (outcome.state, outcome.reason, outcome.message, outcome.fields) == (
        State.SUCCEEDED,
        "",
        "",
        response,
    )
    repeated: Any = {"Response": ["Success", "Failure"]}
    again = of_call(CallFacts("a", response=repeated))
    assert again is not None
    assert again.state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, None),
        ({"uniqueid": "a"}, None),
        ({"uniqueid": "a", "ended": True, "blind": True, "cause": "17"}, None),
        ({"uniqueid": "a", "ended": True, "cause": "17"}, State.FAILED),
        ({"uniqueid": "a", "answered": True}, State.SUCCEEDED),
        ({"uniqueid": "a", "answered": True, "ended": True, "blind": True}, State.SUCCEEDED),
    ],
)
def test_what_cannot_be_found_out_is_nothing(facts: dict[str, Any], state: State | None) -> None:
    outcome = found_out(CallFacts("a", channel="SIP/200-1", **facts))
    assert (outcome and outcome.state) == state
    if outcome is not None:
        assert outcome.message
        assert outcome.fields == {"Uniqueid": "a", "Channel": "SIP/200-1"}


@given(
    st.sampled_from(["", "0", "1", "3", "5", "8", "99"]),
    st.sampled_from(["", "BUSY", "ANSWER", "odd"]),
    st.sampled_from(["", "16", "17", "200", "odd"]),
    st.booleans(),
)
def test_every_failure_has_a_word_of_the_contract_and_a_sentence(
    reason: str, dial_status: str, cause: str, channel: bool
) -> None:
    word, message = failed(reason, dial_status=dial_status, cause=cause, uniqueid="a" if channel else "")
    assert word in set(Reason)
    assert message


# Answers to everything else.


def answer(success: bool = True, **fields: Any) -> AmiReply:
    response = ParsedPacket("Success" if success else "Error", dict(fields))
    return AmiReply("a", response, success, output=["one"])


def test_an_answer_is_the_end_with_its_headers_its_list_and_its_output() -> None:
    outcome = of_answer(HANGUP, answer(Response="Success", Message="ok"), ({"Event": "X"},), True)
    assert (outcome.state, outcome.reason) == (State.SUCCEEDED, "")
    assert outcome.fields == {"Response": "Success", "Message": "ok"}
    assert (outcome.events, outcome.output, outcome.truncated) == (({"Event": "X"},), ("one",), True)


@pytest.mark.parametrize(("message", "said"), [("No such channel", "No such channel"), ("", "an error")])
def test_an_error_is_told_in_the_pbx_s_own_words(message: str, said: str) -> None:
    reply = answer(False, Response="Error", Message=[message, "x"])
    outcome = of_answer(HANGUP, reply, (), False)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.REFUSED_BY_PBX)
    assert said in outcome.message
    assert outcome == refused(reply)
    assert refused(AmiReply("a", None, False)).message


@pytest.mark.parametrize("command", [HANGUP, RAW])
def test_no_answer_to_what_changes_something_is_unknown(command: Command) -> None:
    reply = AmiReply("a", None, False, complete=False, reason="the connection broke")
    outcome = of_answer(command, reply, (), False)
    assert (outcome.state, outcome.reason) == (State.UNKNOWN, Reason.NO_REPLY)
    assert outcome.message == "the connection broke"


def test_no_answer_to_what_only_asks_has_failed_and_keeps_what_came() -> None:
    begun = AmiReply(
        "a", ParsedPacket("Success", {"EventList": "start"}), True, complete=False, reason="late"
    )
    outcome = of_answer(STATUS, begun, ({"Event": "X"},), False)
    assert (outcome.state, outcome.reason, outcome.truncated) == (State.FAILED, Reason.NOTHING_HEARD, True)
    assert outcome.fields == {"EventList": "start"}
    assert "late" in outcome.message
    assert not of_answer(STATUS, begun, (), False).truncated
