"""A leg: one device's part in a call. It goes by the channel's name, which stays with the device.

A masquerade gives a device's name to another channel (another Uniqueid). The leg follows its name: who speaks
goes on speaking, whatever channel carries it. What belongs to the place that it takes (the bridge, being the
one that was dialled) is taken over by the switchboard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from consumers.calls.channel_name import ChannelKind
from schemas.call_event import Party

if TYPE_CHECKING:
    from consumers.calls.call import Call

RINGING: Final = "ringing"
ANSWERED: Final = "answered"

_NUMBER = re.compile(r"\+?[*#]*[0-9][0-9*#]{0,31}")
_UNKNOWN: Final = frozenset({"", "<unknown>", "unknown", "<null>", "none", "anonymous"})


@dataclass(slots=True, eq=False)
class Leg:
    """One leg. `dialled`: somebody or a command rang it; `result`: how that went. `bridge`: where it is."""

    name: str
    kind: ChannelKind
    peer: str
    uniqueid: str
    call: Call
    linkedid: str = ""
    caller_id: str = ""
    caller_name: str = ""
    exten: str = ""
    dial_string: str = ""
    bridge: str = ""
    result: str = ""
    trunk: bool = False
    incoming: bool = False
    dialled: bool = False
    up: bool = False

    @property
    def device(self) -> bool:
        return self.kind == ChannelKind.DEVICE

    @property
    def number(self) -> str:
        """The extension where the device is one, else what was dialled or who it says that it is."""
        if not self.trunk and _NUMBER.fullmatch(self.peer):
            return self.peer
        if self.dialled and (dialled := _number_in(self.dial_string)):
            return dialled
        if self.caller_id.lower() not in _UNKNOWN:
            return self.caller_id
        return "" if self.trunk else self.peer

    @property
    def party(self) -> Party:
        name = "" if self.caller_name.lower() in _UNKNOWN else self.caller_name
        return Party(self.number, name, self.name)


def _number_in(dial_string: str) -> str:
    """What a dial string dials through a trunk: `trunk/8916…`, `8916…@trunk`, `trunk/sip:8916…@host`."""
    number = dial_string.rpartition("/")[2].partition("@")[0].removeprefix("sip:")
    return number if _NUMBER.fullmatch(number) else ""
