"""What a database's error means: this row will never go in, not now, or nothing goes in. Pure.

PostgreSQL says it with an SQLSTATE (its manual, appendix A), SQLite with the name of a result code. Their
texts may quote values, so PostgreSQL's are not shown; SQLite's quote names only.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from schemas.network_words import why_not_opened

# A constant text of the driver, in an error that has nothing else to tell it by.
_NO_TLS: Final = "rejected SSL upgrade"
_SQLSTATE: Final = re.compile("[0-9A-Z]{5}")
_WORDS: Final = re.compile("[A-Z][a-z]+|[A-Z]+(?![a-z])")

# Data exceptions, integrity constraints, program limits (a value too large for an index).
_ROW_CLASSES: Final = ("22", "23", "54")
_LATER: Final = {
    "40001": "transactions got in each other's way",
    "40P01": "a deadlock was resolved at its cost",
    "55P03": "a lock was not to be had",
    "57014": "the server cancelled the statement",
}
_NOTHING: Final = {
    "28000": "refuses the login: check user and password",
    "28P01": "refuses the login: check user and password",
    "3D000": "has no database of that name",
    "3F000": "has no schema of that name",
    "25006": "takes no writes: it is a standby now, or set read-only",
    "42501": "does not allow it: grant INSERT on the table, and CREATE on the schema to have it made",
    "42P01": "has no such table",
    "42703": "has the table with other columns",
    "53100": "has no space left on its disk",
    "53200": "is out of memory",
    "53300": "has as many connections as it takes",
    "57P01": "is shutting down",
    "57P02": "is restarting after a crash",
    "57P03": "is starting up",
}
# What drivers raise for a value that they cannot put into the database's form.
_ROW_ERRORS: Final = (TypeError, ValueError, ArithmeticError)
_SQLITE_ROW: Final = ("SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH")
_SQLITE_LATER: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")


class Kind(enum.Enum):
    ROW = enum.auto()
    LATER = enum.auto()
    NOTHING = enum.auto()


@dataclass(slots=True, frozen=True)
class Failure:
    kind: Kind
    sentence: str


def failure(shown: str, error: BaseException, timeout_secs: float) -> Failure:
    """The meaning of what a driver raised, by the first error of its chain that says something."""
    for one in _chain(error):
        state = getattr(one, "sqlstate", None)
        if isinstance(state, str) and _SQLSTATE.fullmatch(state):
            return _postgresql(shown, state, one)
        if name := getattr(one, "sqlite_errorname", ""):
            return _sqlite(shown, name, one)
    for one in _chain(error):
        if isinstance(one, _ROW_ERRORS):
            return Failure(Kind.ROW, f"{shown} cannot be given it: {_words(one)}")
        if isinstance(one, TimeoutError):
            return Failure(Kind.NOTHING, f"{shown} gave no answer within {timeout_secs:g} s")
        if isinstance(one, OSError):
            if _NO_TLS in str(one):
                return Failure(Kind.NOTHING, f"{shown} has no TLS: set it up there, or tls to another value")
            return Failure(Kind.NOTHING, f"{shown}: {why_not_opened(one, timeout_secs)}")
    return Failure(Kind.NOTHING, f"{shown}: the connection is gone")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what the driver's one under it was, and what that came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__


def _postgresql(shown: str, state: str, error: BaseException) -> Failure:
    if state in _LATER:
        return Failure(Kind.LATER, f"{shown}: {_LATER[state]}")
    if state in _NOTHING:
        return Failure(Kind.NOTHING, f"{shown} {_NOTHING[state]}")
    deepest = list(_chain(error))[-1]
    named = f"SQLSTATE {state}, {_words(deepest)}"
    if state.startswith(_ROW_CLASSES):
        where = getattr(deepest, "constraint_name", None) or getattr(deepest, "column_name", None)
        return Failure(Kind.ROW, f"{shown} refuses it: {named}{f' ({where})' if where else ''}")
    if state.startswith("08"):
        return Failure(Kind.NOTHING, f"{shown}: the connection is gone")
    return Failure(Kind.NOTHING, f"{shown} gave an error: {named}")


def _sqlite(shown: str, name: str, error: BaseException) -> Failure:
    said = " ".join(str(error).split())[:200]
    if name.startswith(_SQLITE_ROW):
        return Failure(Kind.ROW, f"{shown} refuses it: {said}")
    if name.startswith(_SQLITE_LATER):
        return Failure(Kind.LATER, f"{shown}: {said}")
    return Failure(Kind.NOTHING, f"{shown}: {said}")


def _words(error: BaseException) -> str:
    """The name of an error's class, as words."""
    return " ".join(_WORDS.findall(type(error).__name__)).lower().removesuffix(" error")
