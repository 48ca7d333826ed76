"""One regular expression of a filter: the only door to the `regex` module.

The meaning of a filter's pattern is that of `regex` with DOTALL, searched for anywhere in a text. Time limits
are those of `regex`: they count the processor's time of the whole process, so with several busy threads they
end earlier by the clock on the wall, never later than the processor was given.

A pattern may not make its compiler itself a danger: `regex` writes out fixed repeats, and
`(?:a{30000}){30000}` would take gigabytes. So what nested repeats multiply to is bounded before it is
compiled.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import regex  # type: ignore[import-untyped]

from consumers.errors import FilterInvalid
from consumers.filtering.forms import Form, form_of
from consumers.filtering.repeats import written_out

LONGEST_PATTERN: Final = 4096
MOST_WRITTEN_OUT: Final = 100_000
_SOURCES_KEPT: Final = 4096


class Pattern:
    """A compiled pattern. Immutable; equal sources give equal patterns."""

    __slots__ = ("_search", "form", "name", "source", "takes_nothing")

    def __init__(self, source: str, search: Any, form: Form) -> None:
        self.source = source
        self.form = form
        self._search = search
        self.name = sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        """What reports call it: of the source's hash, for a source can hold phone numbers."""
        try:
            self.takes_nothing = self.found_in("", timeout_secs=0.1)
        except TimeoutError:
            self.takes_nothing = False

    def found_in(self, text: str, timeout_secs: float, aside: bool = False) -> bool:
        """Whether the text holds it. Raises `TimeoutError`.

        `aside` lets other threads run meanwhile. A search of some microseconds is better done without: to get
        the interpreter back from a busy thread takes up to its switch interval, 5 ms.
        """
        try:
            return self._search(text, timeout=timeout_secs, concurrent=aside) is not None
        except MemoryError:
            # A group that calls itself without end, which takes a gigabyte a second.
            raise TimeoutError from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and other.source == self.source

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"Pattern({self.name})"


def compile_pattern(source: str, part: str = "regex") -> Pattern:
    """The pattern of a part of a filter. Raises `FilterInvalid` with the part and the position."""
    if len(source) > LONGEST_PATTERN:
        raise FilterInvalid(
            part, f"a pattern of {len(source):,} characters, at most {LONGEST_PATTERN:,} are allowed"
        )
    try:
        return _compiled(source)
    except regex.error as error:
        raise FilterInvalid(part, error.msg, error.pos) from None
    except _TooOften as error:
        raise FilterInvalid(part, str(error)) from None
    except (RecursionError, MemoryError, OverflowError):
        raise FilterInvalid(part, "the pattern nests too deep") from None


class _TooOften(Exception):
    """Repeats multiply to more than is compiled."""


@lru_cache(maxsize=_SOURCES_KEPT)
def _compiled(source: str) -> Pattern:
    size = written_out(source)
    if size > MOST_WRITTEN_OUT:
        raise _TooOften(f"its repeats make {size:,} of it, at most {MOST_WRITTEN_OUT:,} are allowed")
    return Pattern(source, regex.compile(source, regex.DOTALL).search, form_of(source))


def match_spans(source: str, text: str, timeout_secs: float) -> list[tuple[int, int]]:
    """Where a valid pattern stands in a text, for showing it. Raises `TimeoutError`."""
    compiled = regex.compile(source, regex.DOTALL)
    return [found.span() for found in compiled.finditer(text, timeout=timeout_secs)]
