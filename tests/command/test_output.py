"""What is printed steers no terminal, whoever wrote it."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.command.output import json_line, say, warn
from publisher.command.send import show_reply
from publisher.escaping import escape_prose
from schemas.reply import Reply, State

ODD = [
    "\x1b[2J",
    "\x1b]0;owned\x07",
    "\x9b2J",
    "\x85",
    "\x7f",
    "\0",
    "\r",
    "\t",
    "\u2028",
    "\u202e",
    "\udc80",
]


class Terminal(io.StringIO):
    """Somebody looks at it."""

    def isatty(self) -> bool:
        return True


def steers(text: str) -> bool:
    return any(sign != "\n" and not sign.isprintable() for sign in text)


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_prose_shows_control_characters_as_escapes(odd: str) -> None:
    out, trouble = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(trouble):
        say(f"a{odd}b\nc")
        warn(f"a{odd}b")
    assert out.getvalue().count("\n") == 2
    for shown in (out.getvalue(), trouble.getvalue()):
        assert not steers(shown)
        shown.encode()
    assert "a\\x1b[2Jb" in escape_prose("a\x1b[2Jb")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_letters_signs_and_line_ends_stay(text: str) -> None:
    assert escape_prose(f"{text}\n{text}") == f"{text}\n{text}"


@given(st.text(st.characters()))
def test_prose_holds_no_control_character_but_the_line_end(text: str) -> None:
    shown = escape_prose(text)
    assert not [sign for sign in shown if (sign < " " and sign != "\n") or "\x7f" <= sign <= "\x9f"]


@pytest.mark.parametrize("odd", [*ODD[:-1], "\n"], ids=ascii)
def test_a_json_line_steers_nothing_and_means_the_same(odd: str) -> None:
    line = json_line({f"key{odd}": odd})
    assert json.loads(line) == {f"key{odd}": odd}
    assert not steers(line.decode())
    assert line.decode().count("\n") == 1


def test_a_reply_of_a_pbx_neither_steers_the_terminal_nor_makes_lines_of_its_own() -> None:
    for odd in (*ODD, "\n"):
        words = f"x{odd}succeeded"
        reply = Reply(
            id="x",
            pbx="main",
            action="CoreShowChannels",
            state=State.FAILED,
            at="2024-01-01T00:00:00.000000Z",
            reason=words,
            message=words,
            fields={words: words, "Several": [words, words]},
            events=({"Event": words, words: words},),
            output=(words,),
        )
        with redirect_stdout(Terminal()) as terminal:
            show_reply(reply)
        assert not steers(terminal.getvalue())
        assert terminal.getvalue().count("\n") == 5
