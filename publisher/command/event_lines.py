"""How a person sees an event: one line; how a program does: one JSON object."""

from __future__ import annotations

from typing import Any, Final

from consumers.dispatching.intake import read_event
from publisher.adapters.log import one_line
from publisher.command.output import for_people, json_line, print_json, print_lines, say
from publisher.masking import mask_numbers
from schemas import Event, Message
from schemas.call_event import CallEvent, Party

# What an office hears of its phones; the rest (variables, dialplan steps, device states) drowns it.
CALL_EVENTS: Final = frozenset(
    {
        "AttendedTransfer",
        "BlindTransfer",
        "Bridge",
        "BridgeEnter",
        "BridgeLeave",
        "Dial",
        "DialBegin",
        "DialEnd",
        "FullyBooted",
        "Hangup",
        "Hold",
        "Join",
        "Leave",
        "Newchannel",
        "ParkedCall",
        "QueueCallerAbandon",
        "QueueCallerJoin",
        "QueueCallerLeave",
        "Transfer",
        "Unhold",
        "UserEvent",
    }
)

_SHOWN: Final = (
    "CallerIDNum",
    "CallerIDName",
    "ConnectedLineNum",
    "DestCallerIDNum",
    "Exten",
    "DialStatus",
    "ChannelStateDesc",
    "Queue",
    "Cause-txt",
)


def line_of(event: Event) -> str:
    """`12:30:01.123  main  DialBegin  202 200  CallerIDName=Анна …`."""
    clock = event.received_at[11:23]
    flags = "".join(
        mark for mark, set_ in (("~", event.snapshot), ("*", event.synthetic), ("!", event.suspect)) if set_
    )
    said: list[str] = []
    if event.control is not None:
        said = [f"{key}={value}" for key, value in event.control.items() if key != "kind" and value != ""]
    else:
        for name in _SHOWN:
            value = event.fields.get(name, "")
            if isinstance(value, str) and value and not value.startswith("<"):
                said.append(f"{name}={value}")
    parties = " ".join(event.extensions) or "-"
    line = f"{clock}  {event.pbx}  {flags}{event.event:<18} {parties:<16} {'  '.join(said)}"
    return one_line(line).rstrip()


def call_line_of(event: CallEvent) -> str:
    """`12:30:01.123  main  answered  200 202  from=202 to=200 …`."""
    said = [f"from={_named(event.caller)}"] if event.caller else []
    if event.callee:
        said.append(f"to={_named(event.callee)}")
    for name in ("dialled", "queue", "parked", "answered_by", "reason", "talk_secs"):
        value = getattr(event, name)
        if value not in ("", None):
            said.append(f"{name}={value}")
    parties = " ".join(event.extensions) or "-"
    line = f"{event.at[11:23]}  {event.pbx}  {event.state.value:<18} {parties:<16} {'  '.join(said)}"
    return one_line(line).rstrip()


def _named(party: Party) -> str:
    return f"{party.number} {party.name}".strip() or party.channel


class EventPrinter:
    """Prints messages: lines on a terminal, the decoded body as JSON elsewhere.

    `calls_only` keeps to what concerns calls, and to control events, on a terminal; JSON is always whole.
    """

    def __init__(self, calls_only: bool = False, mask: bool = False) -> None:
        self._people = for_people()
        self._calls_only = calls_only and self._people
        self._mask = mask
        self.seen = 0
        self.printed = 0

    def print(self, messages: list[Message]) -> None:
        """Print a batch in one write."""
        lines: list[bytes] = []
        for message in messages:
            self.seen += 1
            event = read_event(message)
            if self._calls_only and not _of_a_call(event):
                continue
            self.printed += 1
            if self._people:
                text = call_line_of(event) if isinstance(event, CallEvent) else line_of(event)
                lines.append((mask_numbers(text) if self._mask else text).encode() + b"\n")
            else:
                keys = [message.routing_key, *message.headers.cc]
                lines.append(json_line({"keys": keys, **event.to_map()}))
        if lines:
            print_lines(lines)


def _of_a_call(event: Event | CallEvent) -> bool:
    """Whether an office wants to see it; control events too."""
    if isinstance(event, CallEvent) or event.control is not None:
        return True
    return event.event in CALL_EVENTS and not event.snapshot


def print_summary(facts: dict[str, Any]) -> None:
    """The last word of a run: a sentence for people, an object for programs."""
    if for_people():
        say("  ".join(f"{key} {value}" for key, value in facts.items()))
    else:
        print_json(facts)
