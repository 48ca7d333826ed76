"""The watch over calls that were ordered: what the PBX's events tell about each, until its final reply.

A call is told by the command's id: its channel's Uniqueid is the id (Asterisk 12 and later), or a VarSet says
so (11 and older); its OriginateResponse carries the id as ActionID in every version.

The same watch reads the events as they come and, after a crash, those that stand in the journal. Packets
without a Privilege line (forged or split ones) tell nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from publisher.commanding.headers import ID_VARIABLE
from schemas.envelope import Fields
from schemas.reply import Step

RESPONSE: Final = "OriginateResponse"
# Events that may tell something; of all others the watch is not told.
WATCHED: Final = frozenset(
    {RESPONSE, "Newchannel", "Newstate", "DialEnd", "HangupRequest", "Hangup", "Rename"}
)
# On Asterisk 11 and older the only event that ties a channel to the id; most of the traffic is of its kind.
WATCHED_BY_VARIABLE: Final = WATCHED | {"VarSet"}

_UP: Final = "6"
_RINGING: Final = "5"
_ANSWER: Final = "ANSWER"
_UNKNOWN: Final = frozenset({"", "<unknown>", "<null>", "(null)"})


@dataclass(slots=True)
class CallFacts:
    """What is known of one call. `cause` is the Q.850 number of its end, empty while it lives.

    `blind`: events may have been missed since it was ordered: what was not seen may have been all the same.
    """

    id: str
    uniqueid: str = ""
    channel: str = ""
    answered: bool = False
    dial_status: str = ""
    cause: str = ""
    ended: bool = False
    blind: bool = False
    response: Fields | None = None


@dataclass(slots=True)
class CallWatch:
    """The calls of one PBX that wait for their final reply. As many as the commander has under way."""

    _calls: dict[str, CallFacts] = field(default_factory=dict)
    _by_uniqueid: dict[str, CallFacts] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._calls)

    def watch(self, id: str) -> CallFacts:
        """Begin; the facts are filled in as events come."""
        facts = self._calls.setdefault(id, CallFacts(id))
        self._by_uniqueid.setdefault(id, facts)
        return facts

    def forget(self, id: str) -> None:
        """The final reply is given."""
        facts = self._calls.pop(id, None)
        if facts is not None:
            self._by_uniqueid.pop(id, None)
            if facts.uniqueid:
                self._by_uniqueid.pop(facts.uniqueid, None)

    def facts(self, id: str) -> CallFacts | None:
        return self._calls.get(id)

    def note(self, name: str, fields: Mapping[str, str | list[str]]) -> tuple[CallFacts, Step | None] | None:
        """Take in an event: the call that it concerns, and the step it is, if it is one; None for others'."""
        if "Privilege" not in fields:
            return None
        if name == RESPONSE:
            return self._response(fields)
        if name == "VarSet":
            return self._variable(fields)
        uniqueid = _one(fields, "DestUniqueid" if name == "DialEnd" else "Uniqueid")
        facts = self._by_uniqueid.get(uniqueid)
        if facts is None:
            return None
        match name:
            case "Newchannel":
                return facts, self._began(facts, fields, uniqueid)
            case "Newstate":
                facts.channel = _one(fields, "Channel") or facts.channel
                return facts, self._state(facts, _one(fields, "ChannelState"))
            case "DialEnd":
                facts.dial_status = _one(fields, "DialStatus")
                if facts.dial_status == _ANSWER:
                    return facts, self._state(facts, _UP)
            case "HangupRequest" | "Hangup":
                facts.cause = _one(fields, "Cause") or facts.cause
                facts.ended = facts.ended or name == "Hangup"
            case "Rename":
                facts.channel = _one(fields, "Newname") or facts.channel
            case _:
                pass
        return facts, None

    def go_blind(self) -> None:
        """Events of this PBX may have been missed."""
        for facts in self._calls.values():
            facts.blind = True

    def note_living(self, uniqueid: str, channel: str, state: str) -> None:
        """A channel of the PBX's own list: it lives now, in that state."""
        facts = self._by_uniqueid.get(uniqueid)
        if facts is not None:
            facts.uniqueid, facts.channel = uniqueid, channel or facts.channel
            facts.answered = facts.answered or state == _UP

    def _response(self, fields: Mapping[str, str | list[str]]) -> tuple[CallFacts, Step | None] | None:
        facts = self._calls.get(_one(fields, "ActionID"))
        if facts is None:
            return None
        if facts.response is None:
            facts.response = dict(fields)
        return facts, None

    def _variable(self, fields: Mapping[str, str | list[str]]) -> tuple[CallFacts, Step | None] | None:
        if _one(fields, "Variable") != ID_VARIABLE:
            return None
        facts = self._calls.get(_one(fields, "Value"))
        uniqueid = _one(fields, "Uniqueid")
        if facts is None or facts.uniqueid or uniqueid in _UNKNOWN or uniqueid in self._by_uniqueid:
            return None
        self._by_uniqueid[uniqueid] = facts
        return facts, self._began(facts, fields, uniqueid)

    def _began(self, facts: CallFacts, fields: Mapping[str, str | list[str]], uniqueid: str) -> Step | None:
        if facts.uniqueid:
            return None
        facts.uniqueid, facts.channel = uniqueid, _one(fields, "Channel")
        return Step.DIALLING

    def _state(self, facts: CallFacts, state: str) -> Step | None:
        if state == _UP and not facts.answered:
            facts.answered = True
            return Step.ANSWERED
        return Step.RINGING if state == _RINGING and not facts.answered else None


def _one(fields: Mapping[str, str | list[str]], name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else value[0]
