"""Control records: payloads, damage, and what a body makes of them."""

from __future__ import annotations

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher import control

AT = 1795424097_816831
AT_TEXT = "2026-11-23T08:54:57.816831Z"


def test_a_gap_says_from_when_to_when_why_and_how_many() -> None:
    assert control.unpack(control.gap("reconnect", AT, AT + 1_000_000)) == {
        "kind": "gap",
        "from": AT_TEXT,
        "to": "2026-11-23T08:54:58.816831Z",
        "cause": "reconnect",
        "count": None,
    }


def test_the_times_of_a_gap_are_put_in_order() -> None:
    payload = control.unpack(control.gap("clock set back", AT + 5, AT, 2))
    assert (payload["from"], payload["count"]) == (AT_TEXT, 2)


def test_up_and_down_say_what_is_known() -> None:
    assert control.unpack(control.up("9.0.0", "7/7", AT)) == {
        "kind": "up",
        "version": "9.0.0",
        "boot": "7/7",
        "boot_us": AT,
    }
    assert control.unpack(control.down("lost", "the connection was reset")) == {
        "kind": "down",
        "cause": "lost",
        "reason": "the connection was reset",
    }


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="down, gap, up, not 'sideways'"):
        control.pack({"kind": "sideways"})


def test_a_record_that_stands_for_many_numbers_names_them() -> None:
    raw = control.gap("disk full", AT, AT)
    assert control.body_map(raw, AT, 11, 1) == control.unpack(raw)
    complete = control.body_map(raw, AT, 11, 5)
    assert (complete["from_seq"], complete["to_seq"], complete["count"]) == (11, 15, 5)
    known = control.gap("disk full", AT, AT, 3, from_seq=12, to_seq=14)
    complete = control.body_map(known, AT, 11, 5)
    assert (complete["from_seq"], complete["to_seq"], complete["count"]) == (12, 14, 3)


@given(st.binary(max_size=60))
def test_a_damaged_payload_is_a_gap_that_says_so(raw: bytes) -> None:
    complete = control.body_map(raw, AT, 1, 1)
    assert complete == {
        "kind": "gap",
        "from": AT_TEXT,
        "to": AT_TEXT,
        "cause": control.DAMAGED,
        "count": None,
    }


@pytest.mark.parametrize("payload", [{}, {"kind": "x"}, [1], "gap", {"kind": ["gap"]}])
def test_a_payload_of_another_shape_is_damage(payload: object) -> None:
    assert control.unpack(msgpack.packb(payload))["cause"] == control.DAMAGED


def test_unknown_keys_are_passed_on() -> None:
    raw = msgpack.packb({"kind": "up", "later": [1, 2]})
    assert control.body_map(raw, AT, 1, 1) == {"kind": "up", "later": [1, 2]}
