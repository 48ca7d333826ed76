from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.ami.actions import MAX_LINE_BYTES
from publisher.ami.errors import ActionRefused, SessionNotReady, TooManyRequests
from publisher.ami.framing import EVENT, Limits, Packet
from publisher.ami.session import (
    AmiSession,
    CloseCause,
    Closed,
    FilterRefused,
    Greeted,
    LoggedIn,
    LoginRefused,
    MalformedPacket,
    Reply,
    UnsolicitedResponse,
)
from publisher.ami.settings import MAX_FILTERS
from tests.ami.peer import SECRET, event, field, greet, log_in, logged_in, packet, sent, settings


def closed_with(reports: Sequence[object]) -> CloseCause:
    report = reports[-1]
    assert isinstance(report, Closed)
    return report.cause


def test_the_login_answers_the_challenge_and_never_sends_the_secret() -> None:
    session = AmiSession(settings(), now=0.0)
    assert not session.data_to_send()
    assert greet(session) == [Greeted("Asterisk Call Manager/9.0.0", "9.0.0")]
    (challenge,) = sent(session)
    assert challenge.fields == {"Action": "Challenge", "ActionID": "t-2", "AuthType": "MD5"}
    session.receive_data(packet("Response: Success", "ActionID: t-2", "Challenge: 1"), 0.0)
    login = session.data_to_send()
    assert SECRET.encode() not in login
    assert b"Key: " in login
    assert not session.logged_in
    done = session.receive_data(packet("Response: Success", "ActionID: t-2", "Message: ok"), 0.0)
    assert done == [LoggedIn()]
    assert session.logged_in
    assert session.encoding == settings().encoding


def test_a_plain_login_sends_name_and_secret_with_events_off() -> None:
    session = AmiSession(settings(auth="plain"), now=0.0)
    greet(session)
    (login,) = sent(session)
    assert login.fields == {
        "Action": "Login", "ActionID": "t-2", "Username": "bus", "Secret": SECRET, "Events": "off"
    }  # fmt: skip


def test_the_secret_is_in_no_repr() -> None:
    assert SECRET not in repr(settings())
    assert SECRET not in repr(vars(AmiSession(settings(), now=0.0)))


def test_each_session_makes_its_own_unguessable_action_ids() -> None:
    ids = set()
    for _ in range(2):
        session = AmiSession(settings(action_id_prefix=""), now=0.0)
        greet(session)
        ids.add(field(sent(session)[0], "ActionID"))
    assert len(ids) == 2
    assert all(len(action_id) >= 16 for action_id in ids)


@pytest.mark.parametrize("step", ["challenge", "login"])
def test_a_refused_login_is_reported_with_the_pbx_s_words_and_closes(step: str) -> None:
    session = AmiSession(settings(auth="md5" if step == "challenge" else "plain"), now=0.0)
    greet(session)
    session.data_to_send()
    refusal = packet("Response: Error", "ActionID: t-2", "Message: Authentication failed")
    reports = session.receive_data(refusal + event("Hangup"), 0.0)
    assert reports[0] == LoginRefused("Authentication failed")
    assert closed_with(reports) is CloseCause.LOGIN_REFUSED
    assert len(reports) == 2
    assert session.next_deadline == math.inf


def test_a_response_to_somebody_else_does_not_end_the_login() -> None:
    session = AmiSession(settings(), now=0.0)
    greet(session)
    (report,) = session.receive_data(packet("Response: Error", "Message: Missing action in request"), 0.0)
    assert isinstance(report, UnsolicitedResponse)
    assert session.closed is None


@pytest.mark.parametrize("greeted", [False, True])
def test_a_login_that_takes_too_long_closes(greeted: bool) -> None:
    session = AmiSession(settings(greeting_timeout_secs=4.0, login_timeout_secs=6.0), now=100.0)
    assert session.next_deadline == 104.0
    if greeted:
        greet(session, 101.0)
        assert session.next_deadline == 107.0
    assert session.tick(session.next_deadline - 0.1) == []
    reports = session.tick(session.next_deadline)
    assert closed_with(reports) is CloseCause.LOGIN_TIMEOUT
    assert ("greet" in str(reports[0])) != greeted


@pytest.mark.parametrize("first", [b"SSH-2.0-OpenSSH\r\n\r\n", b"Event: X\r\nPrivilege: a,all\r\n\r\n"])
def test_a_port_that_does_not_greet_like_a_manager_port_is_left(first: bytes) -> None:
    session = AmiSession(settings(), now=0.0)
    reports = session.receive_data(first, 0.0)
    assert isinstance(reports[0], MalformedPacket)
    assert closed_with(reports) is CloseCause.NOT_AMI
    assert session.data_to_send() == b""


def test_filters_are_set_before_anything_else_and_a_refused_one_is_only_reported() -> None:
    filters = ("!Event: VarSet", "eventfilter(action(exclude),name(RTCPSent)) = x", "[bad")
    session = AmiSession(settings(filters=filters), now=0.0)
    log_in(session)
    actions = sent(session)
    assert [action.fields.get("Filter") for action in actions] == ["!Event: VarSet", "x", "[bad"]
    assert actions[1].fields["MatchCriteria"] == "action(exclude),name(RTCPSent)"
    ids = [field(action, "ActionID") for action in actions]
    reports = session.receive_data(
        packet("Response: Success", f"ActionID: {ids[0]}", "Message: Success")
        + packet("Response: Success", f"ActionID: {ids[1]}", "Message: Success")
        + packet("Response: Error", f"ActionID: {ids[2]}", "Message: Filter did not compile."),
        0.0,
    )
    assert reports == [FilterRefused("[bad", "Filter did not compile.")]


def test_a_filter_that_gets_no_answer_counts_as_refused_unless_the_session_ends() -> None:
    session = logged_in(filters=("x",), request_timeout_secs=2.0)
    assert session.tick(2.0) == [FilterRefused("x", "no answer came within 2 s")]
    session = logged_in(filters=("x",))
    assert [type(report) for report in session.receive_eof(1.0)] == [Closed]


@pytest.mark.parametrize(
    ("mask", "answer", "success"),
    [
        ("on", ["Response: Success", "Events: On"], True),
        ("call,agent", ["Response: Success", "Events: Off"], False),
        ("off", ["Response: Success", "Events: Off"], True),
        ("on", ["Response: Error", "Message: Invalid event mask"], False),
    ],
)
def test_turning_events_on_tells_whether_they_will_come(mask: str, answer: list[str], success: bool) -> None:
    session = logged_in(event_mask=mask)
    action_id = session.turn_on_events(0.0)
    assert sent(session)[0].fields == {"Action": "Events", "ActionID": action_id, "EventMask": mask}
    (reply,) = session.receive_data(packet(answer[0], f"ActionID: {action_id}", *answer[1:]), 0.0)
    assert isinstance(reply, Reply)
    assert reply.success == success
    assert reply.complete


def test_turning_events_on_without_an_answer_is_no_success() -> None:
    session = logged_in(request_timeout_secs=1.0)
    action_id = session.turn_on_events(0.0)
    (reply,) = session.tick(1.0)
    assert reply == Reply(action_id, None, False, complete=False, reason="no answer came within 1 s")


def test_events_pass_as_the_bytes_they_are_and_in_order_with_everything_else() -> None:
    session = logged_in()
    session.turn_on_events(0.0)
    session.receive_data(packet("Response: Success", "ActionID: t-3", "Events: On"), 0.0)
    first, second = event("Hangup", "Channel: SIP/1"), packet("Event: Fake", "Exten: 200")
    reports = session.receive_data(
        first + packet("Response: Error", "Message: Missing action") + second + packet("tail") + first, 0.0
    )
    assert reports[0] == Packet(EVENT, first[:-2])
    assert isinstance(reports[1], UnsolicitedResponse)
    assert reports[2] == Packet(EVENT, second[:-2])
    assert isinstance(reports[3], MalformedPacket)
    assert reports[4] == Packet(EVENT, first[:-2])


@pytest.mark.parametrize("waiting", [False, True])
def test_fully_booted_and_shutdown_are_passed_on_and_noted(waiting: bool) -> None:
    session = logged_in()
    if waiting:
        session.request("CoreStatus", now=0.0)
    booted = event("FullyBooted", "Uptime: 7")
    assert session.receive_data(event("FullyBootedTwice") + booted, 0.0)[-1] == Packet(EVENT, booted[:-2])
    assert session.fully_booted == Packet(EVENT, booted[:-2])
    session.receive_data(event("Shutdown", "Shutdown: Cleanly"), 0.0)
    assert closed_with(session.receive_eof(0.0)) is CloseCause.SHUTDOWN


def test_a_pong_is_swallowed_and_an_answered_session_lives_on() -> None:
    session = logged_in(now=50.0)
    for now in (53.0, 56.0, 59.0):
        assert session.next_deadline == now
        assert session.tick(now) == []
        (ping,) = sent(session)
        assert ping.name == ""
        assert ping.fields == {"Action": "Ping", "ActionID": "t-1"}
        assert session.receive_data(packet("Response: Success", "ActionID: t-1", "Ping: Pong"), now) == []


def test_a_half_open_connection_is_noticed_within_ten_seconds_and_ends_every_request() -> None:
    session = logged_in(now=0.0, filters=("x",))
    action_id = session.request("CoreShowChannels", now=0.0, timeout_secs=60.0)
    now = 0.0
    reports: list[object] = []
    while session.closed is None:
        now = session.next_deadline
        reports += session.tick(now)
    assert now < 10.0
    reply, closed = reports
    assert isinstance(reply, Reply)
    assert (reply.action_id, reply.complete, reply.success) == (action_id, False, False)
    assert isinstance(closed, Closed)
    assert closed.cause is CloseCause.HALF_OPEN
    assert session.data_to_send() == b""


def test_a_closed_session_reports_nothing_and_takes_nothing() -> None:
    session = logged_in()
    assert closed_with(session.receive_eof(0.0)) is CloseCause.LOST
    assert session.receive_data(event("Hangup"), 1.0) == []
    assert session.tick(100.0) == []
    assert session.receive_eof(100.0) == []
    assert session.next_deadline == math.inf
    with pytest.raises(SessionNotReady, match="Ping cannot be sent"):
        session.request("Ping", now=1.0)


def test_a_connection_that_ends_inside_a_packet_was_cut_off() -> None:
    session = logged_in()
    session.receive_data(b"Event: Hang", 0.0)
    reports = session.receive_eof(0.0)
    assert isinstance(reports[0], MalformedPacket)
    assert closed_with(reports) is CloseCause.TRUNCATED


def test_a_connection_that_ends_before_the_login_says_so() -> None:
    session = AmiSession(settings(), now=0.0)
    (closed,) = session.receive_eof(0.0)
    assert closed == Closed(CloseCause.LOST, "the PBX ended the connection before the login was answered")


def test_a_logoff_is_answered_and_ends_with_goodbye() -> None:
    session = logged_in()
    action_id = session.request("Logoff", now=0.0)
    (reply,) = session.receive_data(
        packet("Response: Goodbye", f"ActionID: {action_id}", "Message: Thanks"), 0.0
    )
    assert isinstance(reply, Reply)
    assert reply.success
    assert closed_with(session.receive_eof(0.0)) is CloseCause.GOODBYE


def test_requests_need_a_login_a_free_place_and_room_to_send() -> None:
    with pytest.raises(SessionNotReady):
        AmiSession(settings(), now=0.0).request("Ping", now=0.0)
    session = logged_in(max_requests=2 * MAX_FILTERS)
    for _ in range(2 * MAX_FILTERS):
        session.request("Ping", now=0.0)
    before = session.data_to_send()
    with pytest.raises(TooManyRequests, match="128 requests wait"):
        session.request("Ping", now=0.0)
    assert before
    assert session.data_to_send() == b""
    session = logged_in(max_unsent_bytes=4 * MAX_FILTERS * MAX_LINE_BYTES)
    big = [("Variable", "x" * 1000)] * 120
    session.request("Originate", big, now=0.0)
    session.request("Originate", big, now=0.0)
    with pytest.raises(TooManyRequests, match="bytes wait to be sent"):
        session.request("Originate", big, now=0.0)


def test_an_action_id_of_the_caller_s_is_used_and_is_refused_while_in_use() -> None:
    session = logged_in()
    assert session.request("Ping", now=0.0, action_id="cmd-7") == "cmd-7"
    with pytest.raises(ActionRefused, match="cmd-7 is in use"):
        session.request("Ping", now=0.0, action_id="cmd-7")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"auth": "sha1"}, "auth must be"),
        ({"event_mask": "Call; drop"}, "the event mask must be"),
        ({"username": "a\r\nb"}, "header Username holds a control character"),
        ({"secret": "a\nb"}, "header Secret holds a control character"),
        ({"filters": ("a\nb",)}, "header Filter holds a control character"),
        ({"filters": ("a",) * 65}, "65 filters are set and 64 are allowed"),
        ({"max_requests": 10}, "must allow at least 128 requests and 262144 unsent bytes"),
    ],
)
def test_settings_that_could_not_be_sent_are_refused_at_once(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ActionRefused, match=reason):
        settings(**changes)


PIECES = st.sampled_from(
    [
        b"Asterisk Call Manager/1.3\r\n", b"Response: Success\r\nActionID: t-2\r\nChallenge: 1\r\n\r\n",
        b"Response: Error\r\nActionID: t-3\r\n\r\n", b"Event: A\r\nPrivilege: call,all\r\n\r\n",
        b"Event: B\r\nActionID: t-3\r\n\r\n", b"Event: StatusComplete\r\nActionID: t-3\r\n\r\n",
        b"Response: Success\r\nActionID: t-3\r\nEventList: start\r\n\r\n", b"Response: Follows\r\n",
        b"ActionID: t-3\r\nEvent: C\r\n\r\n", b"\r\n\r\n", b"x" * 300,
        b"Response: Goodbye\r\n\r\n", b"Event: Shutdown\r\n\r\n", b"Event: FullyBooted\r\n\r\n",
    ]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=20), max_size=40), st.booleans())
def test_no_bytes_raise_and_each_request_gets_exactly_one_reply(pieces: list[bytes], ask: bool) -> None:
    session = AmiSession(settings(limits=Limits(1024, 20, 128)), now=0.0)
    now, asked, reports = 0.0, 0, []
    for piece in pieces:
        now += 0.5
        reports += session.receive_data(piece, now)
        if ask and session.logged_in and not asked:
            session.request("Status", now=now)
            asked = 1
        reports += session.tick(now)
        assert len(session.data_to_send()) < 4096
    reports += session.receive_eof(now)
    assert sum(isinstance(report, Reply) for report in reports) == asked
    assert sum(isinstance(report, Closed) for report in reports) == 1
    assert isinstance(reports[-1], Closed)


def test_a_port_that_says_something_else_and_hangs_up_is_no_manager_port() -> None:
    session = AmiSession(settings(), now=0.0)
    assert session.receive_data(b"SSH-2.0-OpenSSH_9.2\r\n", 0.1) == []
    reports = session.receive_eof(0.2)
    assert [type(report) for report in reports] == [MalformedPacket, Closed]
    assert session.closed == Closed(CloseCause.NOT_AMI, "the port does not greet like a manager port")
