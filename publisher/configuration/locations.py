"""On which line of a TOML file a key stands. `tomllib` does not say.

A line scanner, not a second TOML parser: it follows table headers, keys, and what spans several lines
(multi-line strings, arrays). It is right for every file that `tomllib` accepts as far as tables and keys
at the start of a line go; a key inside an inline table or an array gets the line of the nearest key
outside it. It is used for messages only.
"""

from __future__ import annotations

import re
from typing import Final

Path = tuple[str | int, ...]

_HEADER: Final = re.compile(r"\s*(\[\[?)([^\[\]]*)(\]\]?)")
_KEY_PART: Final = re.compile(r"""\s*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')\s*""")
# What may open, close or hide structure inside a value; a comment ends the line.
_TOKEN: Final = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*|[\[\]{}]')


class Locations:
    """Line numbers (from 1) of the keys and tables of one file."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._scan(text.split("\n"))

    def line_of(self, path: Path) -> int | None:
        """The line of a key, else of the nearest table around it, else None."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return None

    def __contains__(self, path: object) -> bool:
        """Whether the key or table itself begins a line of the file."""
        return path in self._lines

    def _scan(self, lines: list[str]) -> None:
        table: Path = ()
        counts: dict[Path, int] = {}
        quote, depth = "", 0
        for number, line in enumerate(lines, 1):
            if quote or depth:
                quote, depth = _follow(line, quote, depth)
                continue
            if header := _HEADER.match(line):
                table = _resolve(_parts(header[2])[0], counts)
                if header[1] == "[[":
                    index = counts.get(table, 0)
                    counts[table] = index + 1
                    self._lines.setdefault(table, number)
                    table = (*table, index)
                self._lines.setdefault(table, number)
                continue
            parts, end = _parts(line)
            if parts and line[end : end + 1] == "=":
                self._lines.setdefault((*table, *parts), number)
                quote, depth = _follow(line[end + 1 :], "", 0)


def _parts(text: str) -> tuple[Path, int]:
    """The dotted key at the start of a text, and where it ends."""
    parts: list[str | int] = []
    end = 0
    while match := _KEY_PART.match(text, end):
        parts.append(match[1] or match[2] or match[3] or "")
        end = match.end()
        if text[end : end + 1] != ".":
            break
        end += 1
    return tuple(parts), end


def _resolve(parts: Path, counts: dict[Path, int]) -> Path:
    """The path of a table header: a name that is an array of tables means its last element."""
    path: Path = ()
    for place, part in enumerate(parts):
        path = (*path, part)
        if place < len(parts) - 1 and path in counts:
            path = (*path, counts[path] - 1)
    return path


def _follow(text: str, quote: str, depth: int) -> tuple[str, int]:
    """What stays open at the end of a line of a value: a multi-line string's quotes, brackets."""
    place = 0
    while place <= len(text):
        if quote:
            end = text.find(quote, place)
            if end < 0:
                return quote, depth
            place, quote = end + 3, ""
            continue
        match = _TOKEN.search(text, place)
        if match is None:
            break
        token, place = match[0], match.end()
        if token in ('"""', "'''"):
            quote = token
        elif token in "[{":
            depth += 1
        elif token in "]}":
            depth = max(0, depth - 1)
    return quote, depth
