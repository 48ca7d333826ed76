"""Replies are cut to what is kept of them, whatever the PBX said or anybody wrote into the queue."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.services.settlement import encoded_within
from schemas.reply import MAX_REPLY_BYTES, Reply, State
from tests.schemas.test_reply import replies

KEPT = 16 << 10
SHORT = Reply(
    id="c-1",
    pbx="main",
    action="CoreShowChannels",
    state=State.SUCCEEDED,
    at="2026-11-23T08:54:53.850601Z",
    reason="busy",
    message="it was busy",
)


@given(replies(), st.sampled_from([KEPT, MAX_REPLY_BYTES]))
def test_a_reply_that_fits_is_left_as_it_is(reply: Reply, most: int) -> None:
    assert encoded_within(reply, most) == reply.encode()


@given(
    replies(),
    st.integers(1, 4000),
    st.sampled_from(["events", "output", "fields", "message", "action", "reason"]),
)
@settings(max_examples=60, deadline=None)
def test_any_reply_is_cut_to_its_size_and_can_still_be_read(reply: Reply, more: int, where: str) -> None:
    long = "я" * 50
    match where:
        case "events":
            reply = replace(reply, events=reply.events + ({"A": long},) * more)
        case "output":
            reply = replace(reply, output=reply.output + (long,) * more)
        case "fields":
            reply = replace(reply, fields=reply.fields | {f"F{number}": long for number in range(more)})
        case _:
            reply = replace(reply, **{where: long * more})
    encoded = encoded_within(reply, KEPT)
    assert len(encoded) <= KEPT
    cut = Reply.decode(encoded)
    assert (cut.id, cut.pbx, cut.state, cut.at) == (reply.id, reply.pbx, reply.state, reply.at)
    assert cut.truncated or cut == reply
    for kept, whole in ((cut.events, reply.events), (cut.output, reply.output)):
        assert kept == whole[: len(kept)]


def test_a_long_list_keeps_a_good_part_of_itself_and_the_answer() -> None:
    reply = replace(SHORT, fields={"Response": "Success"}, events=({"Channel": "x" * 90},) * 2000)
    cut = Reply.decode(encoded_within(reply, KEPT))
    assert cut.truncated
    assert cut.fields == reply.fields
    assert len(cut.events) * 100 > KEPT / 3


def test_where_the_answer_itself_is_too_long_the_outcome_is_kept() -> None:
    cut = Reply.decode(encoded_within(replace(SHORT, fields={"A": "x" * 20_000}), KEPT))
    assert cut == replace(SHORT, truncated=True)


def test_what_anybody_wrote_into_the_queue_does_not_make_a_reply_long() -> None:
    long = "\x01" * 10_000_000
    encoded = encoded_within(replace(SHORT, id=long, action=long, reason=long, message=long), KEPT)
    assert len(encoded) < 2000


@pytest.mark.parametrize("text", ["x" * 10_000_000, "я" * 9_000_000], ids=["ascii", "utf-8"])
def test_a_reply_beyond_any_body_s_size_is_cut_like_another(text: str) -> None:
    for reply in (replace(SHORT, output=(text, text)), replace(SHORT, fields={"A": text, "B": text})):
        cut = Reply.decode(encoded_within(reply, MAX_REPLY_BYTES))
        assert (cut.state, cut.truncated) == (State.SUCCEEDED, True)
