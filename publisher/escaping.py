"""Texts of others (a PBX, a client, whoever writes into a queue) that must not steer a terminal. Pure.

Control characters are written as escapes, and so is what reorders a line or ends it for some readers
(U+2028, U+2029, the bidirectional controls) or fits no encoding (lone surrogates).
"""

from __future__ import annotations

import re
from typing import Final

_STEERING: Final = "\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_PROSE: Final = re.compile(f"[\\x00-\\x09\\x0b-\\x1f{_STEERING}]")
# The controls below U+0020 are escaped in JSON already; surrogates are the encoder's.
_IN_JSON: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def escape_prose(text: str) -> str:
    r"""The text with `\x1b` for ESC and so on; line feeds stay."""
    return _IN_PROSE.sub(_escaped, text)


def escape_json(text: str) -> str:
    r"""The same JSON, with U+009B, which JSON lets stand, as `\u009b` and so on."""
    return _IN_JSON.sub(_escaped_in_json, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _escaped_in_json(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
