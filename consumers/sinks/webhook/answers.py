"""What an answer means for the events that were posted.

2xx                        taken
408, 425, 429, 5xx         later; Retry-After says when
401, 403, 407, 3xx         nothing can be taken: credentials or URL are wrong (no redirect is followed)
404, 405, 410              rejected, all of them
any other                  rejected; a list is halved first, to find out which event it is

With `answers = "per_event"` a 2xx answer to a list is an object, and what it does not name is taken:

    {"results": [{"id": "main-19f3a2c4d5e-1f", "outcome": "retry", "after_secs": 5, "reason": "busy"},
                 {"id": "main-19f3a2c4d5e-20", "outcome": "reject", "reason": "unknown queue"}]}
"""

from __future__ import annotations

import enum
import json
from collections.abc import Collection
from typing import Any, Final

from consumers.plugin import DONE, Outcome, Reject, Retry
from consumers.sinks.webhook.retry_after import LONGEST_SECS

_LATER: Final = frozenset({408, 425, 429})
_NOBODY: Final = frozenset({401, 403, 407})
_ALL: Final = frozenset({404, 405, 410})
_REASON_CHARS: Final = 200


class Meaning(enum.Enum):
    TAKEN = enum.auto()
    LATER = enum.auto()
    UNAVAILABLE = enum.auto()
    REJECTED = enum.auto()
    REJECTED_SOME = enum.auto()


def meaning(status: int) -> Meaning:
    if 200 <= status < 300:
        return Meaning.TAKEN
    if status in _LATER or status >= 500:
        return Meaning.LATER
    if status in _NOBODY or 300 <= status < 400:
        return Meaning.UNAVAILABLE
    return Meaning.REJECTED if status in _ALL else Meaning.REJECTED_SOME


def unavailable_sentence(shown: str, status: int) -> str:
    """Why nothing can be taken after such a status."""
    if status in _NOBODY:
        return f"{shown} answered {status}: it does not accept these credentials"
    return f"{shown} answered {status}, a redirect, which is not followed: correct the URL"


def outcomes_of(body: bytes | None, ids: Collection[str]) -> dict[str, Outcome] | None:
    """What the answer says of each event that it names; None when it is no such answer."""
    try:
        answer = json.loads(body or b"")
        results = answer["results"]
        return {one["id"]: _outcome(one) for one in results if one["id"] in ids}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _outcome(result: Any) -> Outcome:
    """Raises `ValueError` for one that is not known, `KeyError` and `TypeError` for what is no result."""
    reason = " ".join(str(result.get("reason") or "").split())[:_REASON_CHARS]
    match result["outcome"]:
        case "done":
            return DONE
        case "retry":
            after = result.get("after_secs")
            known = type(after) in (int, float) and after >= 0
            wait = min(float(after), LONGEST_SECS) if known else None
            return Retry(reason or "the receiver asked for another try", wait)
        case "reject":
            return Reject(reason or "the receiver rejected it")
        case _:
            raise ValueError
