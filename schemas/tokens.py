"""Tokens: the words of a routing key, escaped so that any text is one word and people can still read it.

An escaped token
* is lower case (Unicode's full mapping), so that a key does not depend on how a version spells an event;
* holds no `.`, no `%` but those of escapes, no white space and no control character: these are written
  as their UTF-8 bytes, each as `%` and two upper-case hexadecimal digits;
* is neither `*` nor `#`, which are wild cards when they are a whole word of a pattern (`%2A`, `%23`);
  inside a longer word they mean themselves to RabbitMQ and stay: `*8`, `*21*200#`;
* is never empty: `-` stands for an empty token; a lone `-` is written as itself and reads the same;
* has at most 60 bytes: a longer one is cut between two characters (an escaped character is never torn)
  to at most 51 bytes, then `~` and the first 8 hexadecimal digits of the SHA-256 of the whole escaped
  token follow. So three tokens always fit the 255 bytes that AMQP allows for a routing key.

Bytes that were undecodable arrive as lone surrogates (surrogateescape); each is written as U+FFFD,
as in the body.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final

from schemas.errors import RoutingError

NOTHING: Final = "-"
MAX_TOKEN_BYTES: Final = 60
_KEPT_BYTES: Final = MAX_TOKEN_BYTES - 9
_LONGEST_CACHED: Final = 128

# Unicode's White_Space and Cc, spelt out so that every language can use the same class.
_UNSAFE = re.compile("[\x00-\x20\x7f-\xa0.%\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ud800-\udfff]")
_ESCAPES = re.compile("(?:%[0-9A-Fa-f]{2})+")
_WILD_CARDS: Final = {"*": "%2A", "#": "%23"}


def _escape_character(match: re.Match[str]) -> str:
    character = match[0]
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return "".join([f"%{byte:02X}" for byte in character.encode()])


def _escape(token: str) -> str:
    if not token:
        return NOTHING
    lowered = token.lower()
    escaped = _WILD_CARDS.get(lowered) or _UNSAFE.sub(_escape_character, lowered)
    encoded = escaped.encode()
    if len(encoded) <= MAX_TOKEN_BYTES:
        return escaped
    pieces = (_UNSAFE.sub(_escape_character, character) for character in lowered)
    kept = ""
    room = _KEPT_BYTES
    # The whole has more bytes than there is room for, so some piece does not fit.
    while (room := room - len((piece := next(pieces)).encode())) >= 0:
        kept += piece
    return f"{kept}~{sha256(encoded).hexdigest()[:8]}"


_escape_cached = lru_cache(maxsize=8192)(_escape)


def escape_token(token: str) -> str:
    """The token as a word of a routing key: 1 to 60 bytes, never a wild card, no `.`.

    The 8,192 most recent tokens of up to 128 characters are cached; longer ones are escaped each time,
    so that what a PBX sends cannot make the cache large.
    """
    return _escape_cached(token) if len(token) <= _LONGEST_CACHED else _escape(token)


def unescape_token(word: str) -> str:
    """The text of an escaped token, in lower case; a cut one stays cut, and `-` stays `-`.

    Raises `RoutingError` when a `%` does not begin an escape or the escapes are not UTF-8.
    """
    if "%" not in word:
        return word
    if "%" in _ESCAPES.sub("", word):
        raise RoutingError(
            "a token holds a % without two hexadecimal digits after it; a % itself is written %25"
        )
    try:
        return _ESCAPES.sub(lambda match: bytes.fromhex(match[0].replace("%", "")).decode(), word)
    except UnicodeDecodeError:
        raise RoutingError(
            "a token holds escapes that are not UTF-8; each character is escaped whole"
        ) from None
