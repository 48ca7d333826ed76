"""Commands under way: sent to the PBX, and not yet answered for good.

* A call (Originate) ends with the PBX's OriginateResponse, whichever comes first, that or the response to the
  action. If the connection breaks, or the process did, what became of the call is found out: the response may
  still come to the next connection; the list of channels says whether the call lives; its channel's events,
  from the journal too, say whether it was answered. What cannot be found out is `unknown`. Nothing is ever
  sent again.
* Everything else ends with the one answer to its action, or `unknown` without one.

Bounds: so many calls and so many others at a time (the dispatcher looks at `calls` and `others`); a list of
at most `_MAX_ITEMS` events and `_MAX_ITEM_BYTES`; a call waits for its ringing time and a margin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from publisher.ami.fields import ParsedPacket
from publisher.ami.reports import Reply as AmiReply
from publisher.command_ports import ActionLine
from publisher.commanding.call_watch import WATCHED, WATCHED_BY_VARIABLE, CallFacts, CallWatch
from publisher.commanding.headers import knows_channel_ids
from publisher.commanding.outcomes import Outcome, found_out, of_answer, of_call, refused
from publisher.services.settlement import Handled
from publisher.services.supervisor import CallbackFaults
from schemas.envelope import Fields
from schemas.reply import Reason, State, Step

_MAX_ITEMS: Final = 2_000
_MAX_ITEM_BYTES: Final = 512 << 10
# How much longer than it may ring a call is waited for.
_MARGIN_SECS: Final = 10.0
# A call that is not in the list of channels: its response may just be on its way.
_ABSENT_SECS: Final = 2.0
# How long a PBX may stay away before nobody can say any more what became of a call.
_AWAY_SECS: Final = 60.0

GiveOutcome = Callable[[Handled, Outcome], None]
TellStep = Callable[[str, Step, str], None]


@dataclass(slots=True)
class Flight:
    """One command under way; takes the answer to its action. `deadline` and `away_until` are monotonic."""

    handled: Handled
    owner: InFlight
    ring_ms: int
    deadline: float
    facts: CallFacts | None = None
    doubtful: bool = False
    absent_since: float | None = None
    items: list[Fields] = field(default_factory=list)
    item_bytes: int = 0
    truncated: bool = False

    def item(self, parsed: ParsedPacket) -> None:
        self.owner.guarded(self._item)(parsed)

    def answered(self, reply: AmiReply) -> None:
        self.owner.guarded(self.owner.answered)(self, reply)

    def _item(self, parsed: ParsedPacket) -> None:
        size = sum(len(name) + len(value) for name, value in parsed.fields.items())
        if len(self.items) >= _MAX_ITEMS or self.item_bytes + size > _MAX_ITEM_BYTES:
            self.truncated = True
            return
        self.item_bytes += size
        self.items.append(dict(parsed.fields))


class InFlight:
    """One PBX's. Never waits; `tick` is called a few times a second."""

    def __init__(self, line: ActionLine, give: GiveOutcome, tell: TellStep, faults: CallbackFaults) -> None:
        self._line = line
        # What goes wrong in answers and events is this service's fault, and never the connection's.
        self.guarded = faults.guarded
        self.on_event = faults.guarded(self.event)
        self._give = give
        self._tell = tell
        self._watch = CallWatch()
        self._flights: dict[str, Flight] = {}
        self._was_up = False
        self._down_since: float | None = None
        self.calls = 0

    @property
    def others(self) -> int:
        return len(self._flights) - self.calls

    @property
    def watched(self) -> frozenset[str]:
        """The names of events that matter now."""
        if not len(self._watch):
            return frozenset()
        return WATCHED if knows_channel_ids(self._line.ami_version) else WATCHED_BY_VARIABLE

    def __contains__(self, id: str) -> bool:
        return id in self._flights

    # -- what is sent, and what was -----------------------------------------

    def begin(self, handled: Handled, ring_ms: int, now: float, answer_secs: float) -> Flight:
        """A command is about to be handed to the PBX."""
        wait_secs = ring_ms / 1000 + _MARGIN_SECS if ring_ms else answer_secs + _MARGIN_SECS
        flight = Flight(handled, self, ring_ms, now + wait_secs)
        if ring_ms:
            flight.facts = self._watch.watch(handled.id)
            self.calls += 1
        self._flights[handled.id] = flight
        return flight

    def withdraw(self, id: str) -> None:
        """It was not sent after all."""
        self._remove(id)

    def find_out(self, handled: Handled, ring_ms: int, left_secs: float, now: float) -> CallFacts | None:
        """A command that was sent before a crash. For a call: the facts to fill in from the journal."""
        if not ring_ms:
            message = "the collector ended while the command was under way"
            asked_only = handled.command is not None and not handled.command.changes
            state, reason = (
                (State.FAILED, Reason.NOTHING_HEARD) if asked_only else (State.UNKNOWN, Reason.CRASHED)
            )
            self._give(handled, Outcome(state=state, reason=reason, message=message))
            return None
        flight = self.begin(handled, ring_ms, now, 0.0)
        flight.deadline = now + max(0.0, left_secs) + _MARGIN_SECS
        flight.doubtful = True
        assert flight.facts is not None
        flight.facts.blind = True
        return flight.facts

    def settle_found(self, id: str) -> None:
        """The journal has been read: its facts may be enough."""
        flight = self._flights.get(id)
        if flight is not None and flight.facts is not None and (outcome := of_call(flight.facts)) is not None:
            self._end(flight, outcome)

    # -- what the PBX says --------------------------------------------------

    def event(self, name: str, fields: Mapping[str, str | list[str]]) -> None:
        """One of the watched events."""
        noted = self._watch.note(name, fields)
        if noted is None:
            return
        facts, step = noted
        flight = self._flights.get(facts.id)
        if flight is None:
            return
        if facts.response is not None:
            outcome = of_call(facts)
            assert outcome is not None
            self._end(flight, outcome)
        elif step is not None:
            self._tell(facts.id, step, facts.channel)

    def answered(self, flight: Flight, reply: AmiReply) -> None:
        """The answer to a command's action, or that none will come."""
        if flight.handled.id not in self._flights:
            return
        if flight.facts is None:
            command = flight.handled.command
            assert command is not None
            self._end(flight, of_answer(command, reply, tuple(flight.items), flight.truncated))
        elif not reply.complete:
            # Taken or not, nobody knows; what the call does will tell.
            flight.doubtful = True
        elif reply.success:
            self._tell(flight.handled.id, Step.ACCEPTED, "")
        else:
            self._end(flight, refused(reply))

    # -- time ---------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Look at what takes too long, and at calls whose connection broke."""
        up = self._line.up
        if self._was_up and not up:
            self._watch.go_blind()
            for flight in self._flights.values():
                flight.doubtful = flight.doubtful or flight.facts is not None
                flight.absent_since = None
        self._was_up = up
        self._down_since = None if up else self._down_since or now
        for flight in list(self._flights.values()):
            if flight.facts is not None:
                self._look_at_call(flight, flight.facts, now)
            elif now >= flight.deadline:
                message = "the PBX did not answer"
                self._end(flight, Outcome(state=State.UNKNOWN, reason=Reason.NO_REPLY, message=message))

    def _look_at_call(self, flight: Flight, facts: CallFacts, now: float) -> None:
        if self._down_since is not None:
            if now >= max(flight.deadline, self._down_since + _AWAY_SECS):
                self._give_up(flight, facts, "the PBX has been away since")
            return
        if flight.doubtful and self._line.channels_known:
            living = self._line.living(facts.uniqueid or facts.id)
            if living is not None:
                self._watch.note_living(facts.uniqueid or facts.id, *living)
                flight.absent_since = None
                if facts.answered:
                    self._give_up(flight, facts, "")
                    return
            elif facts.uniqueid or knows_channel_ids(self._line.ami_version):
                flight.absent_since = flight.absent_since or now
                if now >= flight.absent_since + _ABSENT_SECS:
                    self._give_up(flight, facts, "the call is not among the PBX's channels")
                    return
        if now >= flight.deadline:
            self._give_up(flight, facts, "the PBX did not say what became of the call")

    def _give_up(self, flight: Flight, facts: CallFacts, why: str) -> None:
        """No response will come: what the channel did decides, or nobody knows."""
        reason = Reason.LINK_LOST if flight.doubtful else Reason.NO_REPLY
        unknown = Outcome(state=State.UNKNOWN, reason=reason, message=why)
        self._end(flight, found_out(facts) or unknown)

    def _end(self, flight: Flight, outcome: Outcome) -> None:
        if self._remove(flight.handled.id):
            self._give(flight.handled, outcome)

    def _remove(self, id: str) -> bool:
        flight = self._flights.pop(id, None)
        if flight is None:
            return False
        if flight.facts is not None:
            self.calls -= 1
            self._watch.forget(id)
        return True
