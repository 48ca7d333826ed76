"""Tokens: any text becomes one word of a key, and comes back."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import RoutingError
from schemas.tokens import MAX_TOKEN_BYTES, escape_token, unescape_token

undecoded = st.text(st.characters())
decoded = st.text(st.characters(exclude_categories=["Cs"]))


def model(token: str) -> str:
    """The whole escaped token, a character at a time, by Unicode's own properties."""
    pieces = []
    for character in token.lower():
        if character in ".%" or character.isspace() or unicodedata.category(character) == "Cc":
            pieces += [f"%{byte:02X}" for byte in character.encode()]
        else:
            pieces.append("\ufffd" if unicodedata.category(character) == "Cs" else character)
    whole = "".join(pieces)
    return {"": "-", "*": "%2A", "#": "%23"}.get(whole, whole)


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("DialBegin", "dialbegin"),
        ("200", "200"),
        ("", "-"),
        ("-", "-"),
        ("*", "%2A"),
        ("#", "%23"),
        ("*8", "*8"),
        ("*21*200#", "*21*200#"),
        ("+74951234567", "+74951234567"),
        ("pbx.moscow", "pbx%2Emoscow"),
        ("100%", "100%25"),
        ("Named Callgroup", "named%20callgroup"),
        ("a\tb\r\n", "a%09b%0D%0A"),
        ("a\xa0b", "a%C2%A0b"),
        ("a\u3000b", "a%E3%80%80b"),
        ("\x85\x9f", "%C2%85%C2%9F"),
        ("Отдел-Продаж", "отдел-продаж"),
        ("\udcd0x", "\ufffdx"),
        ("a" * 60, "a" * 60),
        ("a" * 61, "a" * 51 + "~" + sha256(b"a" * 61).hexdigest()[:8]),
    ],
)
def test_a_token_is_written_as_the_rules_say(token: str, word: str) -> None:
    assert escape_token(token) == word


def test_every_character_is_escaped_exactly_when_it_is_white_space_control_dot_or_percent() -> None:
    for number in range(0x110000):
        character = chr(number)
        assert escape_token("x" + character) == model("x" + character), hex(number)


@given(undecoded)
@example("ё" * 26)
@example("ё" * 31)
@example("x" * 50 + "\u3000" * 9)
@example("." * 500)
def test_a_long_token_is_cut_between_characters_and_named_by_its_hash(token: str) -> None:
    whole = model(token)
    word = escape_token(token)
    encoded = word.encode()
    if len(whole.encode()) <= MAX_TOKEN_BYTES:
        assert word == whole
        return
    kept, hashed = word[:-9], word[-9:]
    assert len(encoded) <= MAX_TOKEN_BYTES
    assert whole.startswith(kept)
    assert hashed == "~" + sha256(whole.encode()).hexdigest()[:8]
    # A torn escape would not be UTF-8, and reading it would raise.
    assert model(unescape_token(kept)) == kept
    # Nothing more would have fitted: one character takes at most 12 bytes when escaped.
    assert len(kept.encode()) > 51 - 12


@given(undecoded)
def test_a_token_is_one_word_that_is_no_wild_card(token: str) -> None:
    word = escape_token(token)
    assert re.fullmatch(r"[^.\s\x00-\x1f\x7f-\x9f]+", word)
    assert word not in ("*", "#")
    plain = re.sub("%[0-9A-F]{2}", "", word)
    assert plain == plain.lower()
    assert "%" not in plain
    assert len(word.encode()) <= MAX_TOKEN_BYTES


@given(decoded.filter(bool))
def test_a_token_that_was_not_cut_comes_back_in_lower_case(token: str) -> None:
    if len(model(token).encode()) <= MAX_TOKEN_BYTES:
        assert unescape_token(escape_token(token)) == token.lower()


@given(undecoded)
def test_writing_what_was_read_gives_the_same_word(token: str) -> None:
    word = escape_token(token)
    assert escape_token(unescape_token(word)) == word


@pytest.mark.parametrize("word", ["%", "a%2", "%zz", "%2e%", "x%G0"])
def test_a_percent_that_begins_no_escape_is_refused(word: str) -> None:
    with pytest.raises(RoutingError, match="without two hexadecimal digits"):
        unescape_token(word)


@pytest.mark.parametrize("word", ["%FF", "%E3%80", "%C2x%A0"])
def test_escapes_that_are_not_utf_8_are_refused(word: str) -> None:
    with pytest.raises(RoutingError, match="not UTF-8"):
        unescape_token(word)
