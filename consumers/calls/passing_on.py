"""Passing on: transfers, pickup, parking, and calls that become one by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from consumers.calls import outcome
from consumers.calls.call import CALLEE, Call
from consumers.calls.leg import ANSWERED, RINGING, Leg
from consumers.calls.turn import BLIND, REDIRECT, Turn
from schemas.call_event import CallState, Party, Transfer

ATTENDED: Final = "attended"
PARK: Final = "park"
PICKUP: Final = "pickup"


def handed_on(turn: Turn, leg: Leg, transferee: Leg | None, number: str) -> None:
    """`leg` sends the other side to `number`: a blind transfer."""
    call = leg.call
    if call.passing and call.transfers and call.transfers[-1].kind == REDIRECT:
        # The other side dials already; now it is known at whose wish.
        call.transfers[-1] = replace(call.transfers[-1], kind=BLIND, by=leg.party, source=leg.party)
        return
    target = Party(number) if number else None
    turn.passed_on(call, BLIND, transferee=transferee, by=leg.party, source=leg.party, target=target)


def joined(turn: Turn, leg: Leg, second: Leg | None, transferee: Leg | None, target: Leg | None) -> None:
    """`leg` joins the other side of its call with that of its second one: an attended transfer."""
    call = leg.call
    if second is not None and second.call is call and call.transfers and not call.passing:
        last = call.transfers[-1]
        if last.kind == ATTENDED and (last.by is None or last.by.number in (leg.number, second.number)):
            # Told already, when the channels were exchanged.
            call.transfers[-1] = replace(last, by=leg.party, source=leg.party)
            return
    transferee = transferee or call.counterpart(leg)
    absorbed = ""
    if second is not None:
        target = target or _other_side(second)
        if second.call is not call:
            absorbed = second.call.key
            call = turn.merged(call, second.call)
            absorbed = absorbed if call.key != absorbed else ""
    turn.passed_on(
        call,
        ATTENDED,
        transferee=transferee,
        by=leg.party,
        source=leg.party,
        target=target.party if target is not None else None,
        absorbed=absorbed,
    )
    call.passing = target is not None and target.result == RINGING


def _other_side(leg: Leg) -> Leg | None:
    """With whom this leg speaks, or whom it is ringing."""
    found = leg.call.counterpart(leg)
    if found is None or (not found.bridge and not found.dialled):
        ringing = next((one for one in leg.call.legs if one.result == RINGING), None)
        return ringing or found
    return found


def stepped_in(turn: Turn, leg: Leg, displaced: Leg) -> None:
    """A masquerade put `leg` where `displaced`, of another call, was: an attended transfer of <= 11."""
    others = [one for one in turn.board.bridges.get(leg.bridge, {}) if one is not leg and one.device]
    target = others[0] if others else _other_side(displaced)
    call, other = leg.call, displaced.call
    told = call.told and other.told
    by = displaced.party
    merged = turn.merged(call, other)
    if told and leg.call is merged:
        absorbed = other.key if merged is call else call.key
        turn.passed_on(
            merged,
            ATTENDED,
            transferee=leg,
            by=by,
            source=by,
            target=target.party if target is not None else None,
            absorbed=absorbed,
        )
        merged.passing = target is not None and target.result == RINGING


def picked_up(turn: Turn, picker: Leg, rung: Leg) -> None:
    """`picker` takes the call that rings at `rung`."""
    call, party = rung.call, rung.party
    if picker is rung or picker.result == ANSWERED:
        return
    turn.rung_out(rung, outcome.ELSEWHERE)
    turn.merged(call, picker.call, keep=call)
    if picker.call is not call:
        return
    if call.caller_leg is picker:
        call.caller_leg = None
    picker.dialled = True
    call.note_transfer(Transfer(PICKUP, turn.event.received_at, picker.party, party, None, picker.party))
    turn.answered(picker)


def connected(turn: Turn, one: Leg, other: Leg) -> None:
    """Two legs speak with each other: from now on they are one call."""
    first, second = one.call, other.call
    if first is second:
        return
    if first.parked:
        unparked(turn, one, other)
    elif second.parked:
        unparked(turn, other, one)
    else:
        _become_one(turn, one, other)


def _become_one(turn: Turn, one: Leg, other: Leg) -> None:
    both = one.call.answered_by == other.call.answered_by == CALLEE
    elder = min((one.call, other.call), key=lambda call: (not call.told, call.order))
    # Who speaks here of the younger call goes to somebody of the elder one.
    stays, comes = (one, other) if elder is one.call else (other, one)
    by, absorbed = _in_both(elder, comes.call), comes.call.key
    left = by or _who_left(elder, stays)
    turn.merged(elder, comes.call, keep=elder)
    if both and comes.call is elder:
        turn.passed_on(
            elder, ATTENDED, transferee=stays, by=by, source=left, target=comes.party, absorbed=absorbed
        )


def _in_both(one: Call, other: Call) -> Party | None:
    """Whose extension has a part in both: he joins them."""
    numbers = {leg.number for leg in other.legs if leg.device and leg.number}
    return next((leg.party for leg in one.legs if leg.device and leg.number in numbers), None)


def _who_left(call: Call, leg: Leg) -> Party | None:
    if call.caller is not None and call.caller != leg.party:
        return call.caller
    return call.callee


def put_into_lot(turn: Turn, leg: Leg, space: str, by: Party | None) -> None:
    """`leg` waits in a parking lot."""
    call = leg.call
    call.parked, call.held = space, True
    call.holders.clear()
    turn.tell(call, CallState.HELD, by=by)


def out_of_lot(turn: Turn, leg: Leg) -> None:
    """Nobody took it: its time is over, or it hung up. It rings where it came from, or ends."""
    call = leg.call
    call.parked, call.held, call.passing = "", False, True


def unparked(turn: Turn, parkee: Leg, retriever: Leg) -> None:
    """`retriever` takes the call out of the parking lot."""
    call = parkee.call
    call.parked, call.held = "", False
    call.holders.clear()
    absorbed = retriever.call.key if retriever.call is not call else ""
    left = _who_left(call, parkee)
    turn.merged(call, retriever.call, keep=call)
    if retriever.call is not call:
        return
    retriever.result, retriever.dialled = ANSWERED, True
    call.note_callee(retriever, ANSWERED)
    turn.passed_on(
        call,
        PARK,
        transferee=parkee,
        by=retriever.party,
        source=left,
        target=retriever.party,
        absorbed=absorbed,
    )
