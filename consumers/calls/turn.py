"""One event's turn: what it changes in the calls, and the call events that this gives.

The handlers (`channel_events.py`, `newer_events.py`, `older_events.py`) read headers and say here, in
`holding.py` and in `passing_on.py` what happened: a phone rings, a leg answers, holds, passes on, ends.

Invariants
* A phone's ringing is told once a leg; an answer once a leg; the last event once a call.
* What was told of is ended: also what becomes part of another call (`merged`), is forgotten or lost.
"""

from __future__ import annotations

from typing import Final

from consumers.calls import outcome
from consumers.calls.call import CALLEE, PBX, Call
from consumers.calls.leg import ANSWERED, RINGING, Leg
from consumers.calls.switchboard import MAX_LEGS, Switchboard
from consumers.calls.telling import call_event
from schemas.call_event import CallEvent, CallState, Party, Transfer
from schemas.envelope import Event
from schemas.timestamps import timestamp_us

BLIND: Final = "blind"
REDIRECT: Final = "redirect"

_LONGEST_VALUE: Final = 256


class Turn:
    """The changes of one event. `told` collects the call events, in order."""

    def __init__(self, board: Switchboard, event: Event) -> None:
        self.board = board
        self.event = event
        self.now_us = timestamp_us(event.received_at)
        self.told: list[CallEvent] = []

    def text(self, header: str) -> str:
        """A header's value, of at most 256 characters; empty where it is missing or stands several times."""
        value = self.event.fields.get(header, "")
        if not isinstance(value, str):
            return ""
        return value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE]

    def tell(self, call: Call, state: CallState, by: Party | None = None) -> None:
        """Say it; the last events go by `over` and `forget`."""
        call.refresh_caller()
        call.told = True
        self.told.append(call_event(self.board, self.event, call, state, len(self.told), self.now_us, by=by))

    def say_unsaid(self, before_us: int) -> None:
        """Phones that ring since before then, and that nobody is known to ring: a command does."""
        for leg, since_us in list(self.board.unsaid.items()):
            if since_us > before_us:
                return
            del self.board.unsaid[leg]
            if not leg.dialled:
                self.rang(None, leg)

    # -- ringing and answering ----------------------------------------------

    def rang(self, source: Leg | None, leg: Leg, dial_string: str = "") -> None:
        """`leg` is being rung, by `source` or, where that is None, by a command."""
        call = leg.call
        leg.dialled = True
        self.board.unsaid.pop(leg, None)
        leg.dial_string = leg.dial_string or dial_string
        if source is None:
            call.originated = True
        if not leg.device:
            return
        if source is not None and source is not leg:
            self._calls(source, call)
        if leg.result in (RINGING, ANSWERED):
            return
        call.through_trunk_out = call.through_trunk_out or leg.trunk
        self._sought(call)
        call.callee = leg.party
        leg.result = RINGING
        call.note_callee(leg, RINGING)
        self.tell(call, CallState.RINGING)
        if leg.up:
            self.answered(leg)

    def _sought(self, call: Call) -> None:
        call.sought = True
        call.ringing_us = call.ringing_us or self.now_us

    def _calls(self, source: Leg, call: Call) -> None:
        """`source` is who calls. Behind a Local channel it is the one who has answered there."""
        if not source.device:
            if call.caller is not None:
                return
            behind = next((leg for leg in call.legs if leg.result == ANSWERED), None)
            if behind is None:
                return
            source = behind
        self.takes_the_callers_place(source)

    def takes_the_callers_place(self, leg: Leg) -> None:
        """`leg` is the caller from now on."""
        call = leg.call
        if call.caller_leg is not leg:
            if call.caller is None and leg.result == ANSWERED:
                # A click-to-call: the one who was rung first is the caller, and has not been answered yet.
                call.originated = True
                call.forget_callee(leg)
                leg.dialled, leg.result = False, ""
                call.answered_by, call.answered_us, call.callee = "", 0, None
                call.ringing_us = self.now_us
            elif call.caller is None:
                call.through_trunk_in = leg.trunk
        self._passes_on_unsaid(call, leg)
        call.caller_leg = leg
        call.caller = leg.party
        call.had_caller = True
        if call.original_caller is None:
            call.original_caller = call.caller
        call.dialled = call.dialled or leg.exten

    def _passes_on_unsaid(self, call: Call, leg: Leg) -> None:
        """A leg that spoke calls anew and no transfer was said: a Redirect, or the dialplan goes on."""
        if call.answered_by != CALLEE or call.passing or call.speaking or not leg.up:
            return
        left = call.caller if call.caller_leg is not leg and call.caller != leg.party else call.callee
        self.passed_on(call, REDIRECT, transferee=leg, source=left)

    def answered(self, leg: Leg) -> None:
        """`leg` is up: the one that was rung took the call, or the PBX took it from the caller."""
        self._say_now(leg)
        leg.up = True
        call = leg.call
        if not leg.device or leg.result == ANSWERED:
            return
        if not leg.dialled:
            if not call.answered_by and leg.incoming:
                call.answered_by, call.answered_us = PBX, self.now_us
                self.takes_the_callers_place(leg)
                self.tell(call, CallState.ANSWERED)
            return
        leg.result = ANSWERED
        self._sought(call)
        call.note_callee(leg, ANSWERED)
        call.callee = leg.party
        call.through_trunk_out = call.through_trunk_out or leg.trunk
        call.waiting = call.passing = False
        if call.answered_by != CALLEE:
            call.answered_by, call.answered_us = CALLEE, self.now_us
        self.tell(call, CallState.ANSWERED)

    def _say_now(self, leg: Leg) -> None:
        if self.board.unsaid.pop(leg, None) is not None and not leg.dialled:
            self.rang(None, leg)

    def rung_out(self, leg: Leg, result: str) -> None:
        """Ringing `leg` has ended without an answer."""
        if leg.result != RINGING:
            return
        if result == outcome.CANCELLED and leg.call.answered_by == CALLEE and not leg.call.passing:
            result = outcome.ELSEWHERE
        leg.result = result
        leg.call.note_callee(leg, result)

    def joined_queue(self, leg: Leg, queue: str) -> None:
        call = leg.call
        self.takes_the_callers_place(leg)
        self._sought(call)
        call.queue, call.waiting, call.abandoned = queue, True, False
        self.tell(call, CallState.RINGING)

    # -- passing on ---------------------------------------------------------

    def passed_on(
        self,
        call: Call,
        kind: str,
        *,
        transferee: Leg | None = None,
        by: Party | None = None,
        source: Party | None = None,
        target: Party | None = None,
        absorbed: str = "",
    ) -> None:
        """The call goes from `source` to `target`; who stays is the caller from now on."""
        call.refresh_caller()
        stays = transferee.party if transferee is not None else None
        at = self.event.received_at
        call.note_transfer(Transfer(kind, at, by, source, stays, target, absorbed))
        call.held = False
        call.holders.clear()
        if transferee is not None and transferee.call is call:
            call.caller_leg, call.caller = transferee, stays
        if target is not None:
            call.callee = target
        call.passing = kind in (BLIND, REDIRECT)
        self.tell(call, CallState.TRANSFERRED, by=by)

    # -- calls becoming one -------------------------------------------------

    def dials(self, source: Leg, leg: Leg) -> None:
        """`leg` is rung by `source`: it is part of that call.

        It comes alone where it is new to a call of others: a conference's members share one Linkedid.
        """
        theirs = leg.call
        if theirs is source.call:
            return
        fresh = leg.device and theirs.told and not (leg.up or leg.result) and len(theirs.legs) > 1
        if not fresh:
            self.merged(source.call, theirs)
        elif len(source.call.legs) < MAX_LEGS:
            self.board.move(leg, source.call)

    def merged(self, one: Call, other: Call, keep: Call | None = None) -> Call:
        """One call of two; returns it. The one that was told of stays, of two such the elder (or `keep`).

        The other, where it was told of, has its last event here.
        """
        if one is other or len(one.legs) + len(other.legs) > MAX_LEGS:
            return one
        elder = keep or min((one, other), key=lambda call: (not call.told, call.order))
        younger = other if elder is one else one
        if younger.told:
            self._end(younger, CallState.ENDED, outcome.MERGED, into=elder)
        _take_over(elder, younger)
        self.board.absorb(elder, younger)
        return elder

    # -- ending -------------------------------------------------------------

    def gone(self, leg: Leg, cause: int, cause_text: str) -> None:
        """The leg's channel has ended; with the last one the call."""
        self._say_now(leg)
        call = leg.call
        call.refresh_caller()
        if leg.device and call.unseen:
            call.had_caller = True
        if leg.device and (cause > 0 or call.cause < 0):
            call.cause, call.cause_text = cause, cause_text
            if leg.dialled and (cause > 0 or call.callee_cause < 0):
                call.callee_cause, call.callee_cause_text = cause, cause_text
        self._note_result(leg, cause)
        was_holding = leg in call.holders
        self.board.drop(leg)
        if was_holding and not call.holders:
            call.held = False
        if not call.legs:
            self.over(call)

    def lost(self, call: Call) -> None:
        """It ended while nobody saw."""
        call.synthetic = True
        self.over(call)

    def _note_result(self, leg: Leg, cause: int) -> None:
        call = leg.call
        if leg.result == RINGING:
            result = outcome.result_of_cause(cause)
            provisional = not result
            if provisional:
                result = outcome.NO_ANSWER if call.waiting else outcome.CANCELLED
            self.rung_out(leg, result)
            key = leg.number or leg.name
            if provisional and leg.result != outcome.ELSEWHERE and key in call.callees:
                call.provisional.append(key)
        elif leg.dialled and leg.result and leg.result != ANSWERED:
            result = outcome.refined(leg.result, cause)
            if result != leg.result:
                leg.result = result
                call.note_callee(leg, result)

    def over(self, call: Call) -> None:
        """All its legs are gone."""
        if call.told or call.had_caller or call.sought:
            state, reason = outcome.last_state(call)
            self._end(call, state, reason)
        self.board.close(call)

    def forget(self, call: Call, reason: str) -> None:
        """The call is given up: nobody knows whether it goes on."""
        if call.told or call.had_caller or call.sought:
            self._end(call, CallState.ENDED, reason)
        self.board.close(call)

    def _end(self, call: Call, state: CallState, reason: str, into: Call | None = None) -> None:
        if state is CallState.MISSED and call.callee_cause > 0:
            call.cause, call.cause_text = call.callee_cause, call.callee_cause_text
        call.refresh_caller()
        key = into.key if into is not None else ""
        number = len(self.told)
        self.told.append(
            call_event(self.board, self.event, call, state, number, self.now_us, reason=reason, into=key)
        )


def _take_over(call: Call, other: Call) -> None:
    """What is known of `other` that `call` does not know."""
    if call.original_caller is None:
        call.original_caller, call.caller = other.original_caller, other.caller
        call.caller_leg = other.caller_leg
    call.had_caller = call.had_caller or other.had_caller
    call.callee = call.callee or other.callee
    for key, callee in other.callees.items():
        call.callees.setdefault(key, callee)
    for transfer in other.transfers:
        call.note_transfer(transfer)
    call.dialled = call.dialled or other.dialled
    call.queue = call.queue or other.queue
    call.parked = call.parked or other.parked
    call.begun_us = min(call.begun_us, other.begun_us)
    call.gaps = min(call.gaps, other.gaps)
    if (
        other.answered_by
        and call.answered_by != CALLEE
        and (other.answered_by == CALLEE or not call.answered_by)
    ):
        call.answered_by, call.answered_us = other.answered_by, other.answered_us
    call.sought = call.sought or other.sought
    call.ringing_us = min(filter(None, (call.ringing_us, other.ringing_us)), default=0)
    call.waiting = call.waiting or other.waiting
    call.unseen = call.unseen and other.unseen
    call.synthetic = call.synthetic or other.synthetic
    call.through_trunk_in = call.through_trunk_in or other.through_trunk_in
    call.through_trunk_out = call.through_trunk_out or other.through_trunk_out
    call.originated = call.originated or other.originated
    call.holders |= other.holders
