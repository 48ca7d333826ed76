"""What is known of a pattern without running it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from consumers.filtering.clauses import clauses_of
from consumers.filtering.expressions import Inexpressible, expression_of, literal_expression
from consumers.filtering.parsing import Unread, parse


@dataclass(slots=True, frozen=True)
class Form:
    """How a pattern can be looked for together with thousands of others.

    `expression`: for hyperscan (UTF-8, DOTALL), empty where there is none. It finds every text that the
    pattern is found in; where `exact`, no other. `size` is about how many characters it is when written
    out. `clauses`: of each, one of its texts at least stands in every text that the pattern is found in.
    """

    expression: str = ""
    exact: bool = False
    size: int = 0
    clauses: tuple[frozenset[str], ...] = ()


UNKNOWN: Final = Form()


def form_of(source: str) -> Form:
    """The form of a pattern that `regex` takes."""
    try:
        tree = parse(source)
        clauses = clauses_of(tree)
    except (Unread, RecursionError):
        return UNKNOWN
    try:
        expression = expression_of(tree)
    except Inexpressible:
        return Form(clauses=clauses)
    return Form(expression.text, expression.exact, expression.size, clauses)


def literal_form(text: str) -> Form:
    """The form of a text that is looked for as it is."""
    clauses = (frozenset({text}),)
    try:
        expression = literal_expression(text)
    except Inexpressible:
        return Form(clauses=clauses)
    return Form(expression.text, expression.exact, expression.size, clauses)
