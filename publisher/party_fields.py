"""Party fields: the one table of which header of which event names a party, and how it is read from it.

A party is an extension, a number, or a peer that takes part in what the event reports. `FIELDS` holds the
default for every event, in the order in which the parties of an event are listed; `EXCEPTIONS` holds what
is different for one event. Header names are matched without regard to case, because they differ between
events and versions (Uniqueid/UniqueID, CallerIDnum/CallerIDNum, Dialstring/DialString).

Order, so that the first routing key is the one an event is most likely looked for by:
1. the event's own channel, then the other channels (Channel1/2, Dest…, Transferer…, …);
2. devices, members, peers, hints, dial strings;
3. numbers: the caller's, the connected line's, the dialled one, then those of the other channels;
4. places: parking space, conference, queue (FreePBX numbers them).

Decisions on the doubtful ones
* Names (CallerIDName, MemberName as free text) are not parties. MemberName and a queue member's Name are
  read as devices: by default Asterisk fills them with `SIP/205`, and free text then gives nothing.
* VarSet concerns the channel it is set on; its Value is read only for the variables in `VARIABLES`, by which
  Asterisk names the other party. A CRM number that a dialplan keeps in a variable is no party.
* AppData, LastData, ApplicationData and Data are read only for the applications in `APPLICATIONS`:
  `Dial` with `SIP/208,20,tT` rings 208, `Hangup` with `17` concerns nobody called 17.
* AccountID of the security events is a SIP account (its number) or an AMI user (text, so nobody).
* Parkinglot's StartSpace and StopSpace are extensions of the lot, which a parking panel is bound to.
* BridgedChannel of 11's AgentConnect holds a Uniqueid: without a technology it names nobody.
* UserEvent carries whatever a dialplan writes. Besides the channel's snapshot and Exten only the headers in
  its exception rows are read.
* Not parties although they may hold such digits: TechCause, SentPackets, SSRC, hashes, SessionID, Position.

Fields seen: `../shared/traces/extension-fields.md` of the project's recordings; Asterisk's documented events
(1.8 to 22) for those that no recording holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

NUMBER: Final = "number"  # a number or a "Name" <number> form
CHANNEL: Final = "channel"  # a channel's name
CHANNELS: Final = "channels"  # a comma list of them
DEVICE: Final = "device"  # a device's or hint's name, or several
PEER: Final = "peer"  # a peer's name without its technology
DIALLED: Final = "dialled"  # a dial string


@dataclass(slots=True, frozen=True)
class Rule:
    """How a party is read. `argument` >= 0: the value is an application's arguments, and this one counts."""

    form: str
    argument: int = -1


@dataclass(slots=True, frozen=True)
class Guard:
    """A header that is read only where another one, `header`, has one of these values."""

    header: str
    rules: dict[str, Rule]


_NUMBER: Final = Rule(NUMBER)
_CHANNEL: Final = Rule(CHANNEL)
_CHANNELS: Final = Rule(CHANNELS)
_DEVICE: Final = Rule(DEVICE)
_PEER: Final = Rule(PEER)
_DIALLED: Final = Rule(DIALLED)

# Variables by which Asterisk names the other party, and FreePBX's for the number dialled from outside.
VARIABLES: Final = {
    "BRIDGEPEER": _CHANNELS,
    "DIALEDPEERNAME": _CHANNEL,
    "DIALEDPEERNUMBER": _DIALLED,
    "BLINDTRANSFER": _CHANNEL,
    "ATTENDEDTRANSFER": _CHANNEL,
    "TRANSFERERNAME": _CHANNEL,
    "FORWARDERNAME": _CHANNEL,
    "MEMBERINTERFACE": _DEVICE,
    "PARKER": _DEVICE,
    "PARKING_SPACE": _NUMBER,
    "FROM_DID": _NUMBER,
}

APPLICATIONS: Final = {
    "Dial": Rule(DIALLED, 0),
    "RetryDial": Rule(DIALLED, 3),
    "Page": Rule(DIALLED, 0),
    "Originate": Rule(DIALLED, 0),
    "FollowMe": Rule(NUMBER, 0),
    "Queue": Rule(NUMBER, 0),
    "ConfBridge": Rule(NUMBER, 0),
    "MeetMe": Rule(NUMBER, 0),
    "ParkedCall": Rule(NUMBER, 0),
    "Pickup": Rule(NUMBER, 0),
    "VoiceMail": Rule(NUMBER, 0),
    "Transfer": Rule(DIALLED, 0),
    "Bridge": Rule(CHANNEL, 0),
    "ChanSpy": Rule(DEVICE, 0),
    "ExtenSpy": Rule(NUMBER, 0),
    "AddQueueMember": Rule(DEVICE, 1),
    "RemoveQueueMember": Rule(DEVICE, 1),
    "PauseQueueMember": Rule(DEVICE, 1),
    "UnpauseQueueMember": Rule(DEVICE, 1),
}

# Prefixes of the second and further channels whose snapshots an event carries, in the order of listing.
_OTHERS: Final = (
    *("Dest", "LocalOne", "LocalTwo", "Transferer", "Transferee", "OrigTransferer", "SecondTransferer"),
    *("TransferTarget", "Parkee", "Parker", "Retriever", "Spyer", "Spyee", "Source", "Target"),
    *("DestTransferer", "DestLocalOne", "DestLocalTwo"),
)
_NUMBERS_OF_A_CHANNEL: Final = ("CallerIDNum", "ConnectedLineNum", "Exten")

FIELDS: Final[tuple[tuple[str, Rule], ...]] = (
    *((name, _CHANNEL) for name in ("Channel", "Channel1", "Channel2", "Clone", "Original", "Newname")),
    *((name, _CHANNEL) for name in ("Oldname", "Destination", "DestinationChannel", "BridgedChannel")),
    *((name, _CHANNEL) for name in ("ChannelCalling", "TalkingToChan", "LoggedInChan", "Loginchan")),
    *((prefix + "Channel", _CHANNEL) for prefix in _OTHERS),
    *((name, _DEVICE) for name in ("Device", "Interface", "Location", "StateInterface", "Member")),
    *((name, _DEVICE) for name in ("MemberName", "AgentCalled", "Peer", "Hint", "ParkerDialString")),
    *((name, _DEVICE) for name in ("Presentity",)),
    *((name, _DIALLED) for name in ("DialString", "Forward")),
    *((name, _PEER) for name in ("Peername", "EndpointName", "AOR")),
    *((name, _NUMBER) for name in ("CallerIDNum", "CallerID", "CallerID1", "CallerID2", "Source")),
    *((name, _NUMBER) for name in ("ConnectedLineNum", "Exten", "Extension", "TransferExten")),
    *((prefix + name, _NUMBER) for prefix in _OTHERS for name in _NUMBERS_OF_A_CHANNEL),
    *((name, _NUMBER) for name in ("CallerIDani", "CallerIDrdnis", "CallerIDdnid", "DNID")),
    *((name, _NUMBER) for name in ("EffectiveConnectedLineNum", "TalkingToNum", "TalkingTo", "Agent")),
    *((name, _NUMBER) for name in ("AccountID", "Mailbox", "VoiceMailbox", "ParkingSpace", "StartSpace")),
    *((name, _NUMBER) for name in ("StopSpace", "Conference", "Meetme", "BridgeName", "Queue")),
)

# Keyed by event and header in lower case; None: not a party in this event.
EXCEPTIONS: Final[dict[tuple[str, str], Rule | Guard | None]] = {
    ("cdr", "destination"): _NUMBER,
    ("cdr", "lastdata"): Guard("LastApplication", APPLICATIONS),
    ("cel", "peer"): _CHANNEL,
    ("cel", "appdata"): Guard("Application", APPLICATIONS),
    ("coreshowchannel", "applicationdata"): Guard("Application", APPLICATIONS),
    ("endpointdetail", "objectname"): _PEER,
    ("endpointlist", "objectname"): _PEER,
    ("listdialplan", "appdata"): Guard("Application", APPLICATIONS),
    ("listdialplan", "application"): _DEVICE,  # the `hint` priority lists its device here
    ("newexten", "appdata"): Guard("Application", APPLICATIONS),
    ("originateresponse", "data"): Guard("Application", APPLICATIONS),
    ("parkedcall", "from"): _CHANNEL,
    ("parkedcalltimeout", "from"): _CHANNEL,
    ("peerentry", "objectname"): _PEER,
    ("queuemember", "name"): _DEVICE,
    ("sipqualifypeerdone", "peer"): _PEER,
    ("status", "data"): Guard("Application", APPLICATIONS),
    ("unparkedcall", "from"): _CHANNEL,
    ("userevent", "called"): _NUMBER,
    ("userevent", "callee"): _NUMBER,
    ("userevent", "caller"): _NUMBER,
    ("userevent", "num"): _NUMBER,
    ("userevent", "number"): _NUMBER,
    ("userevent", "phone"): _NUMBER,
    ("varset", "value"): Guard("Variable", VARIABLES),
}

_DEFAULTS: Final = {name.lower(): (rank, rule) for rank, (name, rule) in enumerate(FIELDS)}
# What only some events have comes before the places and after everything else that the defaults list.
_RANK_OF_EXCEPTIONS: Final = _DEFAULTS["effectiveconnectedlinenum"][0]


@lru_cache(maxsize=8192)
def party_field(event: str, header: str) -> tuple[int, Rule | Guard] | None:
    """The rank and rule of one header of one event, None where it names no party.

    Both names as Asterisk wrote them. The 8,192 most recent answers are cached: a PBX has some 1,500 pairs of
    names, so only made-up ones (UserEvent) fall out. Ask for names of ordinary length only.
    """
    folded = header.lower()
    rank, rule = _DEFAULTS.get(folded, (_RANK_OF_EXCEPTIONS, None))
    exception = EXCEPTIONS.get((event.lower(), folded), rule)
    return None if exception is None else (rank, exception)
