"""One action's turn in a session: its request, who asks, and the one way to answer it.

Here the faults of the answer happen, so an action's own code knows of none. A turn is answered once. What an
action causes to be said comes after its response, as Asterisk's sessions write it, unless a fault says else.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from publisher.simulator.answers import Fields
from publisher.simulator.faults import Fault, FaultKind
from publisher.simulator.packets import packet, response
from publisher.simulator.requests import Request

if TYPE_CHECKING:
    from publisher.simulator.session import Session

# What stands before the ActionID that a wrong response carries.
WRONG: Final = "not-"


class Turn:
    """A request and its answer. `classes` are the write classes of who asks."""

    def __init__(
        self, session: Session, request: Request, classes: frozenset[str], fault: Fault | None = None
    ) -> None:
        self._session = session
        self._fault = fault
        self._late: bytes = b""
        self._waits = False
        self.request = request
        self.classes = classes

    def accept(self, message: str) -> None:
        """Success with one sentence."""
        self.succeed([("Message", message)])

    def succeed(self, fields: Fields) -> None:
        """Success with these headers."""
        self.answer([response("Success", self.request.action_id, fields)])

    def refuse(self, message: str) -> None:
        """An error with its sentence."""
        self.answer([response("Error", self.request.action_id, [("Message", message)])])

    def answer(self, packets: list[Fields]) -> None:
        """The whole answer, in one write: a list's end is not apart from its beginning."""
        kind = self._fault.kind if self._fault is not None else None
        if kind is FaultKind.WRONG_ACTION_ID:
            packets = [self._misnamed(fields) for fields in packets]
        data = b"".join(packet(fields, self._session.encoding) for fields in packets)
        match kind:
            case FaultKind.NO_RESPONSE:
                pass
            case FaultKind.LATE_RESPONSE if self._fault is not None:
                asyncio.get_running_loop().call_later(self._fault.late_secs, self._session.write, data)
            case FaultKind.DROP_AFTER:
                self._session.close()
            case FaultKind.RESPONSE_AFTER_EVENT:
                self._late = data
            case FaultKind.DUPLICATE_RESPONSE:
                self._session.write(data * 2)
            case _:
                self._session.write(data)
        self._go_on()

    def wait(self) -> None:
        """The answer comes later: until then the session takes no other action and is sent no event."""
        self._waits = True
        self._session.hold()
        if self._fault is not None and self._fault.kind is FaultKind.DROP_AFTER:
            self._session.close()

    @property
    def originate_responses(self) -> int:
        """How many times the OriginateResponse of this action is sent."""
        match self._fault.kind if self._fault is not None else None:
            case FaultKind.NO_ORIGINATE_RESPONSE:
                return 0
            case FaultKind.DUPLICATE_ORIGINATE_RESPONSE:
                return 2
        return 1

    def event_was_sent(self) -> None:
        """The OriginateResponse is out: a response that had to wait for it follows."""
        data, self._late = self._late, b""
        self._session.write(data)

    def _misnamed(self, fields: Fields) -> Fields:
        return [(name, f"{WRONG}{value}" if name == "ActionID" else value) for name, value in fields]

    def _go_on(self) -> None:
        if self._waits:
            self._waits = False
            self._session.go_on()
