"""A caller ID as Asterisk reads it (main/callerid.c): `"Name" <number>`, a number alone, or a name alone."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(r"[0-9*#+]+")


def parse_caller_id(text: str) -> tuple[str | None, str | None]:
    """Number and name; None for what is not there."""
    whole = text.strip()
    bare = _unquoted(whole)
    if "<" in bare:
        name, _, location = bare.rpartition("<")
        number = location.rpartition(">")[0] if ">" in location else location
        return _shrunk(number) or None, _unescaped(_unquoted(name.strip())) or None
    if bare == whole and _NUMBER.fullmatch(number := _shrunk(bare)):
        return number, None
    return None, _unescaped(bare) or None


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _unescaped(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def _shrunk(number: str) -> str:
    """Without the spaces, hyphens, brackets and dots that people write; a last dot stays."""
    kept = re.sub(r"[-() ]", "", number)
    return re.sub(r"\.(?=.)", "", kept)
