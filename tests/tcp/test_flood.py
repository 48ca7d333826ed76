"""A PBX that sends more than can be taken: everyone else in the process still gets their turns."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from publisher.adapters.tcp import READ_BYTES, TcpConnector, TcpStream

Run = Callable[[Coroutine[Any, Any, None]], None]
both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


class Turns:
    """Counts the turns of the event loop, and waits for what happens in them."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Turns:
        self._handle = self._loop.call_soon(self._turn)
        return self

    def __exit__(self, *exc: object) -> None:
        self._handle.cancel()

    def _turn(self) -> None:
        self.count += 1
        for happened, future in list(self._waiting):
            if happened():
                self._waiting.remove((happened, future))
                future.set_result(None)
        self._handle = self._loop.call_soon(self._turn)

    async def until(self, happened: Callable[[], bool]) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((happened, future))
        await future


async def flooded(on_data: Callable[[bytes], None]) -> tuple[TcpStream, socket.socket, int]:
    """A paused stream, its peer, and how many bytes stand ready to be read."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = await TcpConnector("127.0.0.1", listener.getsockname()[1]).connect(on_data, lambda _: None)
        stream.pause_reading()
        peer, _ = listener.accept()
    peer.setblocking(False)
    ready = 0
    try:
        while True:
            ready += peer.send(b"x" * READ_BYTES)
    except BlockingIOError:
        return stream, peer, ready


@both_loops
def test_between_two_full_reads_everyone_else_gets_a_turn(run: Run) -> None:
    async def body() -> None:
        reads: list[tuple[int, int]] = []
        with Turns() as turns:
            stream, peer, ready = await flooded(lambda data: reads.append((turns.count, len(data))))
            assert ready > 6 * READ_BYTES
            stream.resume_reading()
            await turns.until(lambda: sum(size for _, size in reads) == ready)
        stream.abort()
        peer.close()
        full = [turn for turn, size in reads if size == READ_BYTES]
        assert len(full) >= 3
        assert len(set(full)) == len(full)

    run(body())


@both_loops
def test_an_owner_who_pauses_at_a_full_read_stays_paused(run: Run) -> None:
    async def body() -> None:
        reads: list[int] = []

        def pause(data: bytes) -> None:
            reads.append(len(data))
            stream.pause_reading()

        with Turns() as turns:
            stream, peer, ready = await flooded(pause)
            stream.resume_reading()
            await turns.until(lambda: bool(reads))
            later = turns.count + 50
            await turns.until(lambda: turns.count >= later)
            assert len(reads) == 1
            while sum(reads) < ready:
                before = len(reads)
                stream.resume_reading()
                await turns.until(lambda before=before: len(reads) > before)  # type: ignore[misc]
        stream.abort()
        peer.close()

    run(body())
