"""What a verb prints: JSON lines for programs, prose for people, trouble on standard error.

Whatever it is made of, nothing of it steers the terminal on which it is read.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final

from publisher.escaping import escape_json, escape_prose

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def json_line(value: Any) -> bytes:
    """One JSON object with its line end, in UTF-8; bytes that fit no encoding become U+FFFD."""
    text = escape_json(_encode(value))
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text).encode() + b"\n"


def print_json(value: Any) -> None:
    """One JSON line, at once."""
    print_lines([json_line(value)])


def print_lines(lines: list[bytes]) -> None:
    """Finished lines in one write."""
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(lines))
    sys.stdout.buffer.flush()


def for_people() -> bool:
    """Whether somebody looks at standard output: else it is JSON lines."""
    return sys.stdout.isatty()


def say(text: str) -> None:
    """A line of prose for people; nothing that a program would read."""
    print(escape_prose(text), flush=True)


def warn(text: str) -> None:
    """Trouble or progress, on standard error: one prefix a line."""
    for line in text.splitlines() or [""]:
        print(f"amibus: {escape_prose(line)}", file=sys.stderr, flush=True)
