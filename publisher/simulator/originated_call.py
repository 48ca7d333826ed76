"""The call that an Originate begins, as Asterisk 11, 20 and 22 tell of it.

The phone is rung; when it answers, its channel goes into the dialplan or runs an application. What the asker
learns depends on the age: where OriginateResponse stands among the other events, and its Reason (0 failed,
1 hung up, 3 not answered, 4 answered, 5 busy, 8 congested; chan_pjsip tells 0 for busy and congested too).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from publisher.simulator.answers import Fields
from publisher.simulator.ask import HangUp
from publisher.simulator.dialplan import CAUSE_OF, dial_status
from publisher.simulator.origination import Originated, Origination
from publisher.simulator.script import Rest, Say, Script
from publisher.simulator.state import UNKNOWN, Channel
from publisher.simulator.turn import Turn

if TYPE_CHECKING:
    from publisher.simulator.switchboard import Switchboard

FAILED, HUNG_UP, NOT_ANSWERED, ANSWERED, BUSY, CONGESTED = 0, 1, 3, 4, 5, 8
_REASON_OF: Final = {"BUSY": BUSY, "CONGESTION": CONGESTED, "NOANSWER": NOT_ANSWERED}
_TECH_CAUSE_OF: Final = {"BUSY": 486, "CONGESTION": 503}
_A_DAY_SECS: Final = 86_400.0
# What a channel says at once when it starts in the dialplan; OriginateResponse comes among it or after it.
_FIRST_STEPS: Final = ("Newexten", "VarSet", "UserEvent")


@dataclass(slots=True)
class _Phone:
    """What is rung: a phone, or a Local channel's number in a context."""

    number: str
    device: str
    context: str = ""


class OriginatedCall:
    """Writes the script of one origination."""

    def __init__(self, board: Switchboard, turn: Turn, wanted: Origination) -> None:
        self._board = board
        self._turn = turn
        self._wanted = wanted
        self._state = board.state
        self._events = board.dialplan.events
        self._modern = board.state.style.modern

    def script(self) -> Script:
        wanted = self._wanted
        phone = self._phone()
        ids = [one for one in (wanted.channel_id, wanted.other_channel_id) if one]
        if phone is None or self._board.full or any(map(self._state.is_taken, ids)):
            yield from self._respond(None, FAILED)
            return
        self._note()
        if phone.context:
            a, two = self._state.new_local(
                phone.number, phone.context, wanted.channel_id, wanted.other_channel_id
            )
        else:
            a, two = self._leg(phone), None
        a.scripted = True
        yield from self._begin(a, two, phone)
        if two is not None:
            self._board.play(self._board.dialplan.walk(two))
            yield from self._wait_for_half(a)
        else:
            yield from self._ring(a, phone)

    def _phone(self) -> _Phone | None:
        """What the channel names; None where no such phone can be reached."""
        wanted, options = self._wanted, self._board.options
        technology, target = wanted.technology.lower(), wanted.target
        if technology == "local":
            number, _, context = target.removesuffix("/n").partition("@")
            return _Phone(number, "", context or "default") if number else None
        if technology != self._state.style.tech.lower():
            return None
        head, _, tail = target.partition("/")
        if head in options.trunks:
            return _Phone(tail, head)
        number, _, trunk = target.partition("@")
        if trunk in options.trunks:
            return _Phone(number, trunk)
        return _Phone(target, target) if target in self._state.extensions else None

    def _note(self) -> None:
        wanted, board = self._wanted, self._board
        board.dialled.note(wanted.action_id)
        self._state.processed_calls += 1
        board.originations.append(
            Originated(
                wanted.action_id,
                wanted.channel_id,
                wanted.channel,
                wanted.context,
                wanted.exten,
                wanted.application,
                wanted.data,
                wanted.variables,
                time.monotonic(),
            )
        )

    def _leg(self, phone: _Phone) -> Channel:
        a = self._state.new_channel(
            phone.device,
            uniqueid=self._wanted.channel_id,
            in_dialplan=False,
            exten="s" if self._modern else "",
        )
        a.caller_num = phone.number or phone.device
        if not self._modern:
            a.connected_num = a.connected_name = ""
        return a

    def _begin(self, a: Channel, two: Channel | None, phone: _Phone) -> Script:
        """The channel is there, with its variables and its caller ID; nothing rings yet."""
        wanted, events = self._wanted, self._events
        yield events.newchannel(a)
        if two is not None:
            yield events.newchannel(two)
        elif self._state.style.tech == "SIP":
            yield events.varset(a, "SIPCALLID", f"{a.uniqueid}@127.0.0.1:5060")
            a.exten = ""
        if self._modern:
            a.application, a.data = "AppDial2", "(Outgoing Line)"
            yield events.newexten(a)
        # Asterisk puts each variable before the ones it has: the last is set first.
        for name, value in reversed(wanted.variables):
            a.set_variable(name, value)
            yield events.varset(a, name, value)
        if not self._modern:
            yield events.account_code(a)
        shown = bool(wanted.caller_num or wanted.caller_name)
        a.caller_num = wanted.caller_num or a.caller_num
        a.caller_name = wanted.caller_name or a.caller_name
        if shown or not self._modern:
            yield events.caller_id(a)
            nobody = UNKNOWN if self._modern else ""
            a.connected_num, a.connected_name = wanted.caller_num or nobody, wanted.caller_name or nobody
        if shown and self._modern:
            yield events.connected_line(a)
        if two is not None:
            yield events.local_bridge(a, two, optimized=not wanted.target.endswith("/n"))
        if self._modern:
            string = wanted.target if two is not None else phone.number or phone.device
            yield events.dial("DialBegin", None, a, [("DialString", string)])

    # Ringing.

    @property
    def _timeout_secs(self) -> float:
        """Without a timeout a phone of 12 and later rings until it is hung up."""
        milliseconds = self._wanted.timeout_ms
        if milliseconds <= 0:
            return _A_DAY_SECS if self._modern else 0.0
        return milliseconds / 1000

    def _ring(self, a: Channel, phone: _Phone) -> Script:
        events = self._events
        manner = self._board.dialplan.manner(phone.number or phone.device)
        a.state = 5
        yield events.newstate(a)
        if self._modern:
            yield events.dial("DialState", None, a, [("DialStatus", "RINGING")])
        yield from events.device(a)
        late = manner.ends == "NOANSWER" or manner.ring_secs >= self._timeout_secs
        yield Rest(self._timeout_secs if late else manner.ring_secs, (a,))
        asked = a.take_ask()
        if isinstance(asked, HangUp):
            yield from self._hung_up(a, asked.cause)
        elif late:
            yield from self._timed_out(a)
        elif manner.ends == "ANSWER":
            yield from self._board.dialplan.up(a)
            yield from self._answered(a)
        else:
            yield from self._not_taken(a, manner.ends)

    def _wait_for_half(self, a: Channel) -> Script:
        """The Local channel's other half rings somebody; it answers this one, or ends it."""
        until = time.monotonic() + self._timeout_secs
        while a.state != 6 and a.ask is None and (left := until - time.monotonic()) > 0:
            yield Rest(left, (a,))
        if a.state == 6:
            yield from self._answered(a)
        elif isinstance(asked := a.take_ask(), HangUp):
            yield from self._hung_up(a, asked.cause)
        else:
            yield from self._timed_out(a)

    # The three ways not to be answered.

    def _not_taken(self, a: Channel, ends: str) -> Script:
        """The phone is busy, or says that it cannot."""
        cause, pjsip = CAUSE_OF[ends], self._state.style.tech == "PJSIP"
        if not self._modern:
            yield from self._end(a, cause)
            yield from self._respond(None, _REASON_OF[ends])
            return
        # chan_pjsip reports a hangup, chan_sip the busy signal: only the latter becomes a Reason.
        tech_cause = _TECH_CAUSE_OF[ends] if pjsip else 0
        if pjsip:
            yield self._events.hangup_request(a, cause, tech_cause)
        yield self._events.dial("DialEnd", None, a, [("DialStatus", ends)])
        yield from self._respond(None, FAILED if pjsip else _REASON_OF[ends])
        yield from self._end(a, cause, tech_cause)

    def _timed_out(self, a: Channel) -> Script:
        """Nobody answered in time: no DialEnd tells of it."""
        # Asterisk 11 with `Timeout: 0` does not even wait for the ringing.
        reason = FAILED if self._timeout_secs == 0 else NOT_ANSWERED
        if not self._modern:
            yield from self._end(a, CAUSE_OF["NOANSWER"])
            yield from self._respond(None, reason)
            return
        yield from self._respond(None, reason)
        yield from self._end(a, CAUSE_OF["NOANSWER"])

    def _hung_up(self, a: Channel, cause: int) -> Script:
        """A client, or the other half of a Local channel, ended it while it rang."""
        if not self._modern:
            yield from self._end(a, CAUSE_OF["NOANSWER"])
            yield from self._respond(None, HUNG_UP)
            return
        yield self._events.dial("DialEnd", None, a, [("DialStatus", dial_status(cause))])
        yield from self._respond(None, FAILED)
        yield from self._end(a, cause)

    def _end(self, a: Channel, cause: int, tech_cause: int = 0) -> Script:
        self._state.end_channel(a)
        yield self._events.hangup(a, cause, tech_cause)
        yield from self._events.device(a)
        if a.half is not None:
            a.half.ask_for(HangUp(0, told=True))

    # Answered.

    def _answered(self, a: Channel) -> Script:
        wanted, plan = self._wanted, self._board.dialplan
        if self._modern:
            yield self._events.dial("DialEnd", None, a, [("DialStatus", "ANSWER")])
        else:
            yield from self._respond(a, ANSWERED)
        if wanted.application:
            script = self._application(a)
        else:
            a.context, a.exten = wanted.context or a.context, wanted.exten
            a.priority = wanted.priority or 1
            a.in_dialplan = True
            script = plan.walk(a)
        yield from self._answering(a, script) if self._modern else script

    def _application(self, a: Channel) -> Script:
        plan = self._board.dialplan
        asked = yield from plan.application(a, self._wanted.application, self._wanted.data)
        if asked is not None:
            yield from plan.walk(a, asked)

    def _answering(self, a: Channel, script: Script) -> Script:
        """From 12 on another thread tells the result: the first steps in the dialplan may come before it."""
        told = False
        for step in script:
            if not told and not (isinstance(step, Say) and step.event in _FIRST_STEPS):
                told = True
                yield from self._respond(a, ANSWERED)
            yield step
            if not told and self._state.style.tech == "SIP" and not self._wanted.application:
                told = True
                yield from self._respond(a, ANSWERED)

    # The result.

    def _respond(self, a: Channel | None, reason: int) -> Iterator[Say]:
        """Tell how it went: by the event where the asker does not wait, else by the response itself."""
        if not self._wanted.asynchronous:
            if reason == ANSWERED:
                self._turn.accept("Originate successfully queued")
            else:
                self._turn.refuse("Originate failed")
            return
        for _ in range(self._turn.originate_responses):
            yield Say("OriginateResponse", "call,all", self._response(a, reason))
        self._turn.event_was_sent()

    def _response(self, a: Channel | None, reason: int) -> Fields:
        wanted = self._wanted
        fields: Fields = [("ActionID", wanted.action_id)] if wanted.action_id else []
        fields.append(("Response", "Success" if reason == ANSWERED else "Failure"))
        fields.append(("Channel", a.name if a is not None else wanted.channel))
        if wanted.application:
            fields += [("Application", wanted.application), ("Data", wanted.data)]
        else:
            fields += [("Context", wanted.context), ("Exten", wanted.exten)]
        nobody = wanted.channel_id or (UNKNOWN if self._modern else "<null>")
        fields += [("Reason", reason), ("Uniqueid", a.uniqueid if a is not None else nobody)]
        fields.append(("CallerIDNum", wanted.caller_num or UNKNOWN))
        return [*fields, ("CallerIDName", wanted.caller_name or UNKNOWN)]
