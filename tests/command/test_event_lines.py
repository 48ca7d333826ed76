"""How a person sees an event."""

from __future__ import annotations

from publisher.command.event_lines import line_of
from publisher.decoding import EventDecoder, PbxNaming
from publisher.records import EVENT, Record
from schemas import decode


def test_a_callers_name_cannot_break_the_line_or_steer_the_terminal() -> None:
    raw = b"Event: Newchannel\r\nPrivilege: call,all\r\nCallerIDName: Eve\n\x1b[2Jgone\r\nUniqueid: 1.1\r\n"
    record = Record(1, 1_790_000_000_000, 1, 1_790_000_000_000_000, EVENT, 0, "1.1", raw)
    message = EventDecoder(PbxNaming("main")).message(record)
    line = line_of(decode(message.content_type, message.body))
    assert "CallerIDName=Eve [2Jgone" in line
    assert line.isprintable()
