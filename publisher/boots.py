"""Which run of Asterisk we talk to: tells a PBX restart from a blip of the link.

Two witnesses, because no single one is there on every version and for every user:
* `CoreStatus` answers `CoreStartupDate` and `CoreStartupTime` (Asterisk 1.6 and later; needs the class
  system or reporting). They are fixed at start, so equal texts mean the same run.
* `FullyBooted` carries `Uptime` in whole seconds (Asterisk 12 and later; needs read=system). Its start is
  only known to the second and moves with the clock, so it is compared with a tolerance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_TOLERANCE_US: Final = 5_000_000
# At most 300 years: anything else is made up.
_SECONDS: Final = re.compile("[0-9]{1,10}")


@dataclass(slots=True, frozen=True)
class Boot:
    """One run of Asterisk. `text` is empty and `started_us` 0 where the witness was not heard.

    `started_us` is in microseconds since the Unix epoch by this machine's clock.
    """

    text: str = ""
    started_us: int = 0

    def is_restart_after(self, earlier: Boot) -> bool:
        """True if this is surely another run than `earlier`; without a common witness False."""
        if self.text and earlier.text:
            return self.text != earlier.text
        if self.started_us and earlier.started_us:
            return self.started_us - earlier.started_us > _TOLERANCE_US
        return False


def boot_of_core_status(fields: Mapping[str, str | list[str]]) -> Boot:
    """The run that a CoreStatus answer names."""
    date, time = fields.get("CoreStartupDate", ""), fields.get("CoreStartupTime", "")
    if isinstance(date, str) and isinstance(time, str) and (date or time):
        # It is compared and stored: undecodable bytes would not come back as they were.
        return Boot(f"{date} {time}".strip().encode("utf-8", "replace").decode())
    return Boot()


def boot_of_fully_booted(fields: Mapping[str, str | list[str]], now_us: int) -> Boot:
    """The run that a FullyBooted event's Uptime names."""
    uptime = fields.get("Uptime", "")
    if isinstance(uptime, str) and _SECONDS.fullmatch(uptime):
        return Boot("", now_us - int(uptime) * 1_000_000)
    return Boot()
