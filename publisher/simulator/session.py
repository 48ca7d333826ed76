"""One client's session with the simulated PBX: what it may do, what it is sent, and how fast.

Bounds
* A client that takes nothing for `write_timeout_secs` is cut off, as Asterisk does.
* At most `MAX_WAITING_BYTES` wait for one client (frozen, dribbling or slow); beyond it is cut off.
* An action has at most 128 lines of 1,024 bytes. While one waits for its answer (an Originate that is not
  asynchronous) the session reads no more, does no other action and is sent no event: so do Asterisk's.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from publisher.simulator.action import Action
from publisher.simulator.actions import actions_of
from publisher.simulator.answers import UNKNOWN_ACTION, Fields
from publisher.simulator.faults import FaultKind
from publisher.simulator.filters import FilterRefused, Filters
from publisher.simulator.packets import ALL_CLASSES, classes_of, packet, parse_classes, response
from publisher.simulator.requests import Request, RequestReader
from publisher.simulator.turn import Turn

if TYPE_CHECKING:
    from publisher.simulator.pbx import SimulatedPbx

MAX_WAITING_BYTES: Final = 64 << 20


class Session(asyncio.Protocol):
    """A connection. `user` is empty until the login is accepted."""

    def __init__(self, pbx: SimulatedPbx) -> None:
        self._pbx = pbx
        self._reader = RequestReader(pbx.options.encoding)
        self._transport: asyncio.Transport | None = None
        self._challenge = ""
        self._mask: frozenset[str] = ALL_CLASSES
        self._read: frozenset[str] = ALL_CLASSES
        self._write: frozenset[str] = ALL_CLASSES
        self._filters = Filters()
        self._room = asyncio.Event()
        self._room.set()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = bytearray()
        self._dribble: asyncio.Task[None] | None = None
        self._greeted = False
        self._requests: deque[Request] = deque()
        self._held: bytearray | None = None
        self.user = ""
        self.events_sent = 0
        self.events_filtered = 0
        self.closed = asyncio.Event()

    # Connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        transport = cast("asyncio.Transport", transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=256 * 1024)
        if not self._pbx.admit(self):
            transport.abort()
            return
        self._timer = asyncio.get_running_loop().call_later(self._pbx.options.auth_timeout_secs, self.cut_off)
        if self._pbx.frozen:
            transport.pause_reading()
        else:
            self.greet()

    def greet(self) -> None:
        if not self._greeted:
            self._greeted = True
            self.write(self._pbx.options.style.banner)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._dribble is not None:
            self._dribble.cancel()
        self._waiting.clear()
        self._requests.clear()
        self._held = None
        self._room.set()
        self.closed.set()
        self._pbx.dismiss(self)

    def data_received(self, data: bytes) -> None:
        self._requests.extend(self._reader.receive_data(data))
        self._work()

    def _work(self) -> None:
        while self._requests and self._held is None:
            request = self._requests.popleft()
            if self._transport is None or self._transport.is_closing():
                return
            self._pbx.requests.append(request)
            self._act(request)

    def pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing() and self._held is None:
            self._transport.resume_reading()

    # Waiting for an answer.

    def hold(self) -> None:
        """An action waits for its answer: nothing else until `go_on`."""
        self._held = bytearray()
        self.pause_reading()

    def go_on(self) -> None:
        """It is answered: what happened meanwhile is told, what was asked meanwhile is done."""
        held, self._held = self._held, None
        if held:
            self.write(bytes(held))
        if not self._pbx.frozen:
            self.resume_reading()
        self._work()

    # Writing.

    def write(self, data: bytes) -> None:
        """Send bytes as they are, at the pace that the PBX is told to keep."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._pbx.frozen or self._pbx.chunk_bytes or self._waiting:
            self._waiting += data
            if len(self._waiting) > MAX_WAITING_BYTES:
                self.cut_off()
            elif self._dribble is None:
                self._dribble = asyncio.get_running_loop().create_task(self._send_waiting())
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self.cut_off()

    async def _send_waiting(self) -> None:
        try:
            while self._waiting and self._transport is not None:
                await self._pbx.thawed.wait()
                size = self._pbx.chunk_bytes or len(self._waiting)
                piece = bytes(self._waiting[:size])
                del self._waiting[:size]
                self._transport.write(piece)
                await self._room.wait()
                await asyncio.sleep(self._pbx.chunk_pause_secs if self._pbx.chunk_bytes else 0)
        finally:
            self._dribble = None

    def pause_writing(self) -> None:
        self._room.clear()
        if self._timer is None:
            timeout = self._pbx.options.write_timeout_secs
            self._timer = asyncio.get_running_loop().call_later(timeout, self.cut_off)

    def resume_writing(self) -> None:
        self._room.set()
        if self._timer is not None and self.user:
            self._timer.cancel()
            self._timer = None

    async def drain(self) -> None:
        """Wait until the client has taken enough to be sent more, or is gone."""
        while self._waiting and not self.closed.is_set():
            task = self._dribble
            if task is None:
                break
            await asyncio.wait([task])
        await self._room.wait()

    def cut_off(self) -> None:
        """Close at once; what the kernel has not taken is lost, in the middle of an event if need be."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close when everything is sent."""
        if self._transport is not None:
            self._transport.close()

    # Events.

    @property
    def listens(self) -> bool:
        """Logged in, with any event switched on."""
        return bool(self.user) and bool(self._mask)

    @property
    def takes_everything(self) -> bool:
        """No mask, no filter and no right stands between an event and this client."""
        everything = self._mask == ALL_CLASSES and self._read == ALL_CLASSES
        return bool(self.user) and everything and not self._filters

    def wants(self, event: bytes) -> bool:
        if not self.listens:
            return False
        if self.takes_everything:
            return True
        classes = classes_of(event)
        return classes <= (self._mask & self._read) and self._filters.passes(event)

    def offer(self, event: bytes) -> bool:
        """Send one whole event if the client is to get it."""
        if not self.wants(event):
            self.events_filtered += 1
            return False
        self.count(1)
        if self._held is None:
            self.write(event)
            return True
        self._held += event
        if len(self._held) > MAX_WAITING_BYTES:
            self.cut_off()
        return True

    def count(self, events: int) -> None:
        self.events_sent += events
        self._pbx.events_sent += events

    # Actions.

    def _reply(self, fields: Fields) -> None:
        self.write(packet(fields, self._pbx.options.encoding))

    def _refuse(self, request: Request, message: str) -> None:
        self._reply(response("Error", request.action_id, [("Message", message)]))

    def _act(self, request: Request) -> None:
        if request.problem:
            # Too many lines is answered without the ActionID, which may be among those not read.
            known = request if "long" in request.problem else Request()
            self._refuse(known, request.problem)
            return
        if not request.action:
            self._refuse(request, "Missing action in request")
            return
        if not self.user and request.action not in ("login", "challenge", "logoff"):
            self._refuse(request, "Permission denied")
            return
        if handler := self._pbx.handlers.get(request.action):
            handler(self, request)
            return
        action = actions_of(self._pbx.state).get(request.action)
        if action is None:
            self._refuse(request, UNKNOWN_ACTION.format(name=request.get("Action")))
        elif action.classes and not action.classes & self._write:
            self._refuse(request, "Permission denied")
        else:
            self._execute(action, request)

    def _execute(self, action: Action, request: Request) -> None:
        fault = self._pbx.faults.pick(request) if self.user else None
        if fault is not None and fault.kind is FaultKind.DROP_BEFORE:
            self.close()
            return
        if fault is not None and fault.kind is FaultKind.REFUSED:
            self._refuse(request, "Permission denied")
            return
        turn = Turn(self, request, self._write, fault)
        if action.changes:
            self._pbx.executed.note(request.action_id)
            self._pbx.look()
        if action.deed is not None:
            action.deed(self._pbx.board, turn)
        elif action.answer is not None:
            turn.answer(action.answer(self._pbx.state, request))
        else:
            _OWN[request.action](self, turn)

    @property
    def encoding(self) -> str:
        """That of the PBX's own text."""
        return self._pbx.options.encoding

    def _challenged(self, turn: Turn) -> None:
        if turn.request.get("AuthType").upper() != "MD5":
            turn.refuse("Must specify AuthType")
            return
        self._challenge = str(secrets.randbelow(1 << 30))
        turn.succeed([("Challenge", self._challenge)])

    def _login(self, turn: Turn) -> None:
        request = turn.request
        name = request.get("Username")
        if not self._pbx.options.allow_multiple_login and self._pbx.is_logged_in(name):
            self._refuse_login(request, "Login Already In Use")
            return
        user = self._pbx.options.users.get(name)
        if user is None or self._pbx.refuses_logins or not self._proves(request, user.secret):
            self._refuse_login(request, "Authentication failed")
            return
        self.user = name
        self._read, self._write = user.read, user.write
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if request.has("Events"):
            self._mask = parse_classes(request.get("Events"))
        turn.accept("Authentication accepted")
        self._pbx.welcome(self)

    def _proves(self, request: Request, secret: str) -> bool:
        if request.get("AuthType").upper() == "MD5":
            key = hashlib.md5((self._challenge + secret).encode()).hexdigest()
            return bool(self._challenge) and secrets.compare_digest(
                key, request.get("Key").encode("ascii", "replace").decode("ascii")
            )
        return secrets.compare_digest(
            secret.encode("utf-8", "surrogateescape"),
            request.get("Secret").encode("utf-8", "surrogateescape"),
        )

    def _refuse_login(self, request: Request, message: str) -> None:
        self._pbx.logins_refused += 1
        self.pause_reading()

        def refuse() -> None:
            self._refuse(request, message)
            self.close()

        if self._pbx.options.refusal_delay_secs:
            asyncio.get_running_loop().call_later(self._pbx.options.refusal_delay_secs, refuse)
        else:
            refuse()

    def _logoff(self, turn: Turn) -> None:
        action_id = turn.request.action_id
        turn.answer([response("Goodbye", action_id, [("Message", "Thanks for all the fish.")])])
        self.close()

    def _ping(self, turn: Turn) -> None:
        turn.succeed([("Ping", "Pong"), ("Timestamp", f"{time.time():.6f}")])

    def _events(self, turn: Turn) -> None:
        mask = turn.request.get("EventMask")
        if not mask:
            turn.refuse("Invalid event mask")
            return
        self._mask = parse_classes(mask)
        turn.succeed([("Events", "On" if self._mask else "Off")])
        if self._mask:
            self._pbx.listening(self)

    def _filter(self, turn: Turn) -> None:
        request = turn.request
        if request.get("Operation").lower() != "add":
            turn.refuse("Unknown operation")
            return
        advanced = self._pbx.options.style.advanced_filters and request.has("MatchCriteria")
        try:
            self._filters.add(request.get("Filter"), request.get("MatchCriteria") if advanced else None)
        except FilterRefused as error:
            turn.refuse(str(error))
            return
        turn.accept("Success")


_OWN: Final[dict[str, Callable[[Session, Turn], None]]] = {
    "challenge": Session._challenged,
    "login": Session._login,
    "logoff": Session._logoff,
    "ping": Session._ping,
    "events": Session._events,
    "filter": Session._filter,
}
