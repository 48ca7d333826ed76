"""A short talk with a PBX: connect, log in, ask, listen, leave. For commands, not for the collector.

Bounds: connecting and the login by the PBX's `connect_timeout_secs` each; an answer by `_ANSWER_SECS`; the
packets kept for the caller by what it listens to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final

from publisher.adapters.tcp import TcpStream
from publisher.ami.errors import ActionRefused
from publisher.ami.framing import Packet
from publisher.ami.session import (
    AmiSession,
    Closed,
    FilterRefused,
    Greeted,
    LoggedIn,
    Reply,
    SessionEvent,
    SessionSettings,
)
from publisher.ami.session import LoginRefused as Refusal
from publisher.app import connector, session_settings
from publisher.configuration.pbx import PbxSettings
from publisher.errors import ConfigurationError, LoginRefused, PbxUnreachable

_ANSWER_SECS: Final = 10.0


def session_settings_of(pbx: PbxSettings) -> SessionSettings:
    """The session settings of a PBX; reads its secret. Raises `ConfigurationError`."""
    try:
        return session_settings(pbx, pbx.read_secret())
    except ActionRefused as error:
        raise ConfigurationError(f"the PBX {pbx.name} cannot be logged in to: {error}") from None


class Dialogue:
    """One session. `on_bytes` sees every byte that comes, `on_event` every packet that answers nothing."""

    def __init__(
        self,
        pbx: PbxSettings,
        *,
        on_bytes: Callable[[bytes], None] | None = None,
        on_event: Callable[[Packet], None] | None = None,
    ) -> None:
        self._pbx = pbx
        self._on_bytes = on_bytes
        self._on_event = on_event
        self._stream: TcpStream | None = None
        self._session: AmiSession | None = None
        self._logged_in: asyncio.Future[None] | None = None
        self._replies: dict[str, asyncio.Future[Reply]] = {}
        self._ticker: asyncio.Task[None] | None = None
        self.closed = asyncio.Event()
        self.close_reason = ""
        self.greeting = ""
        self.ami_version = ""
        self.filters_refused: list[str] = []

    async def __aenter__(self) -> Dialogue:
        """Connect and log in. Raises `PbxUnreachable`, `LoginRefused`, `ConfigurationError`."""
        loop = asyncio.get_running_loop()
        self._logged_in = loop.create_future()
        settings = session_settings_of(self._pbx)
        way = connector(self._pbx)
        session = self._session = AmiSession(settings, now=loop.time())
        self._stream = await way.connect(self._received, self._lost)
        self._flush()
        self._ticker = loop.create_task(self._tick(session))
        try:
            await self._logged_in
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        if self._stream is not None:
            self._stream.abort()
        await self.closed.wait()

    async def ask(self, action: str, headers: Iterable[tuple[str, str]] = ()) -> Reply:
        """Send an action and wait for the whole of its answer. Raises `PbxUnreachable` if the PBX goes."""
        assert self._session is not None
        loop = asyncio.get_running_loop()
        if self.closed.is_set():
            raise PbxUnreachable(self._sentence(self.close_reason))
        action_id = self._session.request(action, headers, now=loop.time(), timeout_secs=_ANSWER_SECS)
        return await self._reply(action_id)

    async def turn_on_events(self) -> Reply:
        """Switch on the events that the configuration asks for."""
        assert self._session is not None
        return await self._reply(self._session.turn_on_events(asyncio.get_running_loop().time()))

    async def _reply(self, action_id: str) -> Reply:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[action_id] = future
        self._flush()
        try:
            return await future
        finally:
            self._replies.pop(action_id, None)

    # What the connection says.

    def _received(self, data: bytes) -> None:
        if self._on_bytes is not None:
            self._on_bytes(data)
        assert self._session is not None
        self._take(self._session.receive_data(data, asyncio.get_running_loop().time()))
        self._flush()

    def _lost(self, error: Exception | None) -> None:
        assert self._session is not None
        if error is not None and not self.close_reason:
            self.close_reason = str(error)
        self._take(self._session.receive_eof(asyncio.get_running_loop().time()))
        self.closed.set()

    async def _tick(self, session: AmiSession) -> None:
        loop = asyncio.get_running_loop()
        while not self.closed.is_set():
            # The deadline may move closer while we wait; half a second late is soon enough here.
            await asyncio.sleep(min(0.5, max(0.0, session.next_deadline - loop.time())))
            self._take(session.tick(loop.time()))
            self._flush()

    def _take(self, reports: list[SessionEvent]) -> None:
        for report in reports:
            match report:
                case Packet():
                    if self._on_event is not None:
                        self._on_event(report)
                case Greeted():
                    self.greeting, self.ami_version = report.version_text, report.ami_version
                case FilterRefused():
                    self.filters_refused.append(report.message)
                case LoggedIn():
                    self._settle(None)
                case Refusal():
                    refused = (
                        f"{self._pbx.address} refused the login of {self._pbx.username}: {report.message}"
                    )
                    self._settle(LoginRefused(f"{refused}; check username and secret against manager.conf"))
                case Reply():
                    future = self._replies.get(report.action_id)
                    if future is not None and not future.done():
                        future.set_result(report)
                case Closed():
                    self.close_reason = self.close_reason or report.reason
                    self._settle(PbxUnreachable(self._sentence(report.reason)))
                    if self._stream is not None:
                        self._stream.abort()

    def _settle(self, error: Exception | None) -> None:
        if self._logged_in is None or self._logged_in.done():
            return
        if error is None:
            self._logged_in.set_result(None)
        else:
            self._logged_in.set_exception(error)

    def _sentence(self, reason: str) -> str:
        return f"{self._pbx.address}: {reason}"

    def _flush(self) -> None:
        if self._session is not None and self._stream is not None and (data := self._session.data_to_send()):
            self._stream.write(data)
