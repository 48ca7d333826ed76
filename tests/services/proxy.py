"""A TCP proxy that breaks connections on demand, for every fault test.

It runs in a thread with an event loop of its own, so that a busy or stopped test loop never disturbs the
timing of the bytes. States of the line: open; `frozen` (half-open: bytes of both sides are read and
thrown away, nothing is closed, new connections are accepted and stay mute); `loses_replies` (what the target
answers is thrown away, what it is asked is not); `down` (every connection is reset and new ones are refused
with a reset). `delay_secs` holds each piece back that long, and
`bytes_per_sec` limits each direction. What waits in the proxy is bounded by one 64 KiB piece a direction.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class CuttableProxy:
    """Listens on `port` of 127.0.0.1 and forwards to the target. Methods may be called from any thread."""

    host = "127.0.0.1"

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self._target = (target_host, target_port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="proxy")
        self._server: asyncio.Server | None = None
        self.port = 0
        self.frozen = False
        self.loses_replies = False
        self.down = False
        self.delay_secs = 0.0
        self.bytes_per_sec = 0
        self.connections_seen = 0
        self.bytes_swallowed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def open_connections(self) -> int:
        """How many client connections stand now."""
        return self._on_loop(lambda: len(self._writers)) // 2

    def cut(self) -> None:
        """Reset every connection; new ones are served."""
        self._on_loop(self._reset_all)

    def go_down(self) -> None:
        """Reset every connection, and each new one as soon as it comes."""
        self.down = True
        self._on_loop(self._reset_all)

    def freeze(self) -> None:
        """Go half-open: swallow bytes both ways without closing anything."""
        self.frozen = True

    def lose_replies(self) -> None:
        """Let requests pass and swallow the answers."""
        self.loses_replies = True

    def resume(self) -> None:
        """Open again. What was swallowed is gone, so frozen connections are reset."""
        was_frozen, self.frozen, self.down = self.frozen or self.loses_replies, False, False
        self.loses_replies = False
        self.delay_secs, self.bytes_per_sec = 0.0, 0
        if was_frozen:
            self._on_loop(self._reset_all)

    def _on_loop(self, call: Callable[[], T]) -> T:
        async def run() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def _reset_all(self) -> None:
        for writer in list(self._writers):
            self._reset(writer)

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()
        self._writers.discard(writer)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, 0, limit=1 << 16)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._reset_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections_seen += 1
        if self.down:
            self._reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=1 << 16)
        except OSError:
            self._reset(writer)
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer, answers=True))
        except (OSError, asyncio.CancelledError):
            return
        finally:
            self._reset(writer)
            self._reset(far_writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool = False
    ) -> None:
        while data := await reader.read(1 << 16):
            if self.delay_secs:
                await asyncio.sleep(self.delay_secs)
            if self.bytes_per_sec:
                await asyncio.sleep(len(data) / self.bytes_per_sec)
            if self.frozen or (answers and self.loses_replies):
                self.bytes_swallowed += len(data)
                continue
            writer.write(data)
            await writer.drain()
        # The end of one direction ends the connection: neither AMI nor AMQP nor Redis half-closes.
        if not self.frozen:
            raise ConnectionResetError
