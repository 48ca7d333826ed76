"""Extensions of events that no recording holds, odd ones, and the bounds of what is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.extensions import MAX_COMBINATIONS, MAX_PLANS, ExtensionReader
from publisher.party_fields import APPLICATIONS, EXCEPTIONS, FIELDS, VARIABLES, Guard, party_field
from schemas.message import MAX_EXTENSIONS
from tests.domain.packets import packet


def read(text: str, trunks: frozenset[str] = frozenset({"trunk"})) -> tuple[str, ...]:
    parsed = packet(text)
    return ExtensionReader(trunks).extensions(parsed.name, parsed.fields)


def test_header_names_are_matched_in_any_case() -> None:
    assert read("Event: ConfbridgeJoin\nCHANNEL: SIP/207-00000022\ncallerIDNUM: 208") == ("207", "208")
    assert (
        read("Event: Dial\nSubEvent: Begin\nDialString: 208")
        == read("Event: Dial\nDialstring: 208")
        == ("208",)
    )


def test_both_spellings_of_a_header_in_one_packet_are_read() -> None:
    assert read("Event: UserEvent\nUserEvent: X\nExten: 201\nexten: 202") == ("201", "202")


def test_channels_come_before_devices_and_these_before_numbers_and_places() -> None:
    text = """Event: AgentCalled
        Queue: 500
        CallerIDNum: 74959400835
        Interface: SIP/203
        DestChannel: SIP/202-00000002
        Channel: SIP/201-00000001"""
    assert read(text) == ("201", "202", "203", "74959400835", "500")


def test_at_most_eight_extensions_are_given_the_own_channels_first() -> None:
    devices = "&".join(f"SIP/{number}" for number in range(300, 320))
    extensions = read(f"Event: ExtensionStatus\nExten: 299\nHint: {devices}\nChannel: SIP/100-00000001")
    assert extensions == ("100", *map(str, range(300, 307)))
    assert len(extensions) == MAX_EXTENSIONS


def test_a_trunk_is_no_extension_but_the_number_behind_it_is() -> None:
    text = "Event: Newstate\nChannel: SIP/trunk-0000000a\nCallerIDNum: 74959400835\nExten: s"
    assert read(text) == ("74959400835",)
    assert read(text, frozenset()) == ("trunk", "74959400835")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("BRIDGEPEER", "SIP/208-00000001", ("216", "208")),
        ("BRIDGEPEER", "SIP/208-00000001,SIP/209-00000002", ("216", "208", "209")),
        ("DIALEDPEERNUMBER", "208", ("216", "208")),
        ("DIALEDPEERNUMBER", "trunk/89168844748", ("216", "89168844748")),
        ("__FROM_DID", "84951234567", ("216", "84951234567")),
        ("_BLINDTRANSFER", "SIP/213-00000cf3", ("216", "213")),
        ("PARKER", "SIP/213", ("216", "213")),
        ("CRM_ID", "777", ("216",)),
        ("CRM_CHANNEL", "SIP/208-00000001", ("216",)),
        ("ANSWEREDTIME_MS", "3279", ("216",)),
    ],
)
def test_a_variables_value_is_a_party_only_where_asterisk_names_the_other_one_by_it(
    variable: str, value: str, expected: tuple[str, ...]
) -> None:
    assert read(f"Event: VarSet\nChannel: SIP/216-00000000\nVariable: {variable}\nValue: {value}") == expected


@pytest.mark.parametrize(
    ("application", "data", "expected"),
    [
        ("Dial", "SIP/208&SIP/209,20,tTkK", ("216", "208", "209")),
        ("Dial", "SIP/trunk/89168844748,20,T", ("216", "89168844748")),
        ("AddQueueMember", "support,SIP/202,1", ("216", "202")),
        ("AddQueueMember", "support", ("216",)),
        ("ConfBridge", "610,default", ("216", "610")),
        ("Queue", "support,tT", ("216",)),
        ("Hangup", "17", ("216",)),
        ("Set", "CRM_ID=208", ("216",)),
        ("NoOp", "SIP/208", ("216",)),
    ],
)
def test_an_applications_arguments_are_read_by_what_the_application_does(
    application: str, data: str, expected: tuple[str, ...]
) -> None:
    text = f"Event: Newexten\nChannel: SIP/216-00000000\nApplication: {application}\nAppData: {data}"
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Event: PeerStatus\nChannelType: SIP\nPeer: SIP/9999", ("9999",)),
        ("Event: ContactStatus\nAOR: 208\nEndpointName: 208\nURI: sip:208@10.0.0.1", ("208",)),
        ("Event: CEL\nChannel: SIP/201-00000001\nPeer: SIP/202-00000002\nCallerIDnum: 201", ("201", "202")),
        ("Event: MessageWaiting\nMailbox: 202@default\nWaiting: 1", ("202",)),
        ("Event: PeerEntry\nObjectName: 200\nDynamic: yes", ("200",)),
        ("Event: PeerEntry\nObjectName: trunk", ()),
        ("Event: OriginateResponse\nChannel: SIP/240\nExten: 234\nCallerIDNum: <unknown>", ("240", "234")),
        ("Event: ListDialplan\nExtension: 208\nPriority: hint\nApplication: SIP/208", ("208",)),
        (
            "Event: AgentConnect\nChannel: SIP/200-00000011\nMember: SIP/200\nBridgedChannel: 1795424097.17",
            ("200",),
        ),
        ("Event: UserEvent\nUserEvent: X\nCaller: Анна <216>\nCard: 208\nKey: 209", ("216",)),
        ("Event: BridgeCreate\nBridgeUniqueid: 77045e48-208\nBridgeName: <unknown>", ()),
        ("Event: Hangup\nChannel: SIP/237-0000000e\nTechCause: 500\nCause: 17", ("237",)),
        ("Event: Reload\nModule: All", ()),
    ],
)
def test_odd_fields_are_read_as_the_table_says(text: str, expected: tuple[str, ...]) -> None:
    assert read(text) == expected


def test_every_value_of_a_repeated_header_counts() -> None:
    assert read("Event: UserEvent\nUserEvent: X\nExten: 201\nExten: 202") == ("201", "202")
    text = (
        "Event: VarSet\nChannel: SIP/216-00000000\nVariable: BRIDGEPEER\nVariable: X\nValue: SIP/208-00000001"
    )
    assert read(text) == ("216", "208")
    assert read("Event: VarSet\nVariable: A\nVariable: B\nValue: SIP/208-00000001") == ()


def test_a_header_that_an_event_of_this_name_never_had_is_noticed() -> None:
    reader = ExtensionReader()
    plain, richer = packet("Event: Foo\nExten: 201"), packet("Event: Foo\nExten: 201\nDestExten: 202")
    poorer = packet("Event: Foo\nDestExten: 202")
    for _ in range(3):
        assert reader.extensions("Foo", plain.fields) == ("201",)
        assert reader.extensions("Foo", richer.fields) == ("201", "202")
        assert reader.extensions("Foo", poorer.fields) == ("202",)


def test_variables_named_after_their_channel_make_no_new_shape() -> None:
    reader = ExtensionReader()
    for number in range(MAX_PLANS + 10):
        text = f"Event: Newstate\nChannel: SIP/201-{number:08x}\nChanVariable(SIP/201-{number:08x}): A=202"
        parsed = packet(text)
        assert reader.extensions(parsed.name, parsed.fields) == ("201",)
    assert len(reader._plans) == 1


def test_what_is_kept_is_bounded_whatever_comes() -> None:
    reader = ExtensionReader()
    for number in range(MAX_COMBINATIONS + 100):
        reader.extensions("Newstate", {"Event": "Newstate", "Channel": f"SIP/201-{number:08x}"})
        assert reader._known_held <= MAX_COMBINATIONS
    for number in range(MAX_PLANS + 100):
        reader.extensions("UserEvent", {"Event": "UserEvent", f"Key{number}": "1", "Exten": "201"})
        assert len(reader._plans) <= MAX_PLANS
    assert sum(len(known) for known in reader._known.values()) <= MAX_COMBINATIONS
    long = "&".join(["SIP/201"] * 2000)
    before = reader._known_held
    assert reader.extensions("DialBegin", {"Event": "DialBegin", "DialString": long}) == ("201",)
    assert reader._known_held == before


HEADERS = st.sampled_from(
    [
        *("Channel", "DestChannel", "Exten", "CallerIDNum", "CALLERIDNUM", "Hint", "Variable", "Value"),
        *("Application", "AppData", "Privilege", "Queue", "ChanVariable(SIP/1-00000001)"),
    ]
)
VALUES = st.sampled_from(
    ["", "201", "SIP/202-00000001", "SIP/203&SIP/204", "BRIDGEPEER", "Dial", "<unknown>", "x" * 700]
)
FIELDS_OF_EVENTS = st.dictionaries(HEADERS, VALUES | st.lists(VALUES, min_size=2, max_size=3), max_size=8)


@given(st.lists(st.tuples(st.sampled_from(["VarSet", "Newexten", "Foo"]), FIELDS_OF_EVENTS), max_size=12))
def test_an_answer_never_depends_on_what_came_before(
    many: list[tuple[str, dict[str, str | list[str]]]],
) -> None:
    reader = ExtensionReader()
    for name, fields in many:
        assert reader.extensions(name, fields) == ExtensionReader().extensions(name, fields)


def test_an_event_has_one_guarded_header_at_most_and_each_row_stands_once() -> None:
    guarded = [event for (event, _), rule in EXCEPTIONS.items() if isinstance(rule, Guard)]
    assert len(guarded) == len(set(guarded))
    names = [name.lower() for name, _ in FIELDS]
    assert len(names) == len(set(names))
    assert all(event == event.lower() and header == header.lower() for event, header in EXCEPTIONS)


def test_every_form_of_the_table_can_be_read() -> None:
    reader = ExtensionReader()
    rules = [rule for _, rule in FIELDS] + [*VARIABLES.values(), *APPLICATIONS.values()]
    rules += [rule for rule in EXCEPTIONS.values() if rule is not None and not isinstance(rule, Guard)]
    assert {rule.form for rule in rules} <= reader._forms.keys()


def test_a_header_of_no_party_has_no_row() -> None:
    assert party_field("Hangup", "TechCause") is None
    assert party_field("VarSet", "CallerIDName") is None
