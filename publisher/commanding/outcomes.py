"""What the PBX's answer means for a command: the state, the reason in a word, and a sentence. Pure.

OriginateResponse says `Response: Success` when the phone was answered, else `Failure` with a Reason: 0 it
could not be dialled, 1 hung up, 3 it rang and was not answered, 5 busy, 8 congestion (the numbers are
Asterisk's AST_CONTROL_*). chan_pjsip gives 0 for a busy phone too; what its channel's events said is then
better.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from publisher.ami.reports import Reply as AmiReply
from publisher.commanding.call_watch import CallFacts
from schemas.command import Command
from schemas.envelope import Fields
from schemas.reply import Reason, State


@dataclass(slots=True, frozen=True, kw_only=True)
class Outcome:
    """How a command ended; with the PBX's headers, and what a list brought."""

    state: State
    reason: str = ""
    message: str = ""
    fields: Fields = field(default_factory=dict)
    events: tuple[Fields, ...] = ()
    output: tuple[str, ...] = ()
    truncated: bool = False


_REASONS: Final = {
    "1": (Reason.HUNG_UP, "the call was hung up before it was answered"),
    "3": (Reason.NO_ANSWER, "the phone rang and was not answered in time"),
    "5": (Reason.BUSY, "the phone was busy"),
    "8": (Reason.CONGESTION, "the call could not be put through for congestion"),
}
# Q.850, and the words of DialEnd: what they add where the Reason says nothing.
_CAUSES: Final = {
    "17": _REASONS["5"],
    "18": _REASONS["3"],
    "19": _REASONS["3"],
    "21": (Reason.HUNG_UP, "the call was declined"),
    "34": _REASONS["8"],
    "38": _REASONS["8"],
    "42": _REASONS["8"],
}
_DIAL_STATUSES: Final = {
    "BUSY": _REASONS["5"],
    "NOANSWER": _REASONS["3"],
    "CONGESTION": _REASONS["8"],
    "CANCEL": _REASONS["1"],
}
_UNREACHABLE: Final = (Reason.UNREACHABLE, "the phone could not be dialled: no such phone, or not registered")
_FAILED: Final = (Reason.CALL_FAILED, "the call failed")


def of_call(facts: CallFacts) -> Outcome | None:
    """The outcome of a call whose OriginateResponse has come; None while it has not."""
    response = facts.response
    if response is None:
        return None
    if _text(response, "Response") == "Success":
        return Outcome(state=State.SUCCEEDED, fields=response)
    reason, message = _why(facts, _text(response, "Reason"))
    return Outcome(state=State.FAILED, reason=reason, message=message, fields=response)


def found_out(facts: CallFacts) -> Outcome | None:
    """The outcome of a call whose OriginateResponse will not come, from what its channel did; None: unknown.

    That it ended says nothing of how, where the answer may have been missed.
    """
    fields: Fields = {"Uniqueid": facts.uniqueid, "Channel": facts.channel} if facts.uniqueid else {}
    if facts.answered:
        return Outcome(
            state=State.SUCCEEDED,
            message="the phone was answered; this was found out from the channel's events",
            fields=fields,
        )
    if facts.ended and not facts.blind:
        reason, message = _why(facts, "")
        return Outcome(state=State.FAILED, reason=reason, message=message, fields=fields)
    return None


def _why(facts: CallFacts, reason: str) -> tuple[Reason, str]:
    known = _REASONS.get(reason) or _DIAL_STATUSES.get(facts.dial_status) or _CAUSES.get(facts.cause)
    if known is not None:
        return known
    return _FAILED if facts.uniqueid else _UNREACHABLE


def of_answer(command: Command, reply: AmiReply, events: tuple[Fields, ...], truncated: bool) -> Outcome:
    """The outcome of a command that one answer ends: a response, or a list."""
    response = reply.response
    fields: Fields = {} if response is None else {**response.fields}
    if not reply.complete:
        return _incomplete(command, reply, fields, events)
    if reply.success:
        return Outcome(
            state=State.SUCCEEDED,
            fields=fields,
            events=events,
            output=tuple(reply.output),
            truncated=truncated,
        )
    return refused(reply)


def refused(reply: AmiReply) -> Outcome:
    """The outcome where the PBX answered with an error."""
    fields: Fields = {} if reply.response is None else {**reply.response.fields}
    message = _text(fields, "Message") or "the PBX answered with an error"
    return Outcome(
        state=State.FAILED,
        reason=Reason.REFUSED_BY_PBX,
        message=message,
        fields=fields,
        output=tuple(reply.output),
    )


def _incomplete(command: Command, reply: AmiReply, fields: Fields, events: tuple[Fields, ...]) -> Outcome:
    if not command.changes:
        return Outcome(
            state=State.FAILED,
            reason=Reason.NOTHING_HEARD,
            message=f"the PBX did not answer to the end: {reply.reason}",
            fields=fields,
            events=events,
            truncated=bool(events),
        )
    return Outcome(state=State.UNKNOWN, reason=Reason.NO_REPLY, message=reply.reason, fields=fields)


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else value[0]
