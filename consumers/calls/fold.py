"""The fold: raw events of PBXs in, call events out. No loop, no clock but the events' own.

    fold = CallFold({"main": ["trunk"]})
    for call_event in fold.feed(event): …

Order and repeats. One PBX's events are to come in the order of (epoch, seq). What is not beyond the last one
taken gives nothing: it was taken before. So a consumer publishes the call events, then saves `snapshot()`,
and only then settles the raw events. After a crash between the first two the same events come again, to the
state of before: they give the same call events with the same ids.

Which events. `names` are those that say anything; a queue bound to them alone is enough (and `control.*`).
Suspect packets (forged or split) and what a UserEvent says are passed over.

Bounds: those of `Switchboard`, a PBX; 1,024 PBXs, beyond which the one that has been silent longest is
forgotten, with all its calls and without a word. An event costs the same however many calls are open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from consumers.calls import outcome
from consumers.calls.channel_events import CHANNEL_EVENTS, CONTROL_EVENTS, Handler
from consumers.calls.newer_events import NEWER_EVENTS
from consumers.calls.older_events import OLDER_EVENTS, TELLTALES
from consumers.calls.saved_state import dump, load
from consumers.calls.switchboard import Bounds, Switchboard
from consumers.calls.turn import Turn
from schemas.call_event import CallEvent
from schemas.envelope import Event

MAX_PBXS: Final = 1024
_SWEEP_EVERY_US: Final = 60_000_000
# How long after a phone began to ring its Dial may be said.
_UNSAID_US: Final = 500_000

_HANDLERS: Final[dict[str, Handler]] = {**OLDER_EVENTS, **CHANNEL_EVENTS, **NEWER_EVENTS}


class CallFold:
    """Folds raw events into call events. `trunks`: of each PBX by name, the peers that are trunks."""

    names: Final = frozenset(_HANDLERS)

    def __init__(
        self, trunks: Mapping[str, Iterable[str]] | None = None, bounds: Bounds | None = None
    ) -> None:
        self._trunks = {pbx: frozenset(names) for pbx, names in (trunks or {}).items()}
        self._bounds = bounds or Bounds()
        self._boards: dict[str, Switchboard] = {}

    @property
    def open_calls(self) -> int:
        """How many calls are open now, of all PBXs."""
        return sum(len(board.calls) for board in self._boards.values())

    def feed(self, event: Event) -> list[CallEvent]:
        """What this event says of calls, in order; nothing for one that was taken before."""
        board = self._boards.get(event.pbx)
        if board is None:
            board = self._new_board(event.pbx)
        if event.epoch == board.epoch:
            if event.seq <= board.seq:
                return []
        elif event.epoch < board.epoch:
            return []
        board.epoch, board.seq = event.epoch, event.seq
        handler = self._handler(event)
        if handler is None and not board.unsaid:
            return []
        turn = Turn(board, event)
        if board.unsaid:
            turn.say_unsaid(turn.now_us - _UNSAID_US)
        if handler is not None:
            handler(turn)
            self._keep_bounds(turn)
        return turn.told

    def _handler(self, event: Event) -> Handler | None:
        if event.control is None:
            handler = None if event.suspect else _HANDLERS.get(event.event)
            telltale = TELLTALES.get(event.event)
            if handler is not None and telltale is not None and telltale in event.fields:
                return OLDER_EVENTS[event.event]
            return handler
        return CONTROL_EVENTS.get(str(event.control.get("kind")))

    def _new_board(self, pbx: str) -> Switchboard:
        if len(self._boards) >= MAX_PBXS:
            silent = min(self._boards, key=lambda name: (self._boards[name].heard_us, name))
            del self._boards[silent]
        board = self._boards[pbx] = Switchboard(self._trunks.get(pbx, ()), self._bounds)
        return board

    def _keep_bounds(self, turn: Turn) -> None:
        board = turn.board
        board.heard_us = turn.now_us
        for call in board.beyond_bounds():
            turn.forget(call, outcome.FORGOTTEN)
        if turn.now_us >= board.sweep_us:
            board.sweep_us = turn.now_us + _SWEEP_EVERY_US
            for call in board.idle(turn.now_us):
                turn.forget(call, outcome.FORGOTTEN)

    # -- what outlives a restart --------------------------------------------

    def snapshot(self) -> bytes:
        """All that is known, for `restore`. Some 10 µs a call: meant for once in many events."""
        return dump(self._boards)

    def restore(self, state: bytes) -> None:
        """Take over a saved state in place of what is known.

        Raises `CallStateError` where it is damaged or of another version; then nothing has changed.
        """
        self._boards = load(state, lambda pbx: Switchboard(self._trunks.get(pbx, ()), self._bounds))
