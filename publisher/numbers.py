"""Numbers: what in a header's value is an extension or a telephone number, and how it is written.

A number is ASCII digits, with a leading `+` kept and the `*` and `#` of feature codes kept; at least one
digit, at most 32 characters. So `+74959400835` and `74959400835` are two numbers: which of them a trunk
delivers is the operator's dialplan, not ours to guess. What people write around digits is dropped: spaces,
dashes, brackets. `"Agent 227" <227>` and `sip:227@10.0.0.5` are read as 227.

Not numbers: an empty value, what Asterisk writes for an unknown one (`<unknown>`, `unknown`, `none`,
`anonymous`; 11 writes `unknown` in queue events), the dialplan's special extensions (`s`, `h`, `i`, `t`, …),
patterns (`_2XX`), host names, addresses and any other text.
"""

from __future__ import annotations

import re
from typing import Final

MAX_NUMBER_LENGTH: Final = 32

# Words that stand where a party could, and name none.
UNKNOWN_PARTIES: Final = frozenset(
    {"", "unknown", "<unknown>", "none", "<none>", "null", "<null>", "(null)", "n/a", "-", "anonymous"}
    | {"restricted", "unavailable", "private", "withheld", "asterisk"}
)
# Extensions with a meaning of their own to Asterisk's dialplan.
SPECIAL_EXTENSIONS: Final = frozenset({"s", "h", "i", "t", "o", "a", "e", "fax", "talk", "failed"})

_WRITTEN_AROUND_DIGITS = re.compile(r"[ \t\xa0()\[\]-]+")
_NUMBER = re.compile(r"\+?[*#]*[0-9][0-9*#]*")
_SCHEMES: Final = ("sip:", "sips:", "tel:")


def plain_number(text: str) -> str:
    """The text itself where it is a number as it stands, else empty: nothing is dropped or unwrapped."""
    return text if len(text) <= MAX_NUMBER_LENGTH and _NUMBER.fullmatch(text) else ""


def number(text: str) -> str:
    """The number that a header's value gives, or empty.

    >>> number('"Agent 227" <227>'), number("+7 (495) 940-08-35"), number("*97"), number("<unknown>")
    ('227', '+74959400835', '*97', '')
    """
    if text.isdigit() and text.isascii() and len(text) <= MAX_NUMBER_LENGTH:
        return text
    if text.endswith(">"):
        text = text[text.rfind("<") + 1 : -1]
    text = text.strip()
    if text[:5].lower().startswith(_SCHEMES):
        text = text.partition(":")[2].partition(";")[0]
    text = _WRITTEN_AROUND_DIGITS.sub("", text.partition("@")[0])
    return plain_number(text)
