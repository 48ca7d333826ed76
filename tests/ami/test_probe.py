"""A probe: a ping whose answer proves that all that was said before has come."""

from __future__ import annotations

import math

from publisher.ami.session import AmiSession, UnsolicitedResponse
from tests.ami.peer import event, field, logged_in, packet, sent, settings


def pong(action_id: str) -> bytes:
    return packet("Response: Success", f"ActionID: {action_id}", "Ping: Pong")


def test_the_answer_to_a_probe_dates_back_to_when_it_was_sent() -> None:
    session = logged_in()
    assert session.probed_at == -math.inf
    assert session.probe(5.0)
    [ping] = sent(session)
    assert field(ping, "Action") == "Ping"
    reports = session.receive_data(event("Hangup") + pong(field(ping, "ActionID")) + event("Hangup"), 7.0)
    assert len(reports) == 2
    assert session.probed_at == 5.0


def test_one_probe_is_under_way_at_a_time() -> None:
    session = logged_in()
    assert session.probe(5.0)
    assert not session.probe(6.0)
    [ping] = sent(session)
    assert session.probed_at == -math.inf
    session.receive_data(pong(field(ping, "ActionID")), 8.0)
    assert session.probe(9.0)
    assert session.probed_at == 5.0


def test_only_its_own_answer_proves_anything() -> None:
    session = logged_in()
    session.probe(5.0)
    [ping] = sent(session)
    [report] = session.receive_data(pong("t-another"), 6.0)
    assert isinstance(report, UnsolicitedResponse)
    assert session.probed_at == -math.inf
    session.receive_data(pong(field(ping, "ActionID")), 6.0)
    [again] = session.receive_data(pong(field(ping, "ActionID")), 7.0)
    assert isinstance(again, UnsolicitedResponse)


def test_before_the_login_and_after_the_end_nothing_is_asked() -> None:
    session = AmiSession(settings(), 0.0)
    assert not session.probe(1.0)
    assert session.data_to_send() == b""
    session = logged_in()
    session.receive_eof(1.0)
    assert not session.probe(2.0)
    assert session.data_to_send() == b""
