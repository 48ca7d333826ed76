"""Whom channel, device and dial-string names name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.channel_names import ChannelNames

NAMES = ChannelNames({"trunk", "SIP/gate", "Mango-Office"})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SIP/202-0000019c", "202"),
        ("PJSIP/202-00000001", "202"),
        ("SCCP/101-00000004", "101"),
        ("IAX2/203-4821", "203"),
        ("Local/202@from-queue-0000003f;2", "202"),
        ("Local/202@from-queue-0000003f;1<ZOMBIE>", "202"),
        ("Local/202@ctx-8c3d;1", "202"),
        ("Local/89161234567@trunks/n", "89161234567"),
        ("Local/FMPR-201@from-internal-00000001;1", "201"),
        ("Local/FMGL-89161234567#@from-internal-00000001;2", "89161234567"),
        ("Local/RG-600-201@from-internal-00000002;1", "201"),
        ("Local/*97@features-00000002;1", "*97"),
        ("DAHDI/1-1", "1"),
        ("DAHDI/i1/74951234567-1", "74951234567"),
        ("Agent/1001", "1001"),
        ("AsyncGoto/SIP/207-00000022<ZOMBIE>", "207"),
        ("AsyncGoto/SIP/207-00000022", "207"),
        ("SIP/207-00000022<MASQ>", "207"),
        ("Bridge/SIP/216-0000007f", "216"),
        ("Bridge/SIP/216-0000007f<ZOMBIE>", "216"),
        ("Parked/SIP/205-00000068<ZOMBIE>", "205"),
        ("Transfered/SIP/209-00000010<MASQ><ZOMBIE>", "209"),
        ("Surrogate/PJSIP/209-00000010", "209"),
        ("SIP/alice-0000019c", "alice"),
        ("SIP/0004F2-0000019c", "0004F2"),
        ("SIP/200a-0000019c", "200a"),
        ("PJSIP/trunk-name-00000001", "trunk-name"),
        ("PJSIP/gate-00000001", "gate"),
        ("SIP/240", "240"),
    ],
)
def test_a_channel_names_the_party_at_its_end(name: str, expected: str) -> None:
    assert NAMES.channel(name) == (expected,)


@pytest.mark.parametrize(
    "name",
    [
        *("SIP/trunk-0000000a", "PJSIP/trunk-00000001", "SIP/gate-0000000a", "IAX2/mango-office-12"),
        *(
            "Message/ast_msg_queue",
            "ConfBridgeRecorder/conf-610-uid-123",
            "CBAnn/610-00000001;1",
            "Snoop/x-0001",
        ),
        *("Local/s@macro-dial-00000001;1", "DAHDI/pseudo-1234567", "DAHDI/i1/-1", "PJSIP/anonymous-00000001"),
        *(
            "SIP/10.0.0.5-0000019c",
            "IAX2/10.0.0.5:4569-123",
            "1795424097.17",
            "",
            "202",
            "/",
            "SIP/",
            "<ZOMBIE>",
        ),
        *("Bridge/", "Local/@ctx-00000001;1", "UnicastRTP/10.0.0.1:4000-0x7f00"),
    ],
)
def test_trunks_addresses_and_the_pbx_itself_are_nobody(name: str) -> None:
    assert NAMES.channel(name) == ()


def test_a_trunk_is_listed_by_its_name_or_its_device_in_any_case() -> None:
    names = ChannelNames({"Trunk", "pjsip/GATE"})
    assert names.channel("SIP/TRUNK-0000000a") == ()
    assert names.device("PJSIP/gate") == ()
    assert names.device("SIP/gate") == ("gate",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SIP/202", ("202",)),
        ("Local/202@internal", ("202",)),
        ("Local/202@internal/n", ("202",)),
        ("DAHDI/1", ("1",)),
        ("SIP/sales-abcdef", ("sales-abcdef",)),
        ("Queue:500", ("500",)),
        ("Queue:500_avail", ("500",)),
        ("Queue:support", ()),
        ("Queue:support_pause_SIP/208", ("208",)),
        ("Queue:500_pause_Local/208@from-queue/n", ("208", "500")),
        ("confbridge:610", ("610",)),
        ("MeetMe:610", ("610",)),
        ("park:701@parkedcalls", ("701",)),
        ("MWI:202@default", ("202",)),
        ("hint:202@hints", ("202",)),
        ("Presence:CustomPresence:202", ("202",)),
        ("Custom:DND202", ("202",)),
        ("Custom:QUEUE202*500", ("202",)),
        ("Custom:night", ()),
        ("Calendar:office", ()),
        ("SIP/202&Custom:DND202,CustomPresence:202", ("202", "202", "202")),
        ("SIP/202&SIP/trunk&PJSIP/203", ("202", "203")),
        ("Agent 201", ()),
        ("Agent: 203 (night)", ()),
        ("", ()),
    ],
)
def test_a_device_or_hint_names_its_parties(name: str, expected: tuple[str, ...]) -> None:
    assert NAMES.device(name) == expected


@pytest.mark.parametrize(
    ("dial_string", "expected"),
    [
        ("SIP/208&SIP/209", ("208", "209")),
        ("PJSIP/208/sip:208@10.0.0.5:5060", ("208", "208")),
        ("SIP/trunk/89168844748", ("89168844748",)),
        ("trunk/89168844748", ("89168844748",)),
        ("trunk/sip:89168844748@provider.example", ("89168844748",)),
        ("PJSIP/89168844748@trunk", ("89168844748",)),
        ("other/89168844748", ("other", "89168844748")),
        ("208", ("208",)),
        ("alice", ("alice",)),
        ("213@internal", ("213",)),
        ("s@internal", ()),
        ("Local/201@from-internal/n&Local/FMPR-202@from-internal/n", ("201", "202")),
        ("DAHDI/g1/89168844748", ("89168844748",)),
        ("DAHDI/g1", ()),
        ("IAX2/user:secret@10.0.0.9/200", ("200",)),
        ("IAX2/user:secret@10.0.0.9", ("user",)),
        ("SIP/204!sip:9@host", ("204",)),
        ("", ()),
        ("&", ()),
    ],
)
def test_a_dial_string_names_whom_it_rings_and_never_a_secret(
    dial_string: str, expected: tuple[str, ...]
) -> None:
    assert NAMES.dialled(dial_string) == expected


def test_a_bridge_of_many_lists_its_channels_by_commas() -> None:
    assert NAMES.channels("SIP/201-00000001,SIP/trunk-00000002,SIP/203-00000003") == ("201", "203")


@given(st.text(max_size=80), st.sampled_from(["channel", "channels", "device", "dialled", "peer"]))
def test_no_name_raises_and_no_party_holds_what_a_key_cannot(name: str, way: str) -> None:
    for party in getattr(NAMES, way)(name):
        assert party
        assert len(party) <= 60
        assert not any(character.isspace() or character in "@/:,&" for character in party)


@given(
    st.sampled_from(["SIP", "PJSIP", "SCCP", "Local"]),
    st.from_regex(r"\A[0-9]{2,11}\Z"),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["", "AsyncGoto/", "Parked/", "Bridge/"]),
    st.sampled_from(["", "<ZOMBIE>", "<MASQ>"]),
)
def test_serials_stand_ins_and_marks_do_not_hide_the_party(
    technology: str, party: str, serial: int, before: str, after: str
) -> None:
    middle = f"{party}@from-internal" if technology == "Local" else party
    half = ";1" if technology == "Local" else ""
    assert NAMES.channel(f"{before}{technology}/{middle}-{serial:08x}{half}{after}") == (party,)
