"""What must be true of the messages that a recording became, whichever bus they stand on."""

from __future__ import annotations

from tests.domain.independent import parties
from tests.end_to_end.naive import Naive, text_of
from tests.end_to_end.taker import Arrived


def of_the_trace(arrivals: list[Arrived]) -> list[Arrived]:
    """Without what ami-bus said itself and what a resync read."""
    return [one for one in arrivals if one.kind in ("event", "malformed")]


def check_numbers(arrivals: list[Arrived]) -> None:
    """One epoch, `seq` from 1 without a hole, ids that name nothing twice."""
    assert [one.body["seq"] for one in arrivals] == list(range(1, len(arrivals) + 1))
    assert [one.headers["seq"] for one in arrivals] == [one.body["seq"] for one in arrivals]
    assert len({one.body["epoch"] for one in arrivals}) == 1
    assert len({one.message_id for one in arrivals}) == len(arrivals)
    assert all(one.message_id == one.body["id"] for one in arrivals)


def check_bodies(arrivals: list[Arrived], expected: list[Naive]) -> None:
    """Each packet, in order, as the naive decoder reads it."""
    assert len(arrivals) == len(expected)
    for one, packet in zip(arrivals, expected, strict=True):
        assert text_of(one.body) == packet.text
        if not packet.is_event:
            assert one.body["event"] == "control.malformed"
            continue
        assert one.body["event"] == packet.name
        assert ("text" in one.body) == (not packet.ordinary)
        assert bool(one.body.get("suspect")) == ("Privilege" not in list(packet.fields)[1:2])
        assert bool(one.body.get("undecodable")) == (
            packet.raw.decode("utf-8", "replace") != packet.raw.decode("utf-8", "ignore")
        )
        if packet.ordinary:
            assert one.body["fields"] == packet.fields
            assert list(one.body["fields"]) == list(packet.fields)
        assert all(key.startswith(f"main.{packet.name.lower()}.") for key in (one.routing_key, *one.cc))
        assert len({one.routing_key, *one.cc}) == 1 + len(one.cc)


def check_share_of_208(arrivals: list[Arrived], expected: list[Naive]) -> None:
    """Exactly the events whose text names 208 as a party, once each, in order."""
    concern_208 = [packet.text for packet in expected if packet.is_event and "208" in parties(packet.raw)]
    assert concern_208
    assert [text_of(one.body) for one in of_the_trace(arrivals)] == concern_208
    assert len({one.message_id for one in arrivals}) == len(arrivals)
