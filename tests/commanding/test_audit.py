"""Lines of the audit: one JSON object each, whatever stands in it, and numbers cut to their last digits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.commanding.audit import Audit
from publisher.commanding.outcomes import Outcome
from schemas.command import Command
from schemas.reply import FINAL, Reason, State
from tests.schemas.action_examples import bodies

NOW_US = 1_795_424_093_850_601
NUMBER = "+74951234567"
CALL = Command.make(
    "Originate",
    {
        "Phone": "200",
        "Exten": NUMBER,
        "CallerID": f"Анна <{NUMBER}>",
        "Timeout": 30_000,
        "Variable": {"PHONE": NUMBER, "NOTE": f"tel:{NUMBER}, Local/{NUMBER}@x"},
    },
    client="crm",
    id="c-74951234567",
)
anything = st.text(st.characters())


def parsed(line: bytes) -> dict[str, Any]:
    """The line as a reader takes it that knows of any kind of line end."""
    (one,) = line.decode().splitlines()
    found: dict[str, Any] = json.loads(one)
    assert not [sign for sign in one if ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0]
    return found


def test_a_line_says_what_is_sent_for_whom() -> None:
    assert parsed(Audit("main", mask=False).sent(CALL, NOW_US)) == {
        "time": "2026-11-23T08:54:53.850601Z",
        "pbx": "main",
        "id": "c-74951234567",
        "client": "crm",
        "action": "Originate",
        "state": "sending",
        "fields": CALL.fields,
    }


def test_numbers_are_cut_to_their_last_four_digits_in_every_text_but_the_id() -> None:
    line = parsed(Audit("main").sent(CALL, NOW_US))
    assert line["id"] == "c-74951234567"
    assert line["time"] == "2026-11-23T08:54:53.850601Z"
    assert line["fields"] == {
        "Phone": "200",
        "Exten": "***4567",
        "CallerID": '"Анна" <***4567>',
        "Timeout": 30_000,
        "Variable": {"PHONE": "***4567", "NOTE": "tel:***4567, Local/***4567@x"},
    }
    raw = Command.make("DBPut", {"Val": [NUMBER, "x"]}, client="crm", raw=True)
    assert parsed(Audit("main").sent(raw, NOW_US))["fields"] == {"Val": ["***4567", "x"]}


@pytest.mark.parametrize(
    "number",
    ["rec_89161234567.wav", "89161234567_200.wav", "n89161234567", "8 (916) 123-45-67", "8-916-1234567"],
)
def test_no_number_stands_whole_in_a_line_however_it_is_written(number: str) -> None:
    command = Command.make("DBPut", {"Key": number, "Val": ["x", number]}, client="crm", raw=True)
    outcome = Outcome(state=State.FAILED, message=f"no {number} here")
    done = Audit("main").ended("c-1", number, number, outcome, NOW_US, 5, command)
    for line in (Audit("main").sent(command, NOW_US), done):
        entry = parsed(line)
        del entry["time"], entry["id"]
        assert "9161" not in json.dumps(entry)
        assert "916) 123" not in json.dumps(entry)
        assert "916-123" not in json.dumps(entry)


def test_fields_whose_names_are_numbers_are_cut_and_none_is_lost() -> None:
    variables = {"T_89161234567": "1", "T_84951234567": "2", "T": "3"}
    command = Command.make("Originate", {**CALL.fields, "Variable": variables}, client="crm")
    assert parsed(Audit("main").sent(command, NOW_US))["fields"]["Variable"] == {
        "T_***4567": "1",
        "T_***4567'": "2",
        "T": "3",
    }


def test_which_phone_a_channel_belongs_to_can_be_read() -> None:
    command = Command.make("Hangup", {"Channel": "PJSIP/200-0000001a"}, client="crm")
    assert parsed(Audit("main-10203").sent(command, NOW_US)) == {
        "time": "2026-11-23T08:54:53.850601Z",
        "pbx": "main-10203",
        "id": command.id,
        "client": "crm",
        "action": "Hangup",
        "state": "sending",
        "fields": {"Channel": "PJSIP/200-***0001a"},
    }


def test_the_end_of_a_command_is_told_with_its_reason_and_its_fields_only_where_it_was_not_sent() -> None:
    outcome = Outcome(state=State.FAILED, reason=Reason.BUSY, message=f"{NUMBER} was busy")
    line = parsed(Audit("main").ended("c-1", "crm", "Originate", outcome, NOW_US, 1234, None))
    assert line == {
        "time": "2026-11-23T08:54:53.850601Z",
        "pbx": "main",
        "id": "c-1",
        "client": "crm",
        "action": "Originate",
        "state": "failed",
        "reason": "busy",
        "message": "***4567 was busy",
        "took_ms": 1234,
    }
    done = Outcome(state=State.SUCCEEDED)
    short = parsed(Audit("main").ended("c-1", "crm", "Originate", done, NOW_US, 0, CALL))
    assert {"reason", "message"}.isdisjoint(short)
    assert short["fields"]["Exten"] == "***4567"
    assert (
        parsed(Audit("main", mask=False).ended("c", "", "", done, NOW_US, 0, CALL))["fields"] == CALL.fields
    )


@given(bodies(), st.booleans())
def test_any_command_makes_one_line_that_parses(body: dict[str, Any], mask: bool) -> None:
    command = Command.from_map(body)
    line = parsed(Audit("main", mask).sent(command, NOW_US))
    assert (line["id"], line["state"]) == (command.id, "sending")
    if not mask:
        assert line["fields"] == command.fields


@given(anything, anything, anything, anything, st.sampled_from(sorted(FINAL)), st.booleans())
def test_whatever_anybody_wrote_into_the_queue_makes_one_line_that_parses(
    id: str, client: str, action: str, message: str, state: State, mask: bool
) -> None:
    """Of a command that cannot be read these stand in the line as they were found."""
    outcome = Outcome(state=state, reason=message[:5], message=message)
    line = parsed(Audit("main", mask).ended(id, client, action, outcome, NOW_US, 5, None))
    assert (line["state"], line["took_ms"]) == (state, 5)
    if not mask and client.isascii():
        assert line["client"] == client[:100]


def test_a_terminal_that_shows_the_audit_is_not_commanded_by_it() -> None:
    for sign in ("\x1b[2J", "\x9b2J", "\x85", "\u2028", "\u2029", "\x7f", "\r\n", "\0"):
        line = Audit("main", mask=False).ended(sign, sign, sign, Outcome(state=State.FAILED), NOW_US, 5, None)
        assert sign[0] not in line.decode()
        assert parsed(line)["client"] == sign


def test_a_line_is_short_whatever_anybody_wrote_into_the_queue() -> None:
    long = "x" * 1_000_000
    outcome = Outcome(state=State.REJECTED, reason=Reason.INVALID, message=long)
    assert len(Audit("main").ended(long, long, long, outcome, NOW_US, 5, None)) < 2000
