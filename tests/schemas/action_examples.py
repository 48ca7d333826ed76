"""Typed actions as clients write them: an example of each, valid values of each kind, and wrong ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from schemas.action_fields import CallerId, Flag, Kind, Text, TextMap, Whole, Word
from schemas.actions import ACTIONS, ActionSpec
from tests.schemas.strategies import texts

EXAMPLES: dict[str, dict[str, Any]] = {
    "Originate": {
        "Phone": "200",
        "Exten": "+74951234567",
        "Context": "from-internal",
        "Priority": 1,
        "CallerID": '"Отдел продаж" <200>',
        "Timeout": 20_000,
        "Variable": {"CRM_ID": "15", "__NOTE": 'a,b "c" (d'},
        "Account": "sales",
        "EarlyMedia": True,
    },
    "Hangup": {"Channel": "PJSIP/200-0000001a", "Cause": 16},
    "Redirect": {
        "Channel": "PJSIP/200-0000001a",
        "Exten": "201",
        "Context": "from-internal",
        "Priority": 1,
        "ExtraChannel": "PJSIP/201-0000001b",
        "ExtraExten": "202",
        "ExtraContext": "from-internal",
        "ExtraPriority": 1,
    },
    "BlindTransfer": {"Channel": "SIP/200-0000001a", "Exten": "201", "Context": "from-internal"},
    "AttendedTransfer": {
        "Channel": "SIP/200-0000001a",
        "Exten": "201",
        "Context": "from-internal",
        "Priority": 1,
    },
    "Park": {
        "Channel": "PJSIP/201-0000001b",
        "TimeoutChannel": "PJSIP/200-0000001a",
        "Timeout": 45_000,
        "Parkinglot": "default",
    },
    "PlayDTMF": {"Channel": "PJSIP/200-0000001a", "Digit": "#", "Duration": 200},
    "QueueAdd": {
        "Queue": "support",
        "Phone": "200",
        "MemberName": "Анна Сидорова",
        "Penalty": 0,
        "Paused": False,
        "StateInterface": "PJSIP/200",
    },
    "QueueRemove": {"Queue": "support", "Interface": "PJSIP/200"},
    "QueuePause": {"Queue": "support", "Interface": "PJSIP/200", "Paused": True, "Reason": "обед, 30 мин"},
    "QueuePenalty": {"Queue": "support", "Phone": "200", "Penalty": 5},
    "Setvar": {"Channel": "PJSIP/200-0000001a", "Variable": "CRM_ID", "Value": "15; 16, 17"},
    "Getvar": {"Channel": "PJSIP/200-0000001a", "Variable": "CRM_ID"},
    "MixMonitor": {"Channel": "PJSIP/200-0000001a", "File": "call-15.wav", "Options": "abV(2)"},
    "StopMixMonitor": {"Channel": "PJSIP/200-0000001a", "MixMonitorID": "0x7f10"},
    "SendText": {"Channel": "PJSIP/200-0000001a", "Message": "Перезвоните: 15 минут"},
    "UserEvent": {"UserEvent": "CrmNote", "Headers": {"Card": "15", "Line": ["one", "two"]}},
    "Status": {"Channel": "PJSIP/200-0000001a"},
    "QueueStatus": {"Queue": "support", "Member": "PJSIP/200"},
    "QueueSummary": {"Queue": "support"},
    "ExtensionState": {"Exten": "200", "Context": "from-internal"},
    "PresenceState": {"Provider": "CustomPresence:200"},
    "ParkedCalls": {"ParkingLot": "default"},
    "ConfbridgeList": {"Conference": "610"},
    "SIPshowpeer": {"Peer": "200"},
    "PJSIPShowEndpoint": {"Endpoint": "200"},
    "MailboxStatus": {"Mailbox": "200@default"},
    "MailboxCount": {"Mailbox": "200@default"},
}
# A channel, or an extension whose phone it is; an extension, or an application.
ALTERNATIVES: dict[str, list[dict[str, Any]]] = {
    "Originate": [
        {"Channel": "PJSIP/200", "Exten": "201"},
        {"Phone": "200", "Application": "Playback", "Data": "tt-monkeys"},
    ],
    "QueueAdd": [{"Queue": "support", "Interface": "PJSIP/200"}],
    "QueueRemove": [{"Queue": "support", "Phone": "200"}],
    "QueuePause": [{"Queue": "support", "Phone": "200", "Paused": "yes"}],
    "QueuePenalty": [{"Queue": "support", "Interface": "PJSIP/200", "Penalty": "5"}],
}


def example(action: str) -> dict[str, Any]:
    """The fields of a valid command."""
    return dict(EXAMPLES.get(action, {}))


def example_with(action: str, field: str) -> dict[str, Any]:
    """The fields of a valid command that has this field."""
    for fields in (example(action), *ALTERNATIVES.get(action, [])):
        if field in fields:
            return dict(fields)
    raise AssertionError(f"no example of {action} has {field}")


def all_fields() -> list[tuple[str, str]]:
    """Each action with each of its fields."""
    return [(name, field) for name, spec in ACTIONS.items() for field in spec.fields]


def body(action: str, fields: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The map of a command of the client `crm`."""
    made: dict[str, Any] = {"v": 1, "id": "c-1", "client": "crm", "action": action}
    return made | {"fields": example(action) if fields is None else dict(fields)} | changes


# What no field of any kind is.
WRONG_KINDS: list[Any] = [1.5, float("nan"), float("inf"), b"200", object(), {1, 2}, (1,)]
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))] + ["\u2028", "\u2029"]
SURROGATES = ["\ud800", "\udc80", "\udfff"]
EVALUATED = ["${SHELL(id)}", "$[1+1]", "x${", "$["]


def is_plain(text: str) -> bool:
    """An independent reading of what free text may hold."""
    codes = [ord(sign) for sign in text]
    controls = any(code < 0x20 or 0x7F <= code < 0xA0 or code in (0x2028, 0x2029) for code in codes)
    halves = any(0xD800 <= code <= 0xDFFF for code in codes)
    return not controls and not halves and "${" not in text and "$[" not in text


plain_texts = texts.filter(is_plain)


def words(word: Word) -> st.SearchStrategy[str]:
    return st.from_regex(word.pattern, fullmatch=True).filter(lambda text: len(text) <= word.most)


caller_ids = st.one_of(
    st.from_regex(r"\+?[0-9*#]{1,20}", fullmatch=True),
    st.builds(
        '"{}" <{}>'.format,
        st.text(st.sampled_from("Анна O'Neil, (8) [x];&|/%@ö😀"), max_size=40),
        st.from_regex(r"\+?[0-9*#]{1,20}", fullmatch=True),
    ),
)


def values(kind: Kind) -> st.SearchStrategy[Any]:
    """Values that a kind takes, in every form in which they may come."""
    match kind:
        case Text():
            return st.text(
                st.characters(exclude_categories=["Cs", "Cc"]), max_size=min(kind.most, 60)
            ).filter(lambda text: is_plain(text) and kind.least <= len(text))
        case Word():
            return words(kind)
        case Whole():
            numbers = st.integers(kind.least, kind.most)
            return numbers | numbers.map(str)
        case Flag():
            spelled = st.sampled_from(["true", "Yes", "ON", "1", "no", "FALSE", "off", "0"])
            return st.booleans() | spelled
        case CallerId():
            return caller_ids
        case TextMap():
            one: st.SearchStrategy[Any] = plain_texts | st.integers(-5, 10**6)
            if kind.many:
                one = one | st.lists(plain_texts, min_size=1, max_size=3)
            return st.dictionaries(words(kind.name), one, max_size=4)
    raise AssertionError(kind)


@st.composite
def fields_of(draw: st.DrawFn, spec: ActionSpec, any_case: bool = False) -> dict[str, Any]:
    """Fields that an action takes; with `any_case` their names are spelled as it comes."""
    fields: dict[str, Any] = {}
    chosen = {draw(st.sampled_from(pair)) for pair in spec.one_of}
    others = {name for pair in spec.one_of for name in pair} - chosen
    for name, field in spec.fields.items():
        if name not in others and (name in chosen or field.required or draw(st.booleans())):
            spelled = draw(st.sampled_from([name, name.lower(), name.upper()])) if any_case else name
            fields[spelled] = draw(values(field.kind))
    return fields


raw_fields = st.dictionaries(
    st.from_regex(r"X-[A-Za-z0-9_()-]{1,20}", fullmatch=True),
    plain_texts | st.integers(0, 99) | st.lists(plain_texts, min_size=1, max_size=3),
    max_size=5,
)


@st.composite
def bodies(draw: st.DrawFn, any_case: bool = True) -> dict[str, Any]:
    """Maps that are commands."""
    made: dict[str, Any] = {
        "v": 1,
        "id": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}", fullmatch=True)),
        "client": draw(st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,39}", fullmatch=True)),
    }
    if draw(st.booleans()) and draw(st.booleans()):
        made |= {"raw": True, "action": draw(st.sampled_from(["DBGet", "x-1", "Originate", "command"]))}
        made["fields"] = draw(raw_fields)
    else:
        spec = draw(st.sampled_from(list(ACTIONS.values())))
        name = draw(st.sampled_from([spec.name, spec.ami or spec.name]))
        made["action"] = draw(st.sampled_from([name, name.lower(), name.upper()])) if any_case else spec.name
        made["fields"] = draw(fields_of(spec, any_case))
        if not made["fields"] and draw(st.booleans()):
            del made["fields"]
        if draw(st.booleans()):
            made["raw"] = False
    if draw(st.booleans()):
        made["priority"] = draw(st.sampled_from(["interactive", "bulk"]))
    return made
