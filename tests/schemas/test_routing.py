"""Routing keys: one for each party of an event, the first on the message, the others in CC."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RoutingError
from schemas.message import MAX_EXTENSIONS
from schemas.routing import control_key, escape_token, routing_key, routing_keys, split_key

parties = st.lists(st.text(max_size=80), max_size=12)


def test_a_key_is_pbx_event_and_extension() -> None:
    assert routing_key("main", "DialBegin", "200") == "main.dialbegin.200"
    assert routing_key("Main Office", "Reload") == "main%20office.reload.-"


def test_an_event_without_a_party_has_one_key_that_ends_with_a_dash() -> None:
    assert routing_keys("main", "Reload", []) == ("main.reload.-",)
    assert routing_keys("main", "x" * 200, []) == (routing_key("main", "x" * 200),)


def test_the_parties_keys_stand_in_their_order() -> None:
    assert routing_keys("main", "DialBegin", ["202", "200"]) == ("main.dialbegin.202", "main.dialbegin.200")


def test_parties_that_are_written_alike_share_a_key() -> None:
    assert routing_keys("main", "Newstate", ["Anna", "anna", "200"]) == (
        "main.newstate.anna",
        "main.newstate.200",
    )


def test_parties_beyond_the_eighth_have_no_key() -> None:
    keys = routing_keys("main", "Newstate", [str(number) for number in range(200, 220)])
    assert keys == tuple(f"main.newstate.{number}" for number in range(200, 208))


@given(st.text(min_size=1), st.text(), parties)
def test_keys_fit_amqp_and_name_each_of_the_first_parties(
    pbx: str, event: str, extensions: list[str]
) -> None:
    keys = routing_keys(pbx, event, extensions)
    assert 1 <= len(keys) <= MAX_EXTENSIONS
    assert len(set(keys)) == len(keys)
    assert all(len(key.encode()) <= 182 and key.count(".") == 2 for key in keys)
    words = [key.rsplit(".", 1)[1] for key in keys]
    assert words == list(dict.fromkeys(map(escape_token, extensions or [""])))[:MAX_EXTENSIONS]
    assert keys == routing_keys(pbx, event, iter(extensions))


@given(st.sampled_from(["control", "Control", "CONTROL"]), st.sampled_from(["gap", "up", "down", "200"]))
def test_an_ami_event_named_control_never_takes_a_control_events_key(event: str, extension: str) -> None:
    key = routing_key("main", event, extension)
    assert key == f"main.%63ontrol.{extension}"
    assert split_key(key) == ("main", "control", extension)


def test_control_events_have_keys_of_their_own() -> None:
    assert control_key("Main.1", "gap") == "main%2E1.control.gap"


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4),
)
def test_a_key_splits_into_what_it_was_made_of(pbx: str, event: str, extension: str) -> None:
    assert split_key(routing_key(pbx, event, extension)) == (pbx.lower(), event.lower(), extension.lower())


@pytest.mark.parametrize("key", ["", "main", "main.dialbegin", "main.dialbegin.200.1"])
def test_a_key_of_other_than_three_words_is_refused(key: str) -> None:
    with pytest.raises(RoutingError, match="three words"):
        split_key(key)
