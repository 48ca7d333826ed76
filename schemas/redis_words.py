"""What a Redis or the network said, as one sentence that a person can act on. Pure.

Refusals are what an operator must mend: the same try again gives the same answer. Everything else (a restart,
a failover, a cut line) passes by itself.
"""

from __future__ import annotations

import re
from typing import Final

from schemas.broker_words import Kind, Verdict
from schemas.network_words import root_cause, why_not_opened
from schemas.redis_url import RedisUrl

# By the name of the driver's error: what it means. Their texts may name keys, and a key may hold a number.
_REFUSALS: Final = {
    "AuthenticationError": "refused the login: check user and password",
    "AuthorizationError": "refused the login: check user and password",
    "NoPermissionError": "does not allow what the queue needs: give the user ~amibus:* and the rights of the "
    "page on commands",
    "OutOfMemoryError": "is out of memory: raise maxmemory",
    "DataError": "was given something it cannot take",
}
_PASSING: Final = {
    "BusyLoadingError": "is loading its data",
    "ReadOnlyError": "is a replica now: a failover is under way, or the URL names the wrong server",
    "MasterDownError": "has lost its master",
    "ClusterDownError": "is a cluster that does not serve now",
    "SlotNotCoveredError": "is a cluster that does not serve now",
    "TryAgainError": "is moving its data",
    "MasterNotFoundError": "has no master that the sentinels know under that name",
    "MaxConnectionsError": "has all its connections in use",
}
_WORDS: Final = {
    "MISCONF": (Kind.REFUSED, "cannot save its data to disk and takes no writes: see its log"),
    "NOPERM": (Kind.REFUSED, _REFUSALS["NoPermissionError"]),
    "OOM": (Kind.REFUSED, _REFUSALS["OutOfMemoryError"]),
    "READONLY": (Kind.LOST, _PASSING["ReadOnlyError"]),
    "BUSY": (Kind.LOST, "is busy with a script"),
    "NOREPLICAS": (Kind.LOST, "has too few replicas to take writes"),
    "LOADING": (Kind.LOST, _PASSING["BusyLoadingError"]),
}
_REDIS_WORD: Final = re.compile("[A-Z]{2,20}")


def redis_verdict(url: RedisUrl, error: BaseException, timeout_secs: float) -> Verdict:
    """The verdict on an error of the driver, or of the system under it."""
    name = type(error).__name__
    if name in _REFUSALS:
        return Verdict(Kind.REFUSED, f"{url.shown} {_REFUSALS[name]}")
    if name in _PASSING:
        return Verdict(Kind.LOST, f"{url.shown} {_PASSING[name]}")
    word = str(error).partition(" ")[0]
    if word in _WORDS:
        kind, sentence = _WORDS[word]
        return Verdict(kind, f"{url.shown} {sentence}")
    if name == "ResponseError":
        if "unknown command" in str(error).lower():
            return Verdict(
                Kind.REFUSED, f"{url.shown} lacks a command that the queue needs: it must be Redis 7"
            )
        # Only a word of Redis's own: the driver takes ERR away, and any text may stand first then.
        named = f" ({word})" if _REDIS_WORD.fullmatch(word) else ""
        return Verdict(Kind.REFUSED, f"{url.shown} gave an error that the queue does not expect{named}")
    root = root_cause(error)
    if name == "TimeoutError" or isinstance(root, TimeoutError):
        return Verdict(Kind.LOST, f"{url.shown} gave no answer within {timeout_secs:g} s")
    hint = "rediss:// is for servers with TLS"
    return Verdict(Kind.UNREACHABLE, f"{url.shown}: {why_not_opened(error, timeout_secs, hint)}")
