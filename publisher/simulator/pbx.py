"""The simulated PBX: a manager port with sessions, a live state, and something to tell.

What it tells comes from a trace (`Replay`), from calls of its own (`Traffic`), from what clients ask for, or
from a test (`emit`, `send`). Faults of the whole PBX are methods: `kick`, `restart`, `freeze`,
`refuse_logins`, and the pace attributes; faults of single actions are rules in `faults`.

Bounds: sessions that do not log in (`max_unauthenticated`), what waits for a slow client (see
`publisher.simulator.session`), and the last 10,000 requests kept for whoever wants to look at them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from publisher.errors import PublisherError
from publisher.simulator.answers import Fields
from publisher.simulator.faults import Faults
from publisher.simulator.options import SimulatorOptions
from publisher.simulator.origination import Originated
from publisher.simulator.packets import packet
from publisher.simulator.requests import Request
from publisher.simulator.session import Session
from publisher.simulator.state import PbxState
from publisher.simulator.switchboard import Switchboard
from publisher.simulator.tally import Tally

MAX_REQUESTS_KEPT: Final = 10_000
# A client that takes nothing is not waited for longer than this when it is kicked.
KICK_SECS: Final = 1.0
Handler = Callable[[Session, Request], None]


class PortInUse(PublisherError):
    """The simulator's port is taken or may not be used."""


class SimulatedPbx:
    """A PBX for tests and demonstrations.

    `handlers` take an action (its name in lower case) out of the simulator's hands. `chunk_bytes` sends at
    most so many bytes at a time (0: all at once) with `chunk_pause_secs` between. `events_sent` counts whole
    events handed to logged-in clients. `logins_refused` and `requests` are for assertions, and so are the
    books of `board`, which outlive a restart: `dialled`, `executed`, `originations`.
    """

    def __init__(self, options: SimulatorOptions | None = None) -> None:
        self.options = options or SimulatorOptions()
        self.state = PbxState(self.options.style, self.options.extensions)
        self.sessions: list[Session] = []
        self.requests: deque[Request] = deque(maxlen=MAX_REQUESTS_KEPT)
        self.handlers: dict[str, Handler] = {}
        self.events_sent = 0
        self.logins = 0
        self.logins_refused = 0
        self.refuses_logins = False
        self.chunk_bytes = 0
        self.chunk_pause_secs = 0.0
        # A replay that brings the login's own FullyBooted says so here.
        self.boots_by_itself = True
        self.on_listening: list[Callable[[Session], None]] = []
        self.thawed = asyncio.Event()
        self.thawed.set()
        self._changed = asyncio.Condition()
        self._waiting = 0
        self._wake_due = False
        self._server: asyncio.Server | None = None
        self._port = self.options.port
        self._wakers: set[asyncio.Task[None]] = set()
        self.faults = Faults()
        self.board = Switchboard(self.state, self.options, self._say, self.drain, self.thawed)

    @property
    def dialled(self) -> Tally:
        """How often each ActionID's Originate was really begun: a phone was rung or tried."""
        return self.board.dialled

    @property
    def executed(self) -> Tally:
        """How often each ActionID's action that changes something was carried out, whatever it answered."""
        return self.board.executed

    @property
    def originations(self) -> deque[Originated]:
        """The last calls that were really begun for an Originate, oldest first."""
        return self.board.originations

    # Life.

    async def start(self) -> None:
        """Listen. Raises `PortInUse`."""
        options = self.options
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Session(self), options.host, self._port, ssl=options.tls, backlog=128
            )
        except OSError as error:
            address = f"{options.host}:{self._port}"
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"{address} is in use by another program; choose another port") from error
            if error.errno in (errno.EACCES, errno.EPERM):
                raise PortInUse(
                    f"{address} may not be used by this user; choose a port above 1023"
                ) from error
            raise PortInUse(f"cannot listen on {address}: {error.strerror or 'no such address'}") from error
        # The same port after a stop, so that clients find their way back.
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every session."""
        await self.stop_listening()
        await self.board.stop()
        for session in list(self.sessions):
            session.cut_off()
        for session in list(self.sessions):
            await session.closed.wait()
        if self._wakers:
            await asyncio.wait(self._wakers)

    async def stop_listening(self) -> None:
        """Refuse new connections; sessions live on. `start` listens again on the same port."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def __aenter__(self) -> SimulatedPbx:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def host(self) -> str:
        return self.options.host

    @property
    def port(self) -> int:
        return self._port

    # Telling.

    def send(self, event: bytes) -> int:
        """One whole event packet to every client that is to get it; how many did. The empty line is added."""
        if not event.endswith(b"\r\n\r\n"):
            event += b"\r\n" if event.endswith(b"\r\n") else b"\r\n\r\n"
        return sum(session.offer(event) for session in list(self.sessions))

    def emit(self, event: str, classes: str, fields: Fields) -> int:
        """An event as this PBX writes it: with Privilege and, where it stamps events, Timestamp."""
        if not any(session.listens for session in self.sessions):
            return 0
        return self.send(self.event(event, classes, fields))

    def _say(self, event: str, classes: str, fields: Fields) -> None:
        self.emit(event, classes, fields)
        self.look()

    def event(self, event: str, classes: str, fields: Fields) -> bytes:
        head: Fields = [("Event", event), ("Privilege", classes)]
        if self.options.timestamps:
            head.append(("Timestamp", f"{time.time():.6f}"))
        return packet([*head, *fields], self.options.encoding)

    def send_bytes(self, data: bytes) -> None:
        """Bytes as they are to every logged-in client: no mask, no filter, no count."""
        for session in list(self.sessions):
            if session.user:
                session.write(data)

    async def drain(self) -> None:
        """Wait until every client has room for more, or is gone."""
        for session in list(self.sessions):
            await session.drain()

    # Faults.

    async def kick(self, *, mid_packet: bool = False) -> None:
        """Close every session, if asked after half an event, and wait until they are gone."""
        sessions = list(self.sessions)
        for session in sessions:
            if mid_packet and session.user:
                event = self.event("Newstate", "call,all", [("Channel", f"{self.options.style.tech}/200-1")])
                session.write(event[: len(event) // 2])
            session.close()
        for session in sessions:
            try:
                async with asyncio.timeout(KICK_SECS):
                    await session.closed.wait()
            except TimeoutError:
                session.cut_off()
                await session.closed.wait()

    async def restart(self, *, announced: bool = True, down_secs: float = 0.0) -> None:
        """Stop and start Asterisk: every session drops, no channel lives, the start time is a new one."""
        if announced:
            self.emit("Shutdown", "system,all", [("Shutdown", "Cleanly"), ("Restart", "True")])
        await self.stop_listening()
        await self.kick()
        await self.board.stop()
        self.state.restart()
        self.boots_by_itself = True
        if down_secs:
            await asyncio.sleep(down_secs)
        await self.start()

    @property
    def frozen(self) -> bool:
        return not self.thawed.is_set()

    def freeze(self) -> None:
        """Stop reading and writing without closing anything, as a stopped process does."""
        self.thawed.clear()
        for session in self.sessions:
            session.pause_reading()

    def thaw(self) -> None:
        self.thawed.set()
        for session in list(self.sessions):
            session.greet()
            session.resume_reading()

    def refuse_logins(self, refuse: bool = True) -> None:
        """Answer every login with `Authentication failed`, whatever it brings."""
        self.refuses_logins = refuse

    # Waiting.

    async def wait_logged_in(self, sessions: int = 1) -> None:
        """Return as soon as so many sessions are logged in."""
        await self.wait_until(lambda: sum(bool(session.user) for session in self.sessions) >= sessions)

    async def wait_gone(self) -> None:
        """Return as soon as no session is left."""
        await self.wait_until(lambda: not self.sessions)

    async def wait_until(self, predicate: Callable[[], bool]) -> None:
        """Return as soon as the predicate holds.

        It is looked at whenever a session comes, logs in or goes, an action is executed, or an event of a
        call that the simulator plays is sent.
        """
        self._waiting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(predicate)
        finally:
            self._waiting -= 1

    # What sessions tell.

    def admit(self, session: Session) -> bool:
        waiting = sum(not other.user for other in self.sessions)
        self.sessions.append(session)
        self._wake()
        return waiting < self.options.max_unauthenticated

    def dismiss(self, session: Session) -> None:
        with contextlib.suppress(ValueError):
            self.sessions.remove(session)
        self._wake()

    def is_logged_in(self, user: str) -> bool:
        return any(session.user == user for session in self.sessions)

    def welcome(self, session: Session) -> None:
        """A login was accepted: tell that the PBX is up, then whatever there is to tell."""
        self.logins += 1
        if self.boots_by_itself:
            event: Fields = [("Event", "FullyBooted"), ("Privilege", "system,all")]
            if self.options.style.modern:
                event += [("Uptime", self.state.uptime), ("LastReload", self.state.uptime)]
            booted = packet([*event, ("Status", "Fully Booted")])
            if session.wants(booted):
                session.offer(booted)
        if session.listens:
            self.listening(session)
        self._wake()

    def listening(self, session: Session) -> None:
        """A session has events switched on."""
        for callback in self.on_listening:
            callback(session)
        self._wake()

    def look(self) -> None:
        """Something has changed that somebody may wait for."""
        if self._waiting and not self._wake_due:
            self._wake_due = True
            self._wake()

    def _wake(self) -> None:
        async def wake() -> None:
            async with self._changed:
                self._wake_due = False
                self._changed.notify_all()

        task = asyncio.get_running_loop().create_task(wake())
        self._wakers.add(task)
        task.add_done_callback(self._wakers.discard)
