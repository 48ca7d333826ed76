"""How Asterisk of a given age speaks: greeting, channel technology, and the shape of its lists.

Taken from what real servers sent: 11.25.3 with chan_sip, 20.20.1 with chan_sip, 22.10.1 with chan_pjsip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(slots=True, frozen=True)
class Style:
    """One age of Asterisk. `modern` is 12 and later: channel snapshots, Linkedid, `EventList` everywhere."""

    asterisk_version: str
    ami_version: str
    tech: str
    modern: bool
    advanced_filters: bool

    @property
    def banner(self) -> bytes:
        return f"Asterisk Call Manager/{self.ami_version}\r\n".encode("ascii")


STYLES: Final = {
    "11": Style("11.25.3", "1.3", "SIP", modern=False, advanced_filters=False),
    "20": Style("20.20.1", "9.0.0", "SIP", modern=True, advanced_filters=True),
    "22": Style("22.10.1", "11.0.0", "PJSIP", modern=True, advanced_filters=True),
}


def style_of_banner(banner: bytes) -> Style | None:
    """The style whose greeting a recorded one equals in age, or None: `1.x` is 11, `11.x` is 22, else 20."""
    head = b"Asterisk Call Manager/"
    if not banner.startswith(head):
        return None
    major = banner[len(head) :].split(b".")[0].strip()
    if not major.isdigit():
        return None
    return STYLES["11" if int(major) < 2 else "22" if int(major) >= 11 else "20"]
