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
    "MovedError": "is one node of a cluster: the URL must begin with redis+cluster://",
}
_PASSING: Final = {
    "BusyLoadingError": "is loading its data",
    "ReadOnlyError": "is a replica now: a failover is under way, or the URL names the wrong server",
    "MasterDownError": "has lost its master",
    "ClusterDownError": "is a cluster that does not serve now",
    "ClusterError": "is a cluster that does not serve now",
    "SlotNotCoveredError": "is a cluster that does not serve now",
    "TryAgainError": "is moving its data",
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
# Where neither tells: a part of the text, which the driver or the server has as a constant.
_PARTS: Final = {
    "unauthenticated": (Kind.REFUSED, _REFUSALS["AuthenticationError"]),
    "the user executing the script can't": (Kind.REFUSED, _REFUSALS["NoPermissionError"]),
    "db index is out of range": (Kind.REFUSED, "has no database of that number"),
    "unknown command 'sentinel'": (Kind.REFUSED, "is no sentinel: the URL must name those"),
    "unknown command": (Kind.REFUSED, "lacks a command that the queue needs: it must be Redis 7"),
    "cluster mode is not enabled": (Kind.REFUSED, "is no cluster: the URL must begin with redis://"),
    "max number of clients": (Kind.LOST, "has as many clients as it takes"),
}
_REDIS_WORD: Final = re.compile("[A-Z]{2,20}")


def redis_verdict(
    url: RedisUrl, error: BaseException, timeout_secs: float, *, answered: bool = True
) -> Verdict:
    """The verdict on an error of the driver, or of the system under it. `answered`: the server has spoken
    Redis before, so that it is no question whether it does."""
    one: BaseException | None = error
    while one is not None:
        if (known := _known(url, one)) is not None:
            kind, sentence = known
            return Verdict(kind, f"{url.shown} {sentence}")
        one = one.__cause__ or one.__context__
    name = type(error).__name__
    if name == "ResponseError":
        # Only a word of Redis's own: the driver takes ERR away, and any text may stand first then.
        word = _first_word(error)
        named = f" ({word})" if _REDIS_WORD.fullmatch(word) else ""
        return Verdict(Kind.REFUSED, f"{url.shown} gave an error that the queue does not expect{named}")
    root = root_cause(error)
    if name == "TimeoutError" or isinstance(root, TimeoutError):
        hint = "" if answered or not url.secure else "; perhaps it does not speak TLS there"
        return Verdict(Kind.LOST, f"{url.shown} gave no answer within {timeout_secs:g} s{hint}")
    reason = why_not_opened(error, timeout_secs, "rediss:// is for servers with TLS")
    if not answered and url.hosts and not url.secure and not _nobody_there(root):
        reason += "; if it wants TLS, the URL must begin with rediss://"
    return Verdict(Kind.UNREACHABLE, f"{url.shown}: {reason}")


def _known(url: RedisUrl, error: BaseException) -> tuple[Kind, str] | None:
    """What is known of one error of a chain."""
    name, text = type(error).__name__, str(error)
    if name in _REFUSALS:
        return Kind.REFUSED, _REFUSALS[name]
    if name in _PASSING:
        return Kind.LOST, _PASSING[name]
    if name == "MasterNotFoundError":
        return _no_master(url, text)
    if name == "InvalidResponse":
        return Kind.UNREACHABLE, "cannot be reached: what listens there does not speak Redis's protocol"
    if (word := _first_word(error)) in _WORDS:
        return _WORDS[word]
    lowered = text.lower()
    return next((known for part, known in _PARTS.items() if part in lowered), None)


def _no_master(url: RedisUrl, text: str) -> tuple[Kind, str]:
    """The driver names each sentinel that gave no list; one that did does not know the name. With a password
    each is asked twice, with it and without."""
    tries = len(url.hosts) * (2 if url.password else 1)
    silent, refused = text.count(" - network:"), text.count(" - auth:")
    if silent >= tries:
        return Kind.UNREACHABLE, "cannot be reached: none of the sentinels answers"
    if silent + refused >= tries:
        return Kind.REFUSED, "cannot be reached: the sentinels refused the login"
    return Kind.LOST, "has no master that the sentinels know under that name"


def _first_word(error: BaseException) -> str:
    return str(error).partition(" ")[0]


def _nobody_there(root: BaseException | None) -> bool:
    """Whether there was no connection on which anything could have been said."""
    return isinstance(root, OSError) and not isinstance(root, ConnectionResetError)
