"""A pattern's tree written as an expression of hyperscan that finds every text in which the pattern is found.

The expression is written anew from the tree, character by character, so that nothing depends on hyperscan
reading a pattern as `regex` does. Where the pattern matches less than what is written, the answer says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consumers.filtering.characters import ANY
from consumers.filtering.syntax import (
    AnyText,
    Begin,
    Choice,
    End,
    Loose,
    Node,
    One,
    Repeat,
    Row,
    Somewhere,
)

MOST_CHARACTERS: Final = 1_500
MOST_COUNTED: Final = 32
_MOST_RANGES: Final = 128


class Inexpressible(Exception):
    """There is no expression for it, or none that hyperscan should be given."""


@dataclass(slots=True, frozen=True)
class Expression:
    """`text` in ASCII. `exact`: it finds nothing else. `size`: about how many characters it is, written out.

    `empty`: it may match the empty text.
    """

    text: str
    exact: bool
    size: int
    empty: bool


def expression_of(node: Node) -> Expression:
    """Raises `Inexpressible`. What would find every text although the pattern does not has no expression
    either.
    """
    found = _write(node)
    if found.empty and not found.exact:
        raise Inexpressible("it may be found anywhere")
    return found


def _write(node: Node) -> Expression:
    match node:
        case One(characters):
            return Expression(_set_text(characters.possible), characters.known, 1, empty=False)
        case Row(items):
            return _row([_write(item) for item in items])
        case Choice(options):
            return _choice([_write(option) for option in options])
        case Repeat(item, least, most):
            return _repeat(_write(item), least, most)
        case Begin():
            return Expression("^", exact=True, size=1, empty=True)
        case End(newline):
            return Expression("$" if newline else r"\z", exact=True, size=1, empty=True)
        case Loose(item):
            inner = _write(item)
            return Expression(inner.text, False, inner.size, inner.empty)
        case Somewhere():
            return Expression("", exact=False, size=0, empty=True)
        case AnyText():
            return Expression("(?:.*)", exact=False, size=1, empty=True)
    raise Inexpressible("something that is not understood")


def _bounded(size: int) -> int:
    if size > MOST_CHARACTERS:
        raise Inexpressible("too large")
    return size


def _row(parts: Sequence[Expression]) -> Expression:
    return Expression(
        "".join([part.text for part in parts]),
        all(part.exact for part in parts),
        _bounded(sum(part.size for part in parts)),
        all(part.empty for part in parts),
    )


def _choice(parts: Sequence[Expression]) -> Expression:
    return Expression(
        f"(?:{'|'.join([part.text for part in parts])})",
        all(part.exact for part in parts),
        _bounded(sum(part.size for part in parts)),
        any(part.empty for part in parts),
    )


def _repeat(item: Expression, least: int, most: int | None) -> Expression:
    """Large counts are let go: what is found more often is found at least as often."""
    exact = item.exact
    if not item.text or most == 0:
        return Expression("", exact, 0, empty=True)
    if least > MOST_COUNTED:
        least, most, exact = MOST_COUNTED, None, False
    elif most is not None and most > MOST_COUNTED:
        most, exact = None, False
    size = _bounded(item.size * max(1, most or least))
    return Expression(f"(?:{item.text}){_count_text(least, most)}", exact, size, item.empty or not least)


def _count_text(least: int, most: int | None) -> str:
    if (least, most) == (0, None):
        return "*"
    if (least, most) == (1, None):
        return "+"
    if most is None:
        return f"{{{least},}}"
    return f"{{{least},{most}}}"


def _set_text(ranges: Sequence[tuple[int, int]]) -> str:
    if not ranges:
        raise Inexpressible("a set of nothing")
    if ranges == ANY.possible:
        return "."
    if len(ranges) > _MOST_RANGES:
        raise Inexpressible("a set of too many ranges")
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _code_text(ranges[0][0])
    return f"[{''.join([_range_text(first, last) for first, last in ranges])}]"


def _range_text(first: int, last: int) -> str:
    return _code_text(first) if first == last else f"{_code_text(first)}-{_code_text(last)}"


def _code_text(code: int) -> str:
    if code < 0x80:
        character = chr(code)
        return character if character.isalnum() else f"\\x{code:02x}"
    return f"\\x{{{code:x}}}"


def writes_out(node: Node) -> int:
    """How many characters the pattern has when all its counts are written out."""
    match node:
        case Row(items) | Choice(items):
            return sum(map(writes_out, items))
        case Repeat(item, least, most):
            return writes_out(item) * max(1, least, most or 0)
        case Loose(item):
            return writes_out(item)
        case _:
            return 1


def literal_expression(text: str) -> Expression:
    """A text as it is. Raises `Inexpressible` where it is too long or holds a lone surrogate."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Inexpressible("a lone surrogate")
    return Expression("".join([_code_text(ord(one)) for one in text]), True, _bounded(len(text)), empty=False)
