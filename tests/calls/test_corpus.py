"""Real calls cut out of recordings of Asterisk 11, 20 and 22: what is told of each, what their Cdrs say.

A file holds one call's packets, without events and headers that say nothing of it (VarSet, ChanVariable …).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from consumers.calls import CallFold, CallState
from schemas.envelope import Event
from tests.calls.oracle import count
from tests.calls.recorded import PBX, Recorder
from tests.calls.test_recordings import outcome
from tests.calls.test_scenes import short

# In the recording of 22 the outside line comes in as `anonymous`.
TRUNKS = ["trunk", "anonymous"]
CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.ami"))
TOLD: dict[str, list[str]] = {
    "11-abandoned": ["answered 74958940262>", "ringing 74958940262>", "missed 74958940262> abandoned"],
    "11-blind-transfer": [
        "ringing 226>205",
        "answered 226>205",
        "transferred 205>230",
        "ringing 205>230",
        "answered 205>230",
        "ended 205>230 completed",
    ],
    "11-busy": ["ringing 209>239", "missed 209>239 busy"],
    "11-click-to-call": ["ringing >206", "answered >206", "ringing 206>245", "missed 206>245 no_answer"],
    "11-conference": ["answered 223>", "ended 223> completed"],
    "11-given-up": ["ringing 224>244", "missed 224>244 cancelled"],
    "11-hold": [
        "ringing 226>205",
        "answered 226>205",
        "held 226>205",
        "resumed 226>205",
        "ended 226>205 completed",
    ],
    "11-local": [
        "ringing >210",
        "answered >210",
        "ringing 210>236",
        "answered 210>236",
        "ended 210>236 completed",
    ],
    "11-parked": ["ringing 216>214", "answered 216>214", "held 216>214", "ended 216>214 completed"],
    "11-queue": [
        "answered 74956404556>",
        "ringing 74956404556>",
        "ringing 74956404556>202",
        "answered 74956404556>202",
        "ended 74956404556>202 completed",
    ],
    "11-simple": ["ringing 224>205", "answered 224>205", "ended 224>205 completed"],
    "20-blind-transfer": [
        "ringing 224>232",
        "answered 224>232",
        "transferred 232>235",
        "ringing 232>235",
        "ended 232>235 completed",
    ],
    "20-busy": ["ringing 209>239", "missed 209>239 busy"],
    "20-click-to-call": ["ringing >225", "answered >225", "ringing 225>242", "missed 225>242 busy"],
    "20-conference": ["answered 229>", "ended 229> completed"],
    "20-given-up": ["ringing 224>244", "missed 224>244 cancelled"],
    "20-hold": [
        "ringing 226>205",
        "answered 226>205",
        "held 226>205",
        "resumed 226>205",
        "ended 226>205 completed",
    ],
    "20-local": [
        "ringing >215",
        "answered >215",
        "ringing 215>236",
        "answered 215>236",
        "ended 215>236 completed",
    ],
    "20-parked": ["ringing 210>209", "answered 210>209", "held 210>209", "ended 210>209 completed"],
    "20-queue": [
        "answered 74955513135>",
        "ringing 74955513135>",
        "ringing 74955513135>202",
        "answered 74955513135>202",
        "ended 74955513135>202 completed",
    ],
    "20-simple": ["ringing 224>205", "answered 224>205", "ended 224>205 completed"],
    "22-blind-transfer": [
        "ringing 213>206",
        "answered 213>206",
        "transferred 213>235",
        "ringing 213>235",
        "ended 213>235 completed",
    ],
    "22-busy": ["ringing 209>239", "missed 209>239 busy"],
    "22-click-to-call": [
        "ringing >224",
        "answered >224",
        "ringing 224>234",
        "answered 224>234",
        "ended 224>234 completed",
    ],
    "22-conference": ["answered 225>", "ended 225> completed"],
    "22-given-up": ["ringing 224>244", "missed 224>244 cancelled"],
    "22-hold": [
        "ringing 226>205",
        "answered 226>205",
        "held 226>205",
        "resumed 226>205",
        "ended 226>205 completed",
    ],
    "22-local": [
        "ringing >213",
        "answered >213",
        "ringing 213>235",
        "answered 213>235",
        "ended 213>235 completed",
    ],
    "22-queue": [
        "answered 74956862656>",
        "ringing 74956862656>",
        "ringing 74956862656>202",
        "answered 74956862656>202",
        "ended 74956862656>202 completed",
    ],
    "22-simple": ["ringing 226>205", "answered 226>205", "ended 226>205 completed"],
}


def events(path: Path) -> list[Event]:
    return list(Recorder().events(path.read_bytes()))


def test_every_file_is_told_of() -> None:
    assert {path.stem for path in CORPUS} == set(TOLD)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_call_is_told_as_it_was(path: Path) -> None:
    fold = CallFold({PBX: TRUNKS})
    told = [one for event in events(path) for one in fold.feed(event)]
    assert short(told) == TOLD[path.stem]
    assert fold.open_calls == 0
    through_queue = path.stem.endswith(("queue", "abandoned"))
    assert {one.direction for one in told} == {"in" if through_queue else "internal"}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_its_channels_and_outcome_are_those_of_its_cdrs(path: Path) -> None:
    fold = CallFold({PBX: TRUNKS})
    told = [one for event in events(path) for one in fold.feed(event)]
    (call,) = count(path.read_bytes())
    assert call.complete
    assert frozenset(told[-1].uniqueids) == call.channels
    assert outcome(told[-1]) == call.outcome
    blind = [one for one in told if one.state is CallState.TRANSFERRED and one.transfers[-1].kind == "blind"]
    assert len(blind) == call.blind_transfers
