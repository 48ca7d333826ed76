"""The event filters of one session: `Action: Filter`, legacy and advanced.

Includes only: any match passes. Excludes only: any match drops. Both: includes first, then excludes. A
session takes at most 1,000 filters. The expressions are POSIX extended ones in Asterisk; Python's `re`
reads the common ones alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

MAX_FILTERS: Final = 1000
BAD_EXPRESSION: Final = "Filter did not compile.  Check the syntax of the filter given."
BAD_FORMAT: Final = "Filter format error"
_CRITERION: Final = re.compile(r"\s*(action|name|header|method)\(([^()]*)\)\s*(?:,|\Z)")
_METHODS: Final = ("none", "regex", "exact", "starts_with", "ends_with", "contains")


class FilterRefused(ValueError):
    """The message is Asterisk's answer."""


@dataclass(slots=True, frozen=True)
class Filter:
    """One filter: for an event of that name (any if empty), compare a header's value or the whole payload."""

    include: bool
    name: str
    header: str
    method: str
    expression: str
    regex: re.Pattern[str] | None

    def matches(self, text: str) -> bool:
        if self.name and not text.startswith(f"Event: {self.name}\r\n"):
            return False
        if self.method == "none":
            return True
        if self.header:
            prefix = f"{self.header}:".lower()
            lines = (line for line in text.split("\r\n") if line.lower().startswith(prefix))
            return any(self._compare(line[len(prefix) :].lstrip(" ")) for line in lines)
        return self._compare(text)

    def _compare(self, value: str) -> bool:
        match self.method:
            case "regex":
                assert self.regex is not None
                return self.regex.search(value) is not None
            case "exact":
                return value == self.expression
            case "starts_with":
                return value.startswith(self.expression)
            case "ends_with":
                return value.endswith(self.expression)
            case _:
                return self.expression in value


@dataclass(slots=True)
class Filters:
    """All filters of a session; an empty set passes everything."""

    includes: list[Filter] = field(default_factory=list)
    excludes: list[Filter] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.includes or self.excludes)

    def add(self, expression: str, criteria: str | None) -> None:
        """Add a filter; `criteria` is its `MatchCriteria`, None for a legacy one. Raises `FilterRefused`."""
        if len(self.includes) + len(self.excludes) >= MAX_FILTERS:
            raise FilterRefused("Internal Error. Failed to add filter.")
        added = _legacy(expression) if criteria is None else _advanced(criteria, expression)
        (self.includes if added.include else self.excludes).append(added)

    def passes(self, event: bytes) -> bool:
        """Whether an event goes to the session."""
        text = event.decode("utf-8", "surrogateescape")
        if self.includes and not any(one.matches(text) for one in self.includes):
            return False
        return not any(one.matches(text) for one in self.excludes)


def _legacy(expression: str) -> Filter:
    include = not expression.startswith("!")
    return Filter(include, "", "", "regex", "", _compiled(expression if include else expression[1:]))


def _advanced(criteria: str, expression: str) -> Filter:
    found: dict[str, str] = {}
    place = 0
    while place < len(criteria):
        match = _CRITERION.match(criteria, place)
        if match is None or match[1] in found:
            raise FilterRefused(BAD_FORMAT)
        found[match[1]] = match[2].strip()
        place = match.end()
    action, method = found.get("action", "include"), found.get("method", "none")
    name, header = found.get("name", ""), found.get("header", "")
    # What Asterisk refuses too: a method without an expression and the reverse, or nothing to go by.
    if action not in ("include", "exclude") or method not in _METHODS:
        raise FilterRefused(BAD_FORMAT)
    if (method == "none") != (not expression) or not (name or header or expression):
        raise FilterRefused(BAD_FORMAT)
    regex = _compiled(expression) if method == "regex" else None
    return Filter(action == "include", name, header, method, expression, regex)


def _compiled(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression, re.DOTALL)
    except (re.error, OverflowError) as error:
        raise FilterRefused(BAD_EXPRESSION) from error
