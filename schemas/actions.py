"""The typed actions: what a client may ask of a PBX, field by field. The one table of them.

Names are those of the AMI, in any case: an action is called as Asterisk calls it (`AttendedTransfer` for its
`Atxfer`), a field as the header that it becomes. Two things have no header of their own:
* `Originate.Phone` is a person's phone by its extension; the operator's policy says which channel that is.
* `Variable` and the `Headers` of a UserEvent are maps.

Everything else that Asterisk knows can only be sent raw (`schemas.command`), where the operator's policy
names that action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from schemas.action_fields import (
    APPLICATION,
    CHANNEL,
    CONTEXT,
    DIGIT,
    EXTENSION,
    HEADER,
    INTERFACE,
    MAILBOX,
    OBJECT,
    PARKING_LOT,
    PHONE,
    PRESENTITY,
    QUEUE,
    RECORDING,
    RECORDING_ID,
    RECORDING_OPTIONS,
    USER_EVENT,
    VARIABLE,
    CallerId,
    Flag,
    Kind,
    Text,
    TextMap,
    Whole,
)
from schemas.errors import CommandError


class Group(StrEnum):
    """What an action is about; a policy may name a whole group."""

    CALLS = "calls"
    QUEUES = "queues"
    VARIABLES = "variables"
    RECORDING = "recording"
    MESSAGES = "messages"
    STATUS = "status"


@dataclass(slots=True, frozen=True)
class Field:
    """One field. `about` is for the reference."""

    kind: Kind
    about: str
    required: bool = False


@dataclass(slots=True, frozen=True)
class ActionSpec:
    """One action. `ami` is its name on the wire where that is another; of each pair in `one_of` exactly one
    field must be given; `changes`: it does not only ask."""

    name: str
    group: Group
    about: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    ami: str = ""
    one_of: tuple[tuple[str, str], ...] = ()

    @property
    def changes(self) -> bool:
        return self.group is not Group.STATUS and self.name != "Getvar"

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The fields to use, in the table's order. Raises `CommandError` that names the field."""
        names = {name.lower(): name for name in self.fields}
        checked: dict[str, Any] = {}
        for name, value in given.items():
            known = names.get(name.lower()) if type(name) is str else None
            if known is None:
                shown = ascii(name[:40])[1:-1] if type(name) is str else "a field's name"
                allowed = ", ".join(self.fields) or "none"
                raise CommandError(shown, f"is no field of {self.name}; allowed: {allowed}")
            if known in checked:
                raise CommandError(known, "is there twice")
            if value is not None:
                checked[known] = self.fields[known].kind.check(known, value)
        for name, spec in self.fields.items():
            if spec.required and name not in checked:
                raise CommandError(name, f"is missing; {self.name} needs it")
        for first, second in self.one_of:
            if first not in checked and second not in checked:
                raise CommandError(first, f"is missing; {self.name} needs {first} or {second}")
            if first in checked and second in checked:
                raise CommandError(second, f"stands beside {first}; only one of them can be")
        return {name: checked[name] for name in self.fields if name in checked}


_CHANNEL = Field(CHANNEL, "The channel.", required=True)
_CONTEXT = Field(CONTEXT, "The dialplan context; without it the first one of the policy.")
_EXTEN = Field(EXTENSION, "The extension or number to connect to.", required=True)
# Any other one would leave out the extension's first steps, and what they check.
_PRIORITY = Field(Whole(1, 1), "The dialplan priority: 1, the extension's beginning.")
_QUEUE = Field(QUEUE, "The queue.", required=True)
_ANY_QUEUE = Field(QUEUE, "The queue; without it all of them.")
_INTERFACE = Field(INTERFACE, "The member's device, such as PJSIP/200.")
_MEMBER: Final = (("Phone", "Interface"),)
_MEMBER_PHONE = Field(
    PHONE, "The member's extension instead of Interface; the policy says which device it is."
)
_REASON = Field(Text(80), "Why, as it stands in the queue's events.")
_MAILBOX = Field(MAILBOX, "The mailbox.", required=True)
_VARIABLE = Field(VARIABLE, "The variable's name.", required=True)
_ON_CHANNEL = Field(CHANNEL, "The channel; without it the variable is a global one.")

# The longest a call may be let ring, in milliseconds; an answer is waited for as long.
MAX_RING_MS: Final = 300_000
DEFAULT_RING_MS: Final = 30_000

_CALLS: Final = (
    ActionSpec(
        "Originate",
        Group.CALLS,
        "Ring a phone, and when it is answered connect it with an extension or number.",
        {
            "Phone": Field(PHONE, "The extension whose phone rings; the policy says which channel that is."),
            "Channel": Field(CHANNEL, "The channel to ring instead, as the policy's templates form it."),
            "Exten": Field(EXTENSION, "Whom the phone is connected with when it is answered."),
            "Context": _CONTEXT,
            "Priority": _PRIORITY,
            "Application": Field(
                APPLICATION, "A dialplan application instead of Exten, if the policy names it."
            ),
            "Data": Field(Text(200), "The application's arguments."),
            "CallerID": Field(CallerId(), 'What the phone shows: `"Name" <number>` or a number.'),
            "Timeout": Field(Whole(1_000, MAX_RING_MS), "How long the phone rings, in milliseconds (30000)."),
            "Variable": Field(TextMap(VARIABLE, 32), "Channel variables: a map of names with values."),
            "Account": Field(OBJECT, "The account code."),
            "EarlyMedia": Field(Flag(), "Connect on early media already."),
        },
        one_of=(("Phone", "Channel"), ("Exten", "Application")),
    ),
    ActionSpec(
        "Hangup",
        Group.CALLS,
        "End a channel.",
        {"Channel": _CHANNEL, "Cause": Field(Whole(1, 127), "The cause code (Q.850), such as 16.")},
    ),
    ActionSpec(
        "Redirect",
        Group.CALLS,
        "Send a channel to another extension, and its other party too if ExtraChannel is given.",
        {
            "Channel": _CHANNEL,
            "Exten": _EXTEN,
            "Context": _CONTEXT,
            "Priority": _PRIORITY,
            "ExtraChannel": Field(CHANNEL, "The second channel to send."),
            "ExtraExten": Field(EXTENSION, "Where the second channel goes."),
            "ExtraContext": Field(CONTEXT, "Its context; without it that of the policy."),
            "ExtraPriority": _PRIORITY,
        },
    ),
    ActionSpec(
        "BlindTransfer",
        Group.CALLS,
        "Transfer the party that a channel talks to (Asterisk 12 and later).",
        {"Channel": _CHANNEL, "Exten": _EXTEN, "Context": _CONTEXT},
    ),
    ActionSpec(
        "AttendedTransfer",
        Group.CALLS,
        "Begin an attended transfer from a channel.",
        {"Channel": _CHANNEL, "Exten": _EXTEN, "Context": _CONTEXT, "Priority": _PRIORITY},
        ami="Atxfer",
    ),
    ActionSpec(
        "Park",
        Group.CALLS,
        "Park a channel.",
        {
            "Channel": _CHANNEL,
            # No AnnounceChannel: Asterisk 13 and later crash where that channel has just gone (manager_park).
            "TimeoutChannel": Field(CHANNEL, "Whom the call returns to (Asterisk 11: Channel2)."),
            "Timeout": Field(Whole(1_000, 86_400_000), "When the call returns, in milliseconds."),
            "Parkinglot": Field(PARKING_LOT, "The parking lot."),
        },
    ),
    ActionSpec(
        "PlayDTMF",
        Group.CALLS,
        "Play a DTMF digit on a channel.",
        {
            "Channel": _CHANNEL,
            "Digit": Field(DIGIT, "The digit.", required=True),
            "Duration": Field(Whole(1, 10_000), "How long, in milliseconds (Asterisk 13 and later)."),
        },
    ),
)

_QUEUES: Final = (
    ActionSpec(
        "QueueAdd",
        Group.QUEUES,
        "Add a member to a queue.",
        {
            "Queue": _QUEUE,
            "Phone": _MEMBER_PHONE,
            "Interface": _INTERFACE,
            "MemberName": Field(Text(80), "The member's name."),
            "Penalty": Field(Whole(0, 1_000), "The penalty."),
            "Paused": Field(Flag(), "Begin paused."),
            "StateInterface": Field(INTERFACE, "The device whose state counts."),
        },
        one_of=_MEMBER,
    ),
    ActionSpec(
        "QueueRemove",
        Group.QUEUES,
        "Take a member out of a queue.",
        {"Queue": _QUEUE, "Phone": _MEMBER_PHONE, "Interface": _INTERFACE},
        one_of=_MEMBER,
    ),
    ActionSpec(
        "QueuePause",
        Group.QUEUES,
        "Pause a member, or end the pause.",
        {
            "Queue": Field(QUEUE, "The queue; without it all of them, if the policy allows all."),
            "Phone": _MEMBER_PHONE,
            "Interface": _INTERFACE,
            "Paused": Field(Flag(), "True to pause.", required=True),
            "Reason": _REASON,
        },
        one_of=_MEMBER,
    ),
    ActionSpec(
        "QueuePenalty",
        Group.QUEUES,
        "Set a member's penalty.",
        {
            "Queue": _QUEUE,
            "Phone": _MEMBER_PHONE,
            "Interface": _INTERFACE,
            "Penalty": Field(Whole(0, 1_000), "The penalty.", required=True),
        },
        one_of=_MEMBER,
    ),
)

_OTHERS: Final = (
    ActionSpec(
        "Setvar",
        Group.VARIABLES,
        "Set a variable of a channel, or a global one.",
        {
            "Channel": _ON_CHANNEL,
            "Variable": _VARIABLE,
            "Value": Field(Text(900, least=0), "The value.", required=True),
        },
    ),
    ActionSpec(
        "Getvar",
        Group.VARIABLES,
        "Read a variable of a channel, or a global one.",
        {"Channel": _ON_CHANNEL, "Variable": _VARIABLE},
    ),
    ActionSpec(
        "MixMonitor",
        Group.RECORDING,
        "Record a channel into a file of the PBX's folder of recordings.",
        {
            "Channel": _CHANNEL,
            "File": Field(
                RECORDING, "The file's name; its ending is the format, such as .wav.", required=True
            ),
            "Options": Field(RECORDING_OPTIONS, "Options of the application."),
        },
    ),
    ActionSpec(
        "StopMixMonitor",
        Group.RECORDING,
        "End the recording of a channel.",
        {"Channel": _CHANNEL, "MixMonitorID": Field(RECORDING_ID, "Which of several.")},
    ),
    ActionSpec(
        "SendText",
        Group.MESSAGES,
        "Send a text to the phone of a channel.",
        {"Channel": _CHANNEL, "Message": Field(Text(900), "The text.", required=True)},
    ),
    ActionSpec(
        "UserEvent",
        Group.MESSAGES,
        "Have the PBX send an event of one's own to all that listen.",
        {
            "UserEvent": Field(USER_EVENT, "The event's name.", required=True),
            "Headers": Field(TextMap(HEADER, 32, many=True), "Its headers: a map of names with values."),
        },
    ),
)


def _asks(name: str, about: str, **fields: Field) -> ActionSpec:
    return ActionSpec(name, Group.STATUS, about, fields)


_STATUS: Final = (
    _asks("Ping", "Whether the PBX answers."),
    _asks("CoreStatus", "When the PBX started, how many calls it has."),
    _asks("CoreSettings", "The PBX's version and settings."),
    _asks("CoreShowChannels", "All channels."),
    _asks("Status", "All channels, or one, with more about each.", Channel=Field(CHANNEL, "One channel.")),
    _asks(
        "QueueStatus",
        "Queues with their members and who waits.",
        Queue=_ANY_QUEUE,
        Member=Field(INTERFACE, "One member."),
    ),
    _asks("QueueSummary", "Queues in numbers.", Queue=_ANY_QUEUE),
    _asks(
        "ExtensionState",
        "The state of an extension's hint.",
        Exten=Field(EXTENSION, "The extension.", required=True),
        Context=Field(CONTEXT, "The context of its hint; without it the first one of the policy."),
    ),
    _asks("ExtensionStateList", "The states of all hints (Asterisk 13 and later)."),
    _asks("DeviceStateList", "The states of all devices (Asterisk 13 and later)."),
    _asks(
        "PresenceState",
        "The state of a presence provider.",
        Provider=Field(PRESENTITY, "The provider.", required=True),
    ),
    _asks("PresenceStateList", "All presence states (Asterisk 13 and later)."),
    _asks("ParkedCalls", "Parked calls.", ParkingLot=Field(PARKING_LOT, "One parking lot.")),
    _asks("Parkinglots", "Parking lots."),
    _asks("BridgeList", "Bridges (Asterisk 12 and later)."),
    _asks("ConfbridgeListRooms", "Conferences."),
    _asks(
        "ConfbridgeList",
        "Who is in a conference.",
        Conference=Field(OBJECT, "The conference.", required=True),
    ),
    _asks("SIPpeers", "Peers of chan_sip."),
    _asks("SIPshowpeer", "One peer of chan_sip.", Peer=Field(OBJECT, "The peer.", required=True)),
    _asks("PJSIPShowEndpoints", "Endpoints of chan_pjsip."),
    _asks(
        "PJSIPShowEndpoint",
        "One endpoint of chan_pjsip.",
        Endpoint=Field(OBJECT, "The endpoint.", required=True),
    ),
    _asks("IAXpeerlist", "Peers of chan_iax2."),
    _asks("VoicemailUsersList", "Voice mail boxes."),
    _asks("MailboxStatus", "Whether a mailbox has messages.", Mailbox=_MAILBOX),
    _asks("MailboxCount", "How many messages a mailbox has.", Mailbox=_MAILBOX),
    _asks("ListCommands", "The actions that the PBX knows."),
)

ACTIONS: Final[Mapping[str, ActionSpec]] = {
    spec.name: spec for spec in (*_CALLS, *_QUEUES, *_OTHERS, *_STATUS)
}
_BY_ANY_NAME: Final = {
    name.lower(): spec for spec in ACTIONS.values() for name in (spec.name, spec.ami) if name
}


def action_named(name: str) -> ActionSpec | None:
    """The typed action of that name, in any case; `Atxfer` is AttendedTransfer."""
    return _BY_ANY_NAME.get(name.lower())
