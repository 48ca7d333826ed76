"""A channel's name, taken apart as far as calls need it.

SIP/202-0000019c  PJSIP/trunk-00000001  IAX2/office-4821  DAHDI/1-1     a device: whose it is
Local/202@from-queue-0000003f;2                                        half of a Local channel: nobody's
AsyncGoto/SIP/207-00000022  Parked/…  Bridge/…  Surrogate/…            a stand-in during a masquerade
SIP/207-00000022<MASQ>  AsyncGoto/SIP/207-00000022<ZOMBIE>             marks of a masquerade under way
Message/ast_msg_queue  CBAnn/610-00000001;1  Recorder/…                nobody: the PBX itself
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final


class ChannelKind(IntEnum):
    """What stands behind a channel."""

    DEVICE = 0
    LOCAL = 1
    STAND_IN = 2
    NOBODY = 3


_NOBODIES: Final = frozenset(
    {
        "message",
        "cbann",
        "cbrec",
        "confbridgerecorder",
        "announcer",
        "recorder",
        "snoop",
        "console",
        "voicemail",
    }
    | {"unicastrtp", "multicastrtp", "multicast_rtp", "websocket", "audiosocket"}
)
_STAND_INS: Final = frozenset({"asyncgoto", "bridge", "parked", "transfered", "surrogate"})
_MARKS = re.compile(r"(?:<[A-Z]+>)+\Z")
_SERIAL = re.compile(r"-[0-9a-fA-F]+\Z")
_SPAN = re.compile(r"\Ai?[0-9]+/")
MAX_NAME_LENGTH: Final = 256


@dataclass(slots=True, frozen=True)
class ChannelName:
    """`base`: without the marks. `peer`: the device's name, empty for what is no device. `zombie`: what a
    masquerade leaves behind; its end ends nobody's part in the call."""

    base: str
    kind: ChannelKind
    technology: str
    peer: str
    zombie: bool


def _read(name: str) -> ChannelName:
    base = _MARKS.sub("", name[:MAX_NAME_LENGTH])
    zombie = "<ZOMBIE>" in name[len(base) :]
    technology, slash, rest = base.partition("/")
    word = technology.lower()
    if not slash or word in _NOBODIES:
        return ChannelName(base, ChannelKind.NOBODY, technology, "", zombie)
    if word in _STAND_INS:
        return ChannelName(base, ChannelKind.STAND_IN, technology, "", zombie)
    if word == "local":
        return ChannelName(base, ChannelKind.LOCAL, technology, "", zombie)
    peer = _SERIAL.sub("", rest)
    if word in ("dahdi", "zap"):
        peer = _SPAN.sub("", peer)
    return ChannelName(base, ChannelKind.DEVICE, technology, peer, zombie)


_read_kept = lru_cache(maxsize=4096)(_read)


def channel_name(name: str) -> ChannelName:
    """The name taken apart. The 4,096 most recent answers are kept; of a name only 256 characters count."""
    return _read_kept(name) if len(name) <= MAX_NAME_LENGTH else _read(name)
