"""Phone numbers in texts that people read: their last four digits are enough to recognise one.

Two rules, because they serve two readers.

* The audit holds what clients and the PBX write, and little else that is a number: there `mask_strictly` cuts
  every run of five digits and more, whatever stands beside it and however it is grouped. It errs towards
  hiding. What must stay whole (the id, the time) the audit leaves out of it.
* The log is read for addresses, versions, paths, times and epochs, and a mask that hides these hides the
  trouble. There `mask_numbers` cuts what is none of them: five and six digits that stand alone, and from
  seven on also those next to letters and in groups, with dots from ten on. Fewer in groups or next to a
  letter are no full number; seven to nine digits with dots alone (`123.45.67`) look like a version, and stay.
"""

from __future__ import annotations

import re
from typing import Final

# What people write between a number's digits; the dot is one more, except where versions and addresses are.
_BETWEEN: Final = " ()\\-\u00a0\u202f\u2010-\u2015\u2212"
_STRICT: Final = re.compile(
    # The extension in a channel's name stays: `PJSIP/200-0000001a`. Its last part is cut like a number.
    r"(?P<kept>(?<=[A-Za-z0-9]/)\d{1,4}(?=-[0-9a-f]{8}(?![0-9A-Za-z])))"
    rf"|\+?\d(?:[{_BETWEEN}.]{{0,3}}\d){{4,}}"
)

_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_ADDRESS: Final = rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?!\w|\.\d)"
_NUMBER: Final = re.compile(
    r"(?P<kept>"
    rf"{_ADDRESS}(?::\d{{1,5}}(?!\d))?"
    # A time; a Uniqueid, that begins with an epoch of these decades; an epoch in a message's id.
    r"|(?<!\d)\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?![\d.])"
    r"|(?<!\d)\d\d:\d\d:\d\d\.\d{1,9}(?!\d)"
    r"|(?<![\d.])1[5-9]\d{8}\.\d{1,7}(?![\d.])"
    r"|(?<=\w:)1[5-9]\d{11}(?=:\d)"
    # Random ids.
    r"|(?<![0-9A-Za-z])[0-9a-f]{32}(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9A-Za-z])"
    # The extension in a channel's name.
    r"|(?<=[A-Za-z0-9]/)\d{1,4}(?=-[0-9a-f]{8}(?![0-9A-Za-z]))"
    r")"
    rf"|\+?\d(?:[{_BETWEEN}.]{{0,3}}(?!{_ADDRESS})\d){{6,}}"
    # Alone; a port after a host's name has five digits at most.
    r"|(?<![\w.:])\+?\d{5,6}(?!\w|[.:]\d)"
)
_DOTTED_DIGITS: Final = 10
_LONG: Final = re.compile(rf"\d(?:[{_BETWEEN}]{{0,3}}\d){{6,}}")
_ALONE: Final = re.compile(r"(?<![\w.])\d{5,6}(?![\w.])")


def mask_strictly(text: str) -> str:
    """No run of more than four digits is left: `tel=n8 (916) 123-45-67` → `tel=n***45-67`. For the audit."""
    return _STRICT.sub(_cut, text)


def mask_numbers(text: str) -> str:
    """`74951234567` → `***4567`; addresses, versions, times and Uniqueids stay. For logs."""
    return _NUMBER.sub(_cut_a_phone_number, text)


def _cut(found: re.Match[str]) -> str:
    if found.lastgroup == "kept":
        return found[0]
    text = found[0]
    start, left = len(text), 4
    while left:
        start -= 1
        left -= text[start].isdigit()
    return "***" + text[start:]


def _cut_a_phone_number(found: re.Match[str]) -> str:
    text = found[0]
    if found.lastgroup == "kept" or "." not in text:
        return _cut(found)
    digits = sum(map(str.isdigit, text))
    if digits >= _DOTTED_DIGITS and (text.count(".") > 1 or any(sign in text for sign in " ()-")):
        return _cut(found)
    # A fraction, a version, a short number that ends a sentence: each piece counts for itself.
    return _ALONE.sub(_cut, _LONG.sub(_cut, text))
