"""The fold on recorded traffic, beside an independent count of Cdr, Hangup and transfer events."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from consumers.calls import CallEvent, CallFold, CallState
from tests.calls.oracle import Counted, count
from tests.calls.recorded import PBX, RECORDINGS, Recorder, name_of, read

recorded = pytest.mark.parametrize("path", RECORDINGS, ids=name_of)


@cache
def folded(path: Path) -> list[CallEvent]:
    fold = CallFold({PBX: ["trunk"]})
    return [told for event in Recorder().events(read(path)) for told in fold.feed(event)]


def outcome(event: CallEvent) -> str:
    """The fold's last event in the oracle's words."""
    if event.state is CallState.MISSED:
        return "busy" if event.reason == "busy" else "missed"
    return "answered" if event.answered_by == "callee" else "pbx"


@recorded
def test_calls_are_the_channels_and_outcomes_that_the_oracle_counts(path: Path) -> None:
    """Every finished call, channel by channel, and how it came out."""
    lasts = [event for event in folded(path) if event.state.last and event.reason != "merged"]
    mine = {(frozenset(event.uniqueids), outcome(event)) for event in lasts}
    theirs = {(frozenset(call.channels), call.outcome) for call in count(read(path)) if call.complete}
    assert mine == theirs
    assert len(lasts) == len(theirs) > 50
    assert {word for _, word in theirs} == {"answered", "busy", "missed", "pbx"}


@recorded
def test_transfers_are_those_that_the_pbx_reports(path: Path) -> None:
    told = Counter[str]()
    for event in folded(path):
        if event.state is CallState.TRANSFERRED and event.transfers[-1].kind == "blind":
            told[event.call] += 1
    counted = [call for call in count(read(path)) if call.blind_transfers]
    assert sorted(told.values()) == sorted(call.blind_transfers for call in counted)
    assert sum(call.attended_transfers for call in counted) == 0


@recorded
def test_what_has_an_end_had_a_beginning_and_one_end(path: Path) -> None:
    begun: set[str] = set()
    ended: set[str] = set()
    for event in folded(path):
        assert event.call not in ended, event
        if event.state is CallState.ENDED:
            assert event.call in begun
        begun.add(event.call)
        if event.state.last:
            ended.add(event.call)


@recorded
def test_talking_and_ringing_last_as_long_as_the_cdrs_say(path: Path) -> None:
    """Of plain calls (one Cdr, no transfer), to the second that a Cdr knows."""
    if "plain" in path.name:
        pytest.skip("without the PBX's own times")
    cdrs: dict[frozenset[str], dict[str, str]] = {
        frozenset(call.channels): call.cdrs[0]
        for call in count(read(path))
        if call.complete and len(call.cdrs) == 1 and call.outcome == "answered" and not _preanswered(call)
    }
    compared = 0
    for event in folded(path):
        cdr = cdrs.get(frozenset(event.uniqueids))
        if event.state is CallState.ENDED and cdr and event.talk_secs is not None and not event.queue:
            assert abs(event.talk_secs - int(cdr["BillableSeconds"])) <= 1.5
            assert event.ring_secs is not None
            compared += 1
    assert compared > 20


def _preanswered(call: Counted) -> bool:
    return call.queued or len(call.channels) != 2
