"""Routing keys: `<pbx>.<event>.<extension>`, three escaped tokens (see tokens.py).

An event that concerns several extensions is published once: the first key is its routing key, the others
stand in the `CC` header. Control events have the keys `<pbx>.control.gap`, `.up` and `.down`. So that no
packet, forged or not, can take such a key, an AMI event that is itself named "control" is written
`%63ontrol`.

Everything that has to do with keys can be imported from here; matching lives in topics.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from schemas.errors import RoutingError
from schemas.message import MAX_EXTENSIONS
from schemas.tokens import MAX_TOKEN_BYTES, NOTHING, escape_token, unescape_token
from schemas.topics import (
    ESCAPED_RESERVED_EVENT,
    MAX_KEY_BYTES,
    RESERVED_EVENT,
    TopicMatcher,
    TopicPattern,
    check_pattern,
    topic_pattern,
)

__all__ = [
    "MAX_KEY_BYTES",
    "MAX_TOKEN_BYTES",
    "NOTHING",
    "TopicMatcher",
    "TopicPattern",
    "check_pattern",
    "control_key",
    "escape_token",
    "routing_key",
    "routing_keys",
    "split_key",
    "topic_pattern",
    "unescape_token",
]

_LONGEST_CACHED: Final = 128


def _key(pbx: str, event: str, extension: str) -> str:
    event_word = escape_token(event)
    if event_word == RESERVED_EVENT:
        event_word = ESCAPED_RESERVED_EVENT
    return f"{escape_token(pbx)}.{event_word}.{escape_token(extension)}"


def _keys(pbx: str, event: str, extensions: tuple[str, ...]) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for extension in extensions:
        keys[routing_key(pbx, event, extension)] = None
        if len(keys) == MAX_EXTENSIONS:
            break
    return tuple(keys) or (routing_key(pbx, event),)


_key_cached = lru_cache(maxsize=8192)(_key)
_keys_cached = lru_cache(maxsize=8192)(_keys)


def routing_key(pbx: str, event: str, extension: str = "") -> str:
    """The key of an event for one extension; at most 182 bytes. An empty extension gives `-`.

    The 8,192 most recent ones of ordinary length are cached; unusually long ones are made each time.
    """
    if len(event) + len(extension) > _LONGEST_CACHED:
        return _key(pbx, event, extension)
    return _key_cached(pbx, event, extension)


def routing_keys(pbx: str, event: str, extensions: Iterable[str]) -> tuple[str, ...]:
    """All keys of an event: the first is the routing key, the others go into `CC`. At least one, at most 8.

    Extensions that are written alike share a key; those beyond the eighth key get none. The 8,192 most
    recent answers of ordinary length are cached.
    """
    parties = tuple(extensions)
    if len(event) + len("".join(parties)) > _LONGEST_CACHED:
        return _keys(pbx, event, parties)
    return _keys_cached(pbx, event, parties)


def control_key(pbx: str, kind: str) -> str:
    """The key of a control event; `kind` is gap, up or down."""
    return f"{escape_token(pbx)}.{RESERVED_EVENT}.{escape_token(kind)}"


def split_key(key: str) -> tuple[str, str, str]:
    """The PBX, event and extension of a key, unescaped, in lower case; `-` where there is no extension.

    Raises `RoutingError` when the key has not three words or holds a broken escape.
    """
    words = key.split(".")
    if len(words) != 3:
        raise RoutingError(
            f"a routing key has three words, <pbx>.<event>.<extension>, this one has {len(words)}"
        )
    pbx, event, extension = map(unescape_token, words)
    return pbx, event, extension
