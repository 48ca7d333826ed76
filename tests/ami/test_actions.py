from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.ami.actions import MAX_HEADERS, MAX_LINE_BYTES, action_ids, encode_action
from publisher.ami.errors import ActionRefused


def test_an_action_is_its_name_its_id_and_its_headers_in_order() -> None:
    headers = [("Channel", "SIP/218"), ("Variable", "A=1"), ("Variable", "B=два: 2"), ("Account", "")]
    assert encode_action("Originate", headers, "or-1").decode() == (
        "Action: Originate\r\nActionID: or-1\r\nChannel: SIP/218\r\n"
        "Variable: A=1\r\nVariable: B=два: 2\r\nAccount: \r\n\r\n"
    )
    assert "Имя".encode("cp1251") in encode_action("UserEvent", [("N", "Имя")], "1", "cp1251")


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=50)), max_size=10), st.text(max_size=70))
def test_what_is_not_refused_is_exactly_one_packet_with_exactly_these_headers(
    headers: list[tuple[str, str]], action_id: str
) -> None:
    try:
        data = encode_action("UserEvent", headers, action_id)
    except ActionRefused:
        return
    assert data.endswith(b"\r\n\r\n")
    lines = data[:-4].split(b"\r\n")
    assert lines == [
        f"{name}: {value}".encode()
        for name, value in [("Action", "UserEvent"), ("ActionID", action_id), *headers]
    ]
    assert not any(byte < 0x20 for line in lines for byte in line)


@pytest.mark.parametrize("control", ["\r", "\n", "\r\n", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\t"])
def test_control_characters_are_refused_everywhere_and_the_error_names_the_header_alone(control: str) -> None:
    for action, name, value, action_id in (
        ("Ping" + control, "A", "b", "1"),
        ("Ping", "A" + control, "b", "1"),
        ("Ping", "Exten", "secret" + control + "Action: Hangup", "1"),
        ("Ping", "A", "b", "1" + control),
    ):
        with pytest.raises(ActionRefused) as refused:
            encode_action(action, [(name, value)], action_id)
        assert "secret" not in str(refused.value)
        assert control not in str(refused.value)


@pytest.mark.parametrize("name", ["", "A:", "A: b", "Имя", " A", "A ", "action", "ActionID"])
def test_header_names_that_could_be_read_otherwise_are_refused(name: str) -> None:
    with pytest.raises(ActionRefused, match="header"):
        encode_action("Ping", [(name, "b")], "1")


@pytest.mark.parametrize("action_id", ["", "a b", "д", "x" * 61])
def test_action_ids_that_asterisk_would_garble_are_refused(action_id: str) -> None:
    with pytest.raises(ActionRefused, match="an ActionID must be 1 to 60"):
        encode_action("Ping", [], action_id)


def test_an_action_needs_a_name() -> None:
    with pytest.raises(ActionRefused, match="must have a name"):
        encode_action("", [], "1")


def test_lines_and_headers_have_asterisks_own_limits() -> None:
    longest = "x" * (MAX_LINE_BYTES - len("A: \r\n"))
    assert longest.encode() in encode_action("Ping", [("A", longest)], "1")
    with pytest.raises(ActionRefused, match="header A makes a line of 1025 bytes, and 1024 are allowed"):
        encode_action("Ping", [("A", longest + "x")], "1")
    with pytest.raises(ActionRefused, match="header A makes a line"):
        encode_action("Ping", [("A", "я" * 512)], "1")
    most = [("A", "b")] * (MAX_HEADERS - 2)
    assert encode_action("Ping", most, "1").count(b"\r\n") == MAX_HEADERS + 1
    with pytest.raises(ActionRefused, match="more headers than the 128"):
        encode_action("Ping", [*most, ("A", "b")], "1")


@pytest.mark.parametrize(
    ("value", "encoding", "reason"),
    [
        ("日", "cp1251", "holds a character that cp1251 cannot express"),
        ("\ud800", "utf-8", "holds a character that utf-8 cannot express"),
        ("Ā", "utf-16-le", "becomes a control character in utf-16-le"),
        ("功", "big5", "holds a character that big5 writes with an ASCII sign"),
        ("ソ", "shift_jis", "holds a character that shift_jis writes with an ASCII sign"),
        ("\xa5", "shift_jis", "holds a character that shift_jis writes with an ASCII sign"),
        ("я", "utf-7", "holds a character that utf-7 writes with an ASCII sign"),
    ],
)
def test_values_that_the_encoding_cannot_carry_are_refused(value: str, encoding: str, reason: str) -> None:
    with pytest.raises(ActionRefused, match=reason):
        encode_action("Ping", [("A", value)], "1", encoding)


def test_action_ids_are_numbered_behind_their_prefix() -> None:
    assert list(islice(action_ids("k3"), 3)) == ["k3-1", "k3-2", "k3-3"]
    for prefix in ("", "a b", "x" * 41):
        with pytest.raises(ActionRefused, match="prefix"):
            action_ids(prefix)
