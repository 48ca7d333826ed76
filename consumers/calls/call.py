"""A call: the legs that belong together, and what is known of how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from consumers.calls.leg import ANSWERED, Leg
from schemas.call_event import Callee, Party, Transfer

MAX_CALLEES: Final = 32
MAX_TRANSFERS: Final = 8
MAX_UNIQUEIDS: Final = 32
MAX_LINKS: Final = 8

CALLEE: Final = "callee"
PBX: Final = "pbx"


@dataclass(slots=True, eq=False)
class Call:
    """One call. Times are in microseconds since the Unix epoch, 0 where not known.

    `told`: something was said of it. `sought`: it was for somebody (a phone rang, a queue was joined).
    `passing`: handed on, and the next has not answered yet. `provisional`: callees whose result the end of
    the Dial may correct. `gaps`: how many gaps the PBX had had when it began. `links`: its Linkedids.

    Bounds: 32 callees, 8 transfers, 32 Uniqueids, 8 Linkedids; the first ones stay.
    """

    key: str
    order: int
    begun_us: int
    gaps: int
    touched_us: int = 0
    legs: dict[Leg, None] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    uniqueids: list[str] = field(default_factory=list)
    linkedid: str = ""
    caller_leg: Leg | None = None
    caller: Party | None = None
    original_caller: Party | None = None
    callee: Party | None = None
    callees: dict[str, Callee] = field(default_factory=dict)
    provisional: list[str] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    holders: dict[Leg, None] = field(default_factory=dict)
    dialled: str = ""
    queue: str = ""
    parked: str = ""
    answered_by: str = ""
    ringing_us: int = 0
    answered_us: int = 0
    cause: int = -1
    cause_text: str = ""
    callee_cause: int = -1
    callee_cause_text: str = ""
    told: bool = False
    sought: bool = False
    had_caller: bool = False
    held: bool = False
    waiting: bool = False
    abandoned: bool = False
    passing: bool = False
    originated: bool = False
    unseen: bool = False
    synthetic: bool = False
    through_trunk_in: bool = False
    through_trunk_out: bool = False

    def note_callee(self, leg: Leg, result: str) -> None:
        """What came of ringing this leg's extension; one entry an extension, with the latest result."""
        party = leg.party
        key = party.number or party.channel
        known = self.callees.get(key)
        if known is None and len(self.callees) >= MAX_CALLEES:
            return
        if known is not None and known.result == ANSWERED:
            # Taken once stays taken: the same extension ringing again does not undo it.
            result = ANSWERED
        self.callees[key] = Callee(party, result)
        if key in self.provisional:
            self.provisional.remove(key)

    def settle_provisional(self, result: str) -> None:
        """The Dial that rang them has ended, and says how."""
        for key in self.provisional:
            known = self.callees.get(key)
            if known is not None:
                self.callees[key] = Callee(known.party, result)
        self.provisional.clear()

    def forget_callee(self, leg: Leg) -> None:
        party = leg.party
        self.callees.pop(party.number or party.channel, None)

    def note_transfer(self, transfer: Transfer) -> None:
        if len(self.transfers) < MAX_TRANSFERS:
            self.transfers.append(transfer)
        else:
            self.transfers[-1] = transfer

    def refresh_caller(self) -> None:
        """The caller's name may have been found out since."""
        if self.caller_leg is not None:
            party = self.caller_leg.party
            if self.original_caller is None or self.original_caller == self.caller:
                self.original_caller = party
            self.caller = party

    def counterpart(self, leg: Leg | None) -> Leg | None:
        """With whom this leg speaks: in the same bridge, else any other that is up."""
        others = [one for one in self.legs if one is not leg and one.device]
        if leg is not None and leg.bridge:
            for one in others:
                if one.bridge == leg.bridge:
                    return one
        for one in others:
            if one.up:
                return one
        return None

    @property
    def speaking(self) -> bool:
        """True while any device is in a bridge."""
        return any(leg.bridge and leg.device for leg in self.legs)
