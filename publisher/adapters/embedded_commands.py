"""The command queue without a Redis: a server in this process that speaks the same, and a door to it.

The server is fakeredis; it runs the same scripts. It holds nothing beyond the process's end: what was
waiting then is gone, what was sent stands in the command journal. The door is a socket in the folder of the
journals that speaks Redis's protocol, so that `amibus send` and other programs on this machine reach the
queue with the client of a real one (`unix:///…/commands.sock`). Only the user that runs ami-bus may open
it.

Bounds: `MAX_CONNECTIONS` at the door, more are turned away; a request of `MAX_REQUEST_BYTES` and `MAX_WORDS`,
else its connection is closed. A request is read whole before the server sees it: all that it does is done in
this process's event loop, which has PBXs to listen to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any, Final

from fakeredis import FakeAsyncRedis, FakeAsyncRedisConnection, FakeServer

from publisher.errors import ConfigurationError

SOCKET_NAME: Final = "commands.sock"
MAX_CONNECTIONS: Final = 64
MAX_REQUEST_BYTES: Final = 1 << 20
MAX_WORDS: Final = 2_000
_VERSION: Final = (7,)
_CLOSE_SECS: Final = 2.0
_AGAIN_SECS: Final = 0.05
# A socket's path has at most 107 bytes on Linux.
_MAX_PATH_BYTES: Final = 107


class EmbeddedCommands:
    """The server of one process. `open_door` once; `close` ends the door."""

    def __init__(self) -> None:
        self._server = FakeServer(version=_VERSION)
        self._door: asyncio.Server | None = None
        self._path: Path | None = None
        self._visits: set[asyncio.Task[None]] = set()

    def client(self, answer_secs: float) -> Any:
        """A client of the server, like those of a real one."""
        return FakeAsyncRedis(server=self._server, version=_VERSION, protocol=2)

    async def open_door(self, folder: Path) -> Path:
        """Listen in this folder; the socket's path. Raises `ConfigurationError` where that cannot be."""
        path = folder / SOCKET_NAME
        if len(os.fsencode(path)) > _MAX_PATH_BYTES:
            raise ConfigurationError(
                f"the path {path} is too long for a socket; give journal.dir a shorter one"
            )
        os.makedirs(folder, exist_ok=True)
        # Whoever holds the journals' locks may take the place of a socket that a crash has left behind.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        before = os.umask(0o177)
        try:
            self._door = await asyncio.start_unix_server(self._welcome, path)
        except OSError as error:
            raise ConfigurationError(f"no socket can be made at {path}: {error.strerror}") from error
        finally:
            os.umask(before)
        self._path = path
        return path

    async def close(self) -> None:
        """Close the door and every connection through it. Never raises."""
        if self._door is not None:
            self._door.close()
            self._door = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECS):
                # The driver may swallow a cancellation: it is told again.
                while self._visits:
                    for visit in self._visits:
                        visit.cancel()
                    await asyncio.wait(self._visits, timeout=_AGAIN_SECS)
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._visits) >= MAX_CONNECTIONS:
            writer.close()
            return
        visit = asyncio.get_running_loop().create_task(self._visit(reader, writer))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: Any = FakeAsyncRedisConnection(server=self._server, version=_VERSION, protocol=2)
        await connection.connect()
        answers = _Answers(connection, writer)
        writing = asyncio.create_task(answers.run())
        try:
            while True:
                words, request = await _request(reader)
                if words[0].upper() == b"HELLO" and words[1:2] == [b"3"]:
                    answers.protocol = 3
                await connection.send_packed_command([request])
        except _TooLarge as error:
            with contextlib.suppress(OSError):
                writer.write(encoded(error, answers.protocol))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            # The other side went away, or speaks another protocol.
            return
        finally:
            writing.cancel()
            writer.close()
            await connection.disconnect()


class _TooLarge(Exception):
    """A request that the door does not take."""


async def _request(reader: asyncio.StreamReader) -> tuple[list[bytes], bytes]:
    """One whole request: `*2`, then for each word `$4` and the word itself, each line with its CRLF."""
    head = await reader.readuntil(b"\r\n")
    count = int(head[1:]) if head.startswith(b"*") else -1
    if not 0 < count <= MAX_WORDS:
        raise _TooLarge(f"a request must have 1 to {MAX_WORDS} words")
    words: list[bytes] = []
    parts, size = [head], len(head)
    for _ in range(count):
        line = await reader.readuntil(b"\r\n")
        length = int(line[1:]) if line.startswith(b"$") else -1
        size += len(line) + length + 2
        if length < 0 or size > MAX_REQUEST_BYTES:
            raise _TooLarge(f"a request may have {MAX_REQUEST_BYTES} bytes")
        word = await reader.readexactly(length + 2)
        words.append(word[:-2])
        parts += [line, word]
    return words, b"".join(parts)


class _Answers:
    """Writes each of the server's answers as it comes, in the version of the protocol that was asked for."""

    def __init__(self, connection: Any, writer: asyncio.StreamWriter) -> None:
        self._connection = connection
        self._writer = writer
        self.protocol = 2

    async def run(self) -> None:
        while True:
            try:
                answer = await self._connection.read_response(
                    disable_decoding=True, disconnect_on_error=False
                )
            except Exception as error:
                answer = error
            with contextlib.suppress(OSError):
                self._writer.write(encoded(answer, self.protocol))
                await self._writer.drain()


def encoded(answer: Any, protocol: int) -> bytes:
    """An answer in version 2 or 3 of Redis's protocol."""
    match answer:
        case None:
            return b"$-1\r\n" if protocol == 2 else b"_\r\n"
        case Exception():
            # The driver takes the first word off; a client knows by it that a script must be loaded.
            word = "NOSCRIPT" if type(answer).__name__ == "NoScriptError" else "ERR"
            return f"-{word} {' '.join(str(answer).split())}\r\n".encode()
        case int():
            return b":%d\r\n" % answer
        case list() | tuple() | set():
            return b"*%d\r\n" % len(answer) + b"".join(encoded(one, protocol) for one in answer)
        case dict():
            pairs = [one for pair in answer.items() for one in pair]
            head = b"*%d\r\n" % len(pairs) if protocol == 2 else b"%%%d\r\n" % len(answer)
            return head + b"".join(encoded(one, protocol) for one in pairs)
        case _:
            data = answer if isinstance(answer, bytes) else str(answer).encode()
            return b"$%d\r\n%s\r\n" % (len(data), data)
