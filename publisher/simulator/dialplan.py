"""The dialplan of the simulated PBX: what becomes of a channel in an extension.

An extension of a phone dials that phone; an extension that is not known ends the call; any other one answers
and waits. A channel's way ends with its Hangup: its own, or one that was asked for (`publisher.simulator.ask`
says what can be). Who is taken out of a talk leaves the other party, which ends.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final, TypeAlias

from publisher.simulator.ask import Ask, HangUp, Move, Park
from publisher.simulator.events import Events
from publisher.simulator.masquerade import masquerade
from publisher.simulator.options import SimulatorOptions
from publisher.simulator.parking_lot import parked
from publisher.simulator.script import Part, Rest, Script, Step
from publisher.simulator.state import Channel, PbxState

_CARDS: Final = ("Карточка клиента", "Заказ № 15: срочно", "ООО Ромашка", "Договор a=b; c")
_DIAL_VARIABLES: Final = ("DIALSTATUS", "DIALEDPEERNUMBER", "DIALEDPEERNAME", "ANSWEREDTIME", "DIALEDTIME")
_QUALITY_VARIABLES: Final = ("RTPAUDIOQOS", "RTPAUDIOQOSJITTER", "RTPAUDIOQOSLOSS", "RTPAUDIOQOSRTT")
# How a phone ends a call that it does not take: the cause code of its channel.
CAUSE_OF: Final = {"BUSY": 17, "CONGESTION": 34, "NOANSWER": 19, "CANCEL": 16}
_STATUS_OF: Final = {17: "BUSY", 34: "CONGESTION"}


# What was asked of the one and of the other while they talked.
_Talk: TypeAlias = Generator[Step, None, tuple[Ask | None, Ask | None]]


@dataclass(slots=True, frozen=True)
class Manner:
    """How a phone behaves: what its Dial ends with (ANSWER, BUSY, ...), and how long it rings and talks."""

    ends: str
    ring_secs: float
    talk_secs: float


def dial_status(cause: int) -> str:
    """The DialStatus of a phone that was hung up with that cause."""
    return _STATUS_OF.get(cause, "NOANSWER")


class Dialplan:
    """Writes what channels of one PBX do; `rng` makes it repeatable.

    `play` begins a script of its own: two who talked and are both sent elsewhere go their own ways.
    """

    def __init__(
        self, state: PbxState, options: SimulatorOptions, rng: random.Random, play: Callable[[Script], None]
    ) -> None:
        self._state = state
        self._options = options
        self._rng = rng
        self._play = play
        self.events = Events(state)

    def manner(self, number: str) -> Manner:
        """How the phone of that number behaves in a call that a client started."""
        options = self._options
        ends = "ANSWER"
        for status, numbers in (
            ("BUSY", options.busy),
            ("CONGESTION", options.congested),
            ("NOANSWER", options.no_answer),
        ):
            ends = status if number in numbers else ends
        return Manner(ends, options.ring_secs, options.pace.talk_secs)

    def knows(self, exten: str) -> bool:
        return bool(exten) and exten not in self._options.unknown_extens

    # A channel's way.

    def walk(self, a: Channel, asked: Ask | None = None) -> Script:
        """From the extension that the channel is in, or from what is asked of it, to its end."""
        a.scripted = True
        while True:
            if asked is None:
                asked = yield from self._run(a)
            match asked:
                case HangUp():
                    yield from self.leave(a, asked)
                    return
                case Move():
                    yield from self._moved(a, asked)
                    asked = None
                case Park():
                    asked = yield from parked(self._state, self.events, a, asked)
                case None:
                    return

    def leave(self, a: Channel, how: HangUp) -> Script:
        """The channel ends, and the other half with it if it is a Local one's."""
        if how.told:
            yield self.events.soft_hangup_request(a, 16)
        self._state.end_channel(a)
        yield self.events.hangup(a, how.cause)
        yield from self.events.device(a)
        if a.half is not None:
            a.half.ask_for(HangUp(0, told=True))

    def take_over(self, a: Channel) -> Script:
        """Something is asked of a channel that no script carries: one does from now on."""
        a.scripted = True
        asked, peer = a.take_ask(), a.peer
        if peer is not None:
            yield from self.events.unlink(a, peer)
        if isinstance(asked, HangUp):
            yield from self.leave(a, asked)
        if peer is not None and peer.ask is None and peer.name in self._state.channels:
            yield from self.leave(peer, HangUp(16, told=True))
        if asked is not None and not isinstance(asked, HangUp):
            yield from self.walk(a, asked)

    def _run(self, a: Channel) -> Part:
        if a.ask is not None:
            return a.take_ask()
        if not self.knows(a.exten):
            return HangUp(0, told=True)
        if a.exten in self._state.extensions:
            yield from self.prepare(a)
            return (yield from self.dial(a, a.exten, self.manner(a.exten)))
        return (yield from self._alone(a))

    def _moved(self, a: Channel, move: Move) -> Script:
        # Before 12 only a channel that runs the dialplan can be sent elsewhere; another one takes its place.
        if not self.events.modern and not a.in_dialplan:
            yield from masquerade(self._state, self.events, a, "AsyncGoto", a.state)
        a.in_dialplan = True
        a.context, a.exten, a.priority = move.context, move.exten, move.priority

    def up(self, a: Channel) -> Script:
        """It is answered, and the other half with it if it is a Local one's."""
        a.state = 6
        yield self.events.newstate(a)
        yield from self.events.device(a)
        if a.half is not None and a.half.state != 6:
            a.half.state = 6
            yield self.events.newstate(a.half)
            a.half.wake()

    def _alone(self, a: Channel) -> Part:
        a.application, a.data = "Answer", ""
        yield self.events.newexten(a)
        if a.state != 6:
            yield from self.up(a)
        talk_secs = self._options.pace.talk_secs
        a.priority += 1
        a.application, a.data = "Wait", f"{talk_secs:g}"
        yield self.events.newexten(a)
        yield Rest(talk_secs, (a,))
        if (asked := a.take_ask()) is not None:
            return asked
        yield self.events.hangup_request(a, 16)
        return HangUp(16)

    def application(self, a: Channel, name: str, data: str) -> Part:
        """One application instead of an extension, as Originate can ask for."""
        a.application, a.data = name, data
        first = data.split(",")[0]
        match name.lower():
            case "userevent":
                yield self.events.user_event(a, data)
                return HangUp(0)
            case "dial" if first.partition("/")[2] in self._state.extensions:
                number = first.partition("/")[2]
                return (yield from self.dial(a, number, self.manner(number), data=data))
        rest_secs = self._options.pace.talk_secs
        if name.lower() == "wait" and first.replace(".", "", 1).isdecimal():
            rest_secs = float(first)
        yield Rest(rest_secs, (a,))
        return a.take_ask() or HangUp(16)

    # Two parties.

    def prepare(self, a: Channel) -> Script:
        steps = (
            f"CRM_ID={int(time.time())}-{self._rng.randrange(10**4)}",
            f"__CALLER_CARD={self._rng.choice(_CARDS)}",
        )
        for step in steps:
            a.application, a.data = "Set", step
            yield self.events.newexten(a)
            name, _, value = step.partition("=")
            a.set_variable(name, value)
            yield self.events.varset(a, name, value)
            a.priority += 1

    def dial(self, a: Channel, number: str, manner: Manner, *, data: str = "") -> Part:
        """Ring an extension's phone and talk with it; the channel's own end is left to the caller."""
        state, events, began = self._state, self.events, time.time()
        a.application, a.data = "Dial", data or f"{state.style.tech}/{number},20,tTkK"
        if not data:
            yield events.newexten(a)
        for name in _DIAL_VARIABLES:
            yield events.varset(a, name, "")
        exten = "s" if events.modern else ""
        b = state.new_channel(number, linkedid=a.linkedid, exten=exten, in_dialplan=False, scripted=True)
        yield events.newchannel(b)
        b.connected_num, b.connected_name = a.caller_num, a.caller_name
        b.application, b.data, b.exten = "AppDial", "(Outgoing Line)", number if events.modern else ""
        yield events.varset(b, "DIALEDPEERNUMBER", number)
        if events.modern:
            yield events.newexten(b)
            yield events.dial("DialBegin", a, b, [("DialString", number)])
        else:
            yield events.old_dial(a, b, number)
        a.connected_num, a.connected_name = b.caller_num, b.caller_name
        b.state = 5
        yield events.newstate(b)
        if a.half is not None and a.half.state < 5:
            a.half.state = 5
            yield events.newstate(a.half)
        yield from events.device(b)
        if events.modern:
            yield events.dial("DialState", a, b, [("DialStatus", "RINGING")])
        yield Rest(manner.ring_secs, (a, b))
        return (yield from self._rung(a, b, manner, began))

    def _rung(self, a: Channel, b: Channel, manner: Manner, began: float) -> Part:
        ends, cause, answered = manner.ends, 16, 0.0
        asked, of_b = a.take_ask(), b.take_ask()
        if asked is not None:
            ends, cause = "CANCEL", CAUSE_OF["CANCEL"]
        elif isinstance(of_b, HangUp):
            ends, cause = dial_status(of_b.cause), of_b.cause
        elif ends == "ANSWER":
            answered = time.time()
            asked, of_b = yield from self._talk(a, b, manner.talk_secs)
            cause = of_b.cause if isinstance(of_b, HangUp) else 16
        else:
            cause = CAUSE_OF[ends]
        if not answered and self.events.modern:
            yield self.events.dial("DialEnd", a, b, [("DialStatus", ends)])
        yield self.events.cdr(a, b, ends, began, answered)
        if answered and isinstance(of_b, Move | Park):
            yield from self._dialled(a, ends)
            if isinstance(asked, Move | Park):
                self._play(self.walk(b, of_b))
                return asked
            yield from self.leave(a, asked or HangUp(16, told=True))
            yield from self.walk(b, of_b)
            return None
        yield from self.leave(b, HangUp(cause))
        yield from self._dialled(a, ends)
        return asked or HangUp(cause, told=True)

    def _dialled(self, a: Channel, ends: str) -> Script:
        yield self.events.varset(a, "DIALSTATUS", ends)
        if not self.events.modern:
            yield self.events.old_dial_end(a, ends)

    def _talk(self, a: Channel, b: Channel, secs: float) -> _Talk:
        events = self.events
        bridge = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        yield from self.up(b)
        yield events.varset(a, "DIALSTATUS", "ANSWER")
        yield events.varset(a, "DIALEDPEERNAME", b.name)
        if events.modern:
            yield events.dial("DialEnd", a, b, [("DialStatus", "ANSWER")])
        if a.state != 6:
            yield from self.up(a)
        yield from events.link(a, b, bridge)
        for this, other in ((a, b), (b, a)) * 2:
            yield events.varset(this, "BRIDGEPEER", other.name)
        yield Rest(secs, (a, b))
        asked, of_b = a.take_ask(), b.take_ask()
        for this in (b, a):
            for name in _QUALITY_VARIABLES:
                yield events.varset(this, name, f"ssrc={self._rng.getrandbits(31)};lp=0;rtt=0.000000")
        if asked is None and of_b is None:
            yield events.hangup_request(b, 16)
        yield from events.unlink(a, b)
        return asked, of_b
