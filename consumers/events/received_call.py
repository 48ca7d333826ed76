"""A call event in hand."""

from __future__ import annotations

from datetime import datetime

from consumers.events.held import Held
from consumers.events.received import Received, Settling
from schemas.call_event import CallEvent, CallState, Party
from schemas.timestamps import parse_timestamp


class ReceivedCall(Received):
    """A call event and its delivery. `body` is all of it (`schemas.call_event.CallEvent`)."""

    __slots__ = ("body",)

    def __init__(self, held: Held, owner: Settling) -> None:
        super().__init__(held, owner)
        assert isinstance(held.body, CallEvent)
        self.body = held.body

    @property
    def id(self) -> str:
        """The same however often the call event comes."""
        return self.body.id

    @property
    def pbx(self) -> str:
        return self.body.pbx

    @property
    def call(self) -> str:
        """The call's key."""
        return self.body.call

    @property
    def state(self) -> CallState:
        return self.body.state

    @property
    def extensions(self) -> tuple[str, ...]:
        """Whom it concerns."""
        return self.body.extensions

    @property
    def caller(self) -> Party | None:
        return self.body.caller

    @property
    def original_caller(self) -> Party | None:
        return self.body.original_caller

    @property
    def callee(self) -> Party | None:
        return self.body.callee

    @property
    def queue(self) -> str:
        return self.body.queue

    @property
    def reason(self) -> str:
        return self.body.reason

    @property
    def at(self) -> datetime:
        """When it happened, UTC."""
        return parse_timestamp(self.body.at)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} attempt {self.attempt}>"
