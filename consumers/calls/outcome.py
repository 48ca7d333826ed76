"""How a call came out: the words for causes, dial statuses and last events.

Causes are those of Q.850 as Asterisk numbers them (`causes.h`), dial statuses those of its Dial application.
"""

from __future__ import annotations

from typing import Final

from consumers.calls.call import CALLEE, PBX, Call
from consumers.calls.leg import RINGING
from schemas.call_event import CallState

COMPLETED: Final = "completed"
MERGED: Final = "merged"
FORGOTTEN: Final = "forgotten"
UNKNOWN: Final = "unknown"

NO_ANSWER: Final = "no_answer"
BUSY: Final = "busy"
REJECTED: Final = "rejected"
CONGESTION: Final = "congestion"
UNREACHABLE: Final = "unreachable"
CANCELLED: Final = "cancelled"
ABANDONED: Final = "abandoned"
ELSEWHERE: Final = "elsewhere"

DIAL_RESULTS: Final = {
    "NOANSWER": NO_ANSWER,
    "BUSY": BUSY,
    "CONGESTION": CONGESTION,
    "CHANUNAVAIL": UNREACHABLE,
    "INVALIDARGS": UNREACHABLE,
    "CANCEL": CANCELLED,
    "DONTCALL": REJECTED,
    "TORTURE": REJECTED,
}

_REJECTED_CAUSE: Final = 21
_ELSEWHERE_CAUSE: Final = 26
_RESULTS_OF_CAUSES: Final = {
    17: BUSY,
    18: NO_ANSWER,
    19: NO_ANSWER,
    _REJECTED_CAUSE: REJECTED,
    _ELSEWHERE_CAUSE: ELSEWHERE,
    **dict.fromkeys((1, 2, 3, 20, 22, 27, 28), UNREACHABLE),
    **dict.fromkeys((34, 38, 41, 42, 44, 47, 50, 58, 66), CONGESTION),
}
# What counts for the whole call where its callees were told apart.
_WEIGHT: Final = (CANCELLED, NO_ANSWER, BUSY, REJECTED, CONGESTION, UNREACHABLE)


def result_of_cause(cause: int) -> str:
    """What a phone's hangup cause says of having rung it; empty where it says nothing (16, 0 …)."""
    return _RESULTS_OF_CAUSES.get(cause, "")


def refined(result: str, cause: int) -> str:
    """A dial status does not know the difference between busy and rejected; the cause does."""
    return REJECTED if cause == _REJECTED_CAUSE and result in (BUSY, CONGESTION, CANCELLED) else result


def last_state(call: Call) -> tuple[CallState, str]:
    """The last event of a call whose legs are all gone, and its reason."""
    if call.answered_by == CALLEE or (call.answered_by == PBX and not call.sought):
        return CallState.ENDED, COMPLETED
    if call.synthetic or (call.unseen and not call.sought):
        # Nobody saw how: it may have been answered meanwhile.
        return CallState.ENDED, UNKNOWN
    return CallState.MISSED, _why_missed(call)


def _why_missed(call: Call) -> str:
    results = {callee.result for callee in call.callees.values()}
    if call.abandoned or call.waiting:
        return ABANDONED
    if RINGING in results:
        return CANCELLED
    for result in _WEIGHT:
        if result in results:
            return result
    if call.queue:
        return NO_ANSWER
    return result_of_cause(call.cause) or CANCELLED
