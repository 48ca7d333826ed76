"""How Asterisk takes texts apart: arguments, variables, caller IDs; and how the tally counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.simulator import Tally
from publisher.simulator.arguments import originate_variables, separate
from publisher.simulator.caller_id import parse_caller_id


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("a,b", ["a", "b"]),
        ("", []),
        (",", ["", ""]),
        ("a,", ["a", ""]),
        ('"a,b",c', ["a,b", "c"]),
        ('a"b,c', ["ab,c"]),
        ("f(a,b),c", ["f(a,b)", "c"]),
        ("x[1,2],y", ["x[1,2]", "y"]),
        (r"a\,b,c", ["a,b", "c"]),
        ('a\\"b,c', ['a"b', "c"]),
        ("a)b,c", ["a)b", "c"]),
        ("(a,b", ["(a,b"]),
        ("a\\", ["a"]),
    ],
)
def test_arguments_part_at_commas_that_stand_free(text: str, arguments: list[str]) -> None:
    assert separate(text) == arguments


@given(st.text(alphabet='ab,"\\()[]=', max_size=40))
def test_any_text_can_be_taken_apart(text: str) -> None:
    arguments = separate(text)
    assert len("".join(arguments)) <= len(text)
    assert len(separate(text, most=3)) <= 3


def test_the_last_of_too_many_arguments_holds_the_rest() -> None:
    assert separate("a,b,c,d", most=3) == ["a", "b", "c,d"]
    assert len(separate(",".join("x" * 100))) == 64


def test_variables_without_a_name_or_a_sign_are_passed_over() -> None:
    headers = ["A=1,B", "=2", "C=", " D=x=y"]
    assert list(originate_variables(headers)) == [("A", "1"), ("C", ""), ("D", "x=y")]


@pytest.mark.parametrize(
    ("text", "number", "name"),
    [
        ('"Звонок с сайта" <84957654321>', "84957654321", "Звонок с сайта"),
        ("Сайт <8 (495) 765-43-21>", "84957654321", "Сайт"),
        ("<204>", "204", None),
        ("204", "204", None),
        ("+7 (495) 765-43-21", "+74957654321", None),
        ("Продажи", None, "Продажи"),
        ('"204"', None, "204"),
        ("", None, None),
        ("Имя <", None, "Имя"),
        ("A <B> <1>", "1", "A <B>"),
        (r'"a \"b\"" <1>', "1", 'a "b"'),
        ("<>", None, None),
    ],
)
def test_a_caller_id_has_a_number_and_a_name(text: str, number: str | None, name: str | None) -> None:
    assert parse_caller_id(text) == (number, name)


def test_a_tally_names_what_was_seen_twice_but_not_what_has_no_name() -> None:
    tally = Tally()
    for action_id in ("a", "b", "a", "", ""):
        tally.note(action_id)
    assert tally == {"a": 2, "b": 1, "": 2}
    assert tally.repeated() == ["a"]


def test_a_full_tally_forgets_nothing_and_says_what_it_could_not_count() -> None:
    tally = Tally(max_ids=2)
    for action_id in ("a", "b", "c", "a", "c"):
        tally.note(action_id)
    assert (tally, tally.uncounted) == ({"a": 2, "b": 1}, 2)
    assert tally["c"] == 0
