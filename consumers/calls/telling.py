"""What is known of a call, as a call event."""

from __future__ import annotations

from typing import Final

from consumers.calls.call import CALLEE, Call
from consumers.calls.leg import RINGING
from consumers.calls.switchboard import Switchboard
from schemas.call_event import CallEvent, CallState, Party, call_event_id
from schemas.envelope import Event
from schemas.message import MAX_EXTENSIONS
from schemas.timestamps import timestamp_text

IN: Final = "in"
OUT: Final = "out"
INTERNAL: Final = "internal"


def call_event(
    board: Switchboard,
    event: Event,
    call: Call,
    state: CallState,
    number: int,
    now_us: int,
    *,
    reason: str = "",
    into: str = "",
    by: Party | None = None,
) -> CallEvent:
    """The call event of `state`, the `number`th that this raw event gives."""
    last = state.last
    callee = None if state is CallState.RINGING and call.waiting and not _rings(call) else call.callee
    return CallEvent(
        id=call_event_id(event.id, state, number),
        pbx=event.pbx,
        epoch=event.epoch,
        seq=event.seq,
        event=event.event,
        call=call.key,
        state=state,
        at=event.received_at,
        begun_at=timestamp_text(call.begun_us),
        extensions=_extensions(call, state, callee, by),
        uniqueids=tuple(call.uniqueids),
        linkedid=call.linkedid,
        direction=_direction(board, call),
        dialled=call.dialled,
        queue=call.queue,
        parked=call.parked,
        caller=call.caller,
        original_caller=call.original_caller,
        callee=callee,
        by=by,
        callees=tuple(call.callees.values()),
        transfers=tuple(call.transfers),
        answered_by=call.answered_by,
        answered_at=timestamp_text(call.answered_us) if call.answered_us else "",
        ring_secs=_ring_secs(call, now_us) if last else None,
        talk_secs=_talk_secs(call, now_us) if last else None,
        reason=reason,
        cause=call.cause if last and call.cause >= 0 else None,
        cause_text=call.cause_text if last else "",
        into=into,
        originated=call.originated,
        begun_unseen=call.unseen,
        after_gap=call.gaps != board.gaps or call.synthetic,
    )


def _rings(call: Call) -> bool:
    return any(leg.result == RINGING for leg in call.legs)


def _direction(board: Switchboard, call: Call) -> str:
    if not board.trunks:
        return ""
    if call.through_trunk_in:
        return IN
    return OUT if call.through_trunk_out else INTERNAL


def _ring_secs(call: Call, now_us: int) -> float | None:
    """From the first ringing to the answer or the end; None where the beginning was not seen."""
    if call.unseen:
        return None
    begun = call.ringing_us or call.begun_us
    end = call.answered_us if call.answered_us and (call.answered_by == CALLEE or not call.sought) else now_us
    return max(0, end - begun) / 1_000_000


def _talk_secs(call: Call, now_us: int) -> float | None:
    """From the answer to the end; 0 where nobody answered that it was for."""
    if call.answered_by and (call.answered_by == CALLEE or not call.sought):
        return max(0, now_us - call.answered_us) / 1_000_000
    return None if call.unseen or call.synthetic else 0.0


def _extensions(call: Call, state: CallState, callee: Party | None, by: Party | None) -> tuple[str, ...]:
    """Whom it concerns, first whom this event is about; at most 8, each once."""
    transfer = call.transfers[-1] if call.transfers else None
    parties: list[Party | None] = [callee]
    if state is CallState.TRANSFERRED and transfer is not None:
        parties = [transfer.target, by, transfer.source, transfer.transferee]
    elif by is not None:
        parties.insert(0, by)
    if state is CallState.MISSED:
        parties += [one.party for one in call.callees.values()]
    parties += [call.caller, call.original_caller]
    parties += [one.party for one in call.callees.values() if one.result == RINGING]
    if state.last:
        for one in call.transfers:
            parties += [one.by, one.source, one.target]
    numbers = dict.fromkeys(party.number for party in parties if party is not None and party.number)
    if call.dialled:
        numbers[call.dialled] = None
    return tuple(numbers)[:MAX_EXTENSIONS]
