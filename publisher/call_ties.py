"""Which headers of which events tie channels into one call: the table of calls.py.

From Asterisk's documented events (12 to 22), the sources of 1.8 to 11 and the recordings. A row holds, for
each channel, the headers of its Uniqueid, Linkedid and name; header names are those that Asterisk writes.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class ChannelHeaders(NamedTuple):
    """The headers of one channel in one event."""

    uniqueid: str
    linkedid: str
    channel: str


def _snapshot(prefix: str) -> ChannelHeaders:
    return ChannelHeaders(f"{prefix}Uniqueid", f"{prefix}Linkedid", f"{prefix}Channel")


OWN_CHANNEL: Final = _snapshot("")
_DEST: Final = _snapshot("Dest")
_LOCAL: Final = (_snapshot("LocalOne"), _snapshot("LocalTwo"))
_PARKEE: Final = _snapshot("Parkee")
_PAIR: Final = (
    ChannelHeaders("Uniqueid1", "", "Channel1"),
    ChannelHeaders("Uniqueid2", "", "Channel2"),
)

TIED_CHANNELS: Final[dict[str, tuple[ChannelHeaders, ...]]] = {
    # >= 12
    "AgentCalled": (OWN_CHANNEL, _DEST),
    "AgentComplete": (OWN_CHANNEL, _DEST),
    "AgentConnect": (OWN_CHANNEL, _DEST),
    "AgentDump": (OWN_CHANNEL, _DEST),
    "AgentRingNoAnswer": (OWN_CHANNEL, _DEST),
    "AttendedTransfer": (
        *(_snapshot("OrigTransferer"), _snapshot("SecondTransferer"), _snapshot("Transferee")),
        *(_snapshot("TransferTarget"), *_LOCAL),
    ),
    "BlindTransfer": (_snapshot("Transferer"), _snapshot("Transferee")),
    "DialBegin": (OWN_CHANNEL, _DEST),
    "DialEnd": (OWN_CHANNEL, _DEST),
    "DialState": (OWN_CHANNEL, _DEST),
    "LocalOptimizationBegin": (*_LOCAL, _snapshot("Source")),
    "LocalOptimizationEnd": _LOCAL,
    "ParkedCallSwap": (_PARKEE, _snapshot("Parker")),
    "Pickup": (OWN_CHANNEL, _snapshot("Target")),
    "UnParkedCall": (OWN_CHANNEL, _PARKEE, _snapshot("Retriever")),
    # <= 11
    "Bridge": _PAIR,
    "Dial": (
        ChannelHeaders("UniqueID", "", "Channel"),
        ChannelHeaders("DestUniqueID", "", "Destination"),
    ),
    "Transfer": (OWN_CHANNEL, ChannelHeaders("TargetUniqueid", "", "TargetChannel")),
    # both
    "LocalBridge": (*_LOCAL, *_PAIR),
}

# Events of <= 11 that name channels without their Uniqueids.
TIED_BY_NAME: Final[dict[str, tuple[str, ...]]] = {
    "AgentCalled": ("DestinationChannel",),
    "BridgeAction": ("Channel1", "Channel2"),
    "BridgeExec": ("Channel1", "Channel2"),
    "Masquerade": ("Clone", "Original"),
    "Pickup": ("Channel", "TargetChannel"),
    "UnParkedCall": ("From",),
}

# Where an event that ties nobody says which channel it is about.
OWN_HEADERS: Final = (OWN_CHANNEL, ChannelHeaders("UniqueID", "LinkedID", "Channel"))
NAMING_EVENTS: Final[dict[str, tuple[ChannelHeaders, ...]]] = {
    **TIED_CHANNELS,
    "ChanSpyStart": (_snapshot("Spyer"),),
    "ChanSpyStop": (_snapshot("Spyer"),),
    "ParkedCall": (_PARKEE, *OWN_HEADERS),
    "ParkedCallGiveUp": (_PARKEE, *OWN_HEADERS),
    "ParkedCallTimeOut": (_PARKEE, *OWN_HEADERS),
    "VoicemailUserEntry": (),  # its UniqueID is a mailbox's
}

# The commonest events without a channel, so that they are not searched for one.
CALLESS: Final = frozenset(
    {
        "ChallengeSent",
        "ContactStatus",
        "DeviceStateChange",
        "ExtensionStatus",
        "InvalidPassword",
        "PeerStatus",
    }
    | {
        "PresenceStateChange",
        "QueueMemberAdded",
        "QueueMemberPause",
        "QueueMemberPaused",
        "QueueMemberPenalty",
    }
    | {"QueueMemberRemoved", "QueueMemberStatus", "SuccessfulAuth"}
)

# Where the Linkedid stands in an event that has no header of that very name.
OTHER_LINKEDIDS: Final[dict[str, str]] = {
    "AttendedTransfer": "OrigTransfererLinkedid",
    "BlindTransfer": "TransfererLinkedid",
    "CEL": "LinkedID",
    "ChanSpyStart": "SpyerLinkedid",
    "ChanSpyStop": "SpyerLinkedid",
    "DialBegin": "DestLinkedid",
    "DialEnd": "DestLinkedid",
    "DialState": "DestLinkedid",
    "LocalBridge": "LocalOneLinkedid",
    "LocalOptimizationBegin": "LocalOneLinkedid",
    "LocalOptimizationEnd": "LocalOneLinkedid",
    "ParkedCall": "ParkeeLinkedid",
    "ParkedCallGiveUp": "ParkeeLinkedid",
    "ParkedCallSwap": "ParkeeLinkedid",
    "ParkedCallTimeOut": "ParkeeLinkedid",
    "UnParkedCall": "ParkeeLinkedid",
}
