"""Call events: what the raw events of a PBX say of its calls, in one shape for Asterisk 1.8 to 22.

    Event ─▶ CallFold.feed ─▶ CallEvent ─▶ call_message ─▶ Message for the exchange `ami.calls`

* `fold.py`: the entry; repeats, bounds, saving.
* `channel_events.py`, `newer_events.py`, `older_events.py`: what each event says, by age of Asterisk.
* `turn.py`, `holding.py`, `passing_on.py`: what that changes and what is told.
* `switchboard.py`, `call.py`, `leg.py`: what is known. `saved_state.py`: the same as bytes.

Absent on purpose: no loop, no clock, no driver, no logging.
"""

from consumers.calls.errors import CallStateError
from consumers.calls.fold import CallFold
from consumers.calls.message import call_message
from consumers.calls.switchboard import Bounds
from schemas.call_event import Callee, CallEvent, CallState, Party, Transfer

__all__ = [
    "Bounds",
    "CallEvent",
    "CallFold",
    "CallState",
    "CallStateError",
    "Callee",
    "Party",
    "Transfer",
    "call_message",
]
