from __future__ import annotations

import pytest

from publisher.ami.framing import EVENT, Packet
from publisher.ami.requests import MAX_RETIRED
from publisher.ami.session import ListItem, MalformedPacket, Reply, UnsolicitedResponse
from tests.ami.peer import event, logged_in, packet


def item(name: str, action_id: str, *lines: str) -> bytes:
    return packet(f"Event: {name}", f"ActionID: {action_id}", *lines)


def response(action_id: str, *lines: str) -> bytes:
    return packet("Response: Success", f"ActionID: {action_id}", *lines)


def test_a_plain_answer_is_one_reply_and_events_around_it_keep_their_places() -> None:
    session = logged_in()
    session.request("CoreSettings", now=0.0, action_id="cs")
    before, reply, after = session.receive_data(
        event("A") + response("cs", "AMIversion: 9.0.0") + event("B"), 0.0
    )
    assert isinstance(reply, Reply)
    assert reply.success
    assert reply.complete
    assert reply.response is not None
    assert reply.response.fields["AMIversion"] == "9.0.0"
    assert [before, after] == [Packet(EVENT, event("A")[:-2]), Packet(EVENT, event("B")[:-2])]


def test_an_error_ends_a_request_whatever_list_was_asked_for() -> None:
    session = logged_in()
    session.request("QueueStatus", now=0.0, action_id="q")
    (reply,) = session.receive_data(
        packet("Response: Error", "ActionID: q", "Message: Permission denied"), 0.0
    )
    assert isinstance(reply, Reply)
    assert (reply.success, reply.complete) == (False, True)


def test_the_items_of_a_list_come_in_stream_order_among_the_events() -> None:
    session = logged_in()
    session.request("CoreShowChannels", now=0.0, action_id="c")
    end = item("CoreShowChannelsComplete", "c", "EventList: Complete", "ListItems: 2")
    reports = session.receive_data(
        response("c", "EventList: start")
        + item("CoreShowChannel", "c", "Channel: 1")
        + event("Hangup")
        + item("CoreShowChannel", "c", "Channel: 2")
        + end,
        0.0,
    )
    first, hangup, second, reply = reports
    assert first == ListItem("c", Packet(EVENT, item("CoreShowChannel", "c", "Channel: 1")[:-2]))
    assert hangup == Packet(EVENT, event("Hangup")[:-2])
    assert isinstance(second, ListItem)
    assert isinstance(reply, Reply)
    assert (reply.items, reply.complete, reply.end) == (2, True, Packet(EVENT, end[:-2]))


def test_lists_of_old_servers_end_at_their_known_event() -> None:
    session = logged_in()
    session.request("QueueStatus", now=0.0, action_id="q")
    reports = session.receive_data(
        response("q", "Message: Queue status will follow")
        + packet("Event: QueueParams", "Queue: support", "ActionID: q")
        + packet("Event: QueueStatusComplete", "ActionID: q"),
        0.0,
    )
    assert [type(report) for report in reports] == [ListItem, Reply]


def test_the_caller_names_the_end_and_the_items_of_a_list_that_is_not_marked() -> None:
    session = logged_in()
    session.request("Vendor", now=0.0, action_id="v", list_end="VendorDone", item_event="VendorEntry")
    reports = session.receive_data(
        packet("Event: VendorEntry", "Early: 1")
        + response("v", "Message: follows")
        + packet("Event: VendorEntry", "N: 1")
        + packet("Event: Forged", "N: 1")
        + item("NotYetComplete", "v")
        + item("VendorDone", "v"),
        0.0,
    )
    assert [type(report) for report in reports] == [Packet, ListItem, Packet, ListItem, Reply]


def test_status_items_have_a_privilege_of_their_own_kind_and_still_belong_to_the_list() -> None:
    session = logged_in()
    session.request("Status", now=0.0, action_id="st")
    status = packet("Event: Status", "Privilege: Call", "Channel: SIP/210", "ActionID: st")
    reports = session.receive_data(
        response("st") + status + packet("Event: StatusComplete", "ActionID: st", "Items: 1"), 0.0
    )
    assert reports[0] == ListItem("st", Packet(EVENT, status[:-2]))
    assert isinstance(reports[1], Reply)


def test_an_event_of_its_own_accord_stays_in_the_stream_even_with_our_action_id() -> None:
    session = logged_in()
    session.request("Originate", now=0.0, action_id="or")
    answer = event("OriginateResponse", "ActionID: or", "Response: Success")
    reports = session.receive_data(answer + response("or", "Message: queued"), 0.0)
    assert reports[0] == Packet(EVENT, answer[:-2])
    assert isinstance(reports[1], Reply)


def test_items_that_begin_with_their_action_id_are_items_and_elsewhere_malformed() -> None:
    session = logged_in()
    session.request("VoicemailUsersList", now=0.0, action_id="vu")
    entry = packet("ActionID: vu", "Event: VoicemailUserEntry", "VoiceMailbox: 200")
    reports = session.receive_data(
        response("vu")
        + entry
        + packet("ActionID: other", "Event: X")
        + packet("Event: VoicemailUserEntryComplete", "ActionID: vu"),
        0.0,
    )
    assert reports[0] == ListItem("vu", Packet(EVENT, entry[:-2]))
    assert isinstance(reports[1], MalformedPacket)
    assert isinstance(reports[2], Reply)
    assert isinstance(session.receive_data(entry, 0.0)[0], MalformedPacket)


def test_command_output_of_both_styles_comes_as_lines() -> None:
    session = logged_in()
    session.request("Command", [("Command", "core show version")], now=0.0, action_id="a")
    session.request("Command", [("Command", "core show version")], now=0.0, action_id="b")
    old = (
        b"Response: Follows\r\nPrivilege: Command\r\nActionID: a\r\none: 1\n\nthree\n--END COMMAND--\r\n\r\n"
    )
    reports = session.receive_data(old + response("b", "Output: one: 1", "Output: ", "Output: three"), 0.0)
    for reply in reports:
        assert isinstance(reply, Reply)
        assert reply.output == ["one: 1", "", "three"]


def test_a_second_response_to_one_request_is_unsolicited() -> None:
    session = logged_in()
    session.request("Status", now=0.0, action_id="s")
    (report,) = session.receive_data(response("s") + response("s"), 0.0)
    assert isinstance(report, UnsolicitedResponse)


def test_an_answer_that_stands_still_for_its_timeout_ends_incomplete_and_what_comes_late_is_dropped() -> None:
    session = logged_in()
    session.request("Status", now=0.0, action_id="s", timeout_secs=2.0)
    session.receive_data(response("s", "EventList: start"), 1.0)
    assert session.tick(2.0) == []
    session.receive_data(item("Status", "s"), 2.9)
    assert session.tick(3.5) == []
    session.receive_data(b"\r\n", 4.5)
    (reply,) = session.tick(4.9)
    assert isinstance(reply, Reply)
    assert (reply.success, reply.complete, reply.items) == (True, False, 1)
    assert reply.reason == "the list did not end within 2 s"
    late = session.receive_data(item("Status", "s") + response("s") + event("Hangup"), 5.0)
    assert late == [Packet(EVENT, event("Hangup")[:-2])]
    assert session.late_answers == 2


def test_a_reused_action_id_is_not_taken_for_a_late_one() -> None:
    session = logged_in()
    session.request("Ping", now=0.0, action_id="s", timeout_secs=1.0)
    session.tick(1.0)
    session.request("Ping", now=1.0, action_id="s")
    (reply,) = session.receive_data(response("s"), 1.0)
    assert isinstance(reply, Reply)


def test_an_answered_request_does_not_expire() -> None:
    session = logged_in()
    session.request("Ping", now=0.0, action_id="s", timeout_secs=2.0)
    session.receive_data(response("s"), 1.0)
    assert session.tick(2.5) == []


def test_a_list_longer_than_its_bound_ends_incomplete() -> None:
    session = logged_in(max_list_items=2)
    session.request("Status", now=0.0, action_id="s")
    reports = session.receive_data(response("s") + item("Status", "s") * 5, 0.0)
    assert [type(report) for report in reports] == [ListItem, ListItem, Reply]
    reply = reports[-1]
    assert isinstance(reply, Reply)
    assert reply.reason == "the list is longer than the 2 events allowed"
    assert session.late_answers == 2


def test_what_is_kept_for_requests_stays_bounded_over_many_of_them() -> None:
    session = logged_in()
    for number in range(5_000):
        answered = number % 2
        action_id = session.request("Ping", now=float(number), timeout_secs=1e6 if answered else 0.5)
        session.data_to_send()
        if answered:
            session.receive_data(response(action_id), float(number))
        else:
            session.receive_data(b"\r\n", number + 0.6)
            assert len(session.tick(number + 0.6)) == 1
    session.receive_data(b"\r\n", 6000.0)
    assert session.next_deadline <= 6003.0
    held = session.requests_held()
    assert held.pending == 0
    assert held.retired <= MAX_RETIRED
    assert held.deadlines <= 64


@pytest.mark.parametrize("name", ["", "Fake"])
def test_a_forged_event_beside_a_request_stays_in_the_stream(name: str) -> None:
    session = logged_in()
    session.request("Status", now=0.0, action_id="s")
    forged = packet(f"Event: {name}", "Exten: 200")
    assert session.receive_data(response("s") + forged, 0.0) == [Packet(EVENT, forged[:-2])]
