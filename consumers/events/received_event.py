"""An event of a PBX in hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from consumers.events.held import Held
from consumers.events.received import Received, Settling
from schemas.envelope import Event, Fields, packet_text


class ReceivedEvent(Received):
    """An event and its delivery. `body` is the whole envelope (`schemas.Event`)."""

    __slots__ = ("body",)

    def __init__(self, held: Held, owner: Settling) -> None:
        super().__init__(held, owner)
        assert isinstance(held.body, Event)
        self.body = held.body

    @property
    def id(self) -> str:
        """The same however often the event comes."""
        return self.body.id

    @property
    def pbx(self) -> str:
        return self.body.pbx

    @property
    def epoch(self) -> int:
        """Which run of the PBX's journal `seq` counts in."""
        return self.body.epoch

    @property
    def seq(self) -> int:
        """Consecutive within (pbx, epoch), over all events of the PBX."""
        return self.body.seq

    @property
    def event(self) -> str:
        """The name as Asterisk wrote it, or `control.<kind>`."""
        return self.body.event

    @property
    def extensions(self) -> tuple[str, ...]:
        """Whom it concerns."""
        return self.body.extensions

    @property
    def fields(self) -> Fields:
        """All headers in order; a repeated one is a list."""
        return self.body.fields

    def field(self, name: str) -> str:
        """The header of that name, in any case; the first of several; empty where there is none."""
        value = self.body.fields.get(name)
        if value is None:
            lowered = name.lower()
            value = next((value for known, value in self.fields.items() if known.lower() == lowered), "")
        return value if isinstance(value, str) else value[0]

    @property
    def text(self) -> str:
        """The packet as Asterisk sent it, `Name: value` and CRLF each; empty for a control event."""
        return packet_text(self.body)

    @property
    def call(self) -> str:
        """The phone call that it belongs to; empty where it concerns none."""
        return self.body.call

    @property
    def received(self) -> datetime:
        """When it came from the PBX, UTC."""
        return self.body.received

    @property
    def control(self) -> dict[str, Any] | None:
        """What ami-bus itself has to say (a gap, a connection up or down); None for an event of Asterisk."""
        return self.body.control

    @property
    def snapshot(self) -> bool:
        """Whether it tells how things stand, after a connection, and not what has just happened."""
        return self.body.snapshot

    @property
    def undecided(self) -> str:
        """Why the filter gave no answer: `timeout`, `quarantined`, `busy`; empty where it did. Only such
        subscriptions get these as ask for them (`undecided="offer"`)."""
        return self._held.undecided

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.event} attempt {self.attempt}>"
