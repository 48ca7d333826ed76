"""Arguments as Asterisk takes them apart: commas part them, but not within quotes or brackets.

The rules of `AST_STANDARD_APP_ARGS` (main/app.c): quotes are removed, a backslash makes the next character
plain and is removed, brackets stay. The `Variable` headers of Originate are read with them (main/manager.c),
at most 64 arguments a header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

MAX_ARGUMENTS: Final = 64


def separate(text: str, most: int = MAX_ARGUMENTS) -> list[str]:
    """The arguments of a text; the last of `most` holds the rest as it stands."""
    arguments: list[str] = []
    place, depth = 0, {"(": 0, "[": 0}
    quoted = ended = False
    while place < len(text) and len(arguments) < most - 1:
        argument, ended = "", False
        while place < len(text):
            sign = text[place]
            place += 1
            if sign == "\\":
                argument += text[place : place + 1]
                place += 1
            elif sign == '"':
                quoted = not quoted
            elif sign == "," and not quoted and not any(depth.values()):
                ended = True
                break
            else:
                if sign in depth:
                    depth[sign] += 1
                elif opening := {")": "(", "]": "["}.get(sign):
                    depth[opening] = max(0, depth[opening] - 1)
                argument += sign
        arguments.append(argument)
    if place < len(text) or ended:
        arguments.append(text[place:])
    return arguments


def originate_variables(headers: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names and values of `Variable` headers; what has no `=` or no name is passed over."""
    for header in headers:
        for argument in separate(header.lstrip()):
            name, sign, value = argument.partition("=")
            if sign and name:
                yield name, value
