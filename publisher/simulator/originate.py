"""The action Originate: checked at once, then played as a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from publisher.simulator.originated_call import OriginatedCall
from publisher.simulator.origination import OriginateRefused, read_origination
from publisher.simulator.turn import Turn

if TYPE_CHECKING:
    from publisher.simulator.switchboard import Switchboard


def originate(board: Switchboard, turn: Turn) -> None:
    """With `Async: true` the response comes at once and OriginateResponse tells the result; else it waits."""
    try:
        wanted = read_origination(turn.request, board.state.style.modern, turn.classes)
    except OriginateRefused as refusal:
        turn.refuse(str(refusal))
        return
    if wanted.priority and not (wanted.context and board.dialplan.knows(wanted.exten)):
        turn.refuse("Extension does not exist.")
        return
    if wanted.asynchronous:
        turn.accept("Originate successfully queued")
    elif not wanted.application and not wanted.priority:
        turn.refuse("Originate with 'Exten' requires 'Context' and 'Priority'")
        return
    else:
        turn.wait()
    board.play(OriginatedCall(board, turn, wanted).script())
