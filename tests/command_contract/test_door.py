"""The embedded server's door: a socket for programs on this machine, bounded whatever comes through it."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio as driver
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from publisher.adapters.embedded_commands import (
    MAX_CONNECTIONS,
    MAX_REQUEST_BYTES,
    MAX_WORDS,
    SOCKET_NAME,
    EmbeddedCommands,
)
from publisher.errors import ConfigurationError


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedCommands]:
    made = EmbeddedCommands()
    await made.open_door(tmp_path)
    yield made
    await made.close()


async def asked(folder: Path, request: bytes) -> bytes:
    """What the door answers to bytes, until it closes or says a line."""
    reader, writer = await asyncio.open_unix_connection(folder / SOCKET_NAME)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_only_its_user_may_open_it_and_it_goes_with_the_server(tmp_path: Path) -> None:
    server = EmbeddedCommands()
    path = await server.open_door(tmp_path / "journals")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert await asked(path.parent, b"*1\r\n$4\r\nPING\r\n") == b"$4\r\n"
    await server.close()
    assert not list(path.parent.iterdir())


async def test_a_socket_that_a_crash_left_is_taken_over(tmp_path: Path) -> None:
    left = EmbeddedCommands()
    await left.open_door(tmp_path)
    server = EmbeddedCommands()
    await server.open_door(tmp_path)
    assert await asked(tmp_path, b"*1\r\n$4\r\nPING\r\n")
    await left.close()
    await server.close()


async def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"give journal\.dir a shorter one"):
        await EmbeddedCommands().open_door(tmp_path / ("x" * 110))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"*%d\r\n" % (MAX_WORDS + 1),
        b"*0\r\n",
        b"*-1\r\n",
        b"PING\r\n",
        b"*1\r\n$%d\r\n" % (MAX_REQUEST_BYTES + 1),
        b"*1\r\n:4\r\n",
        b"*2\r\n$1\r\nx\r\n$%d\r\n" % (MAX_REQUEST_BYTES - 5),
    ],
)
async def test_what_is_no_request_or_too_large_is_refused_and_the_connection_closed(
    server: EmbeddedCommands, tmp_path: Path, request_bytes: bytes
) -> None:
    assert (await asked(tmp_path, request_bytes)).startswith(b"-ERR a request m")
    assert await asked(tmp_path, b"*1\r\n$4\r\nPING\r\n") == b"$4\r\n"


@pytest.mark.parametrize(
    "request_bytes", [b"*x\r\n", b"\xff" * 100_000, b"*1\r\n$x\r\n", b"*" + b"1" * 5_000 + b"\r\n"]
)
async def test_garbage_ends_its_connection_and_nothing_else(
    server: EmbeddedCommands, tmp_path: Path, request_bytes: bytes
) -> None:
    await asked(tmp_path, request_bytes)
    assert await asked(tmp_path, b"*1\r\n$4\r\nPING\r\n") == b"$4\r\n"


async def test_only_so_many_come_in_and_whoever_leaves_makes_room(
    server: EmbeddedCommands, tmp_path: Path
) -> None:
    inside = [await asyncio.open_unix_connection(tmp_path / SOCKET_NAME) for _ in range(MAX_CONNECTIONS)]
    for reader, writer in inside:
        writer.write(b"*1\r\n$4\r\nPING\r\n")
        assert await reader.readexactly(10) == b"$4\r\nPONG\r\n"
    assert await asked(tmp_path, b"*1\r\n$4\r\nPING\r\n") == b""
    inside.pop()[1].close()
    async with asyncio.timeout(10):
        while not await asked(tmp_path, b"*1\r\n$4\r\nPING\r\n"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for _, writer in inside:
        writer.close()


async def test_whoever_vanishes_while_waiting_makes_room_too(
    server: EmbeddedCommands, tmp_path: Path
) -> None:
    words = (b"XREAD", b"BLOCK", b"300", b"STREAMS", b"s", b"0")
    request = b"*6\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    before = len(asyncio.all_tasks())
    for _ in range(MAX_CONNECTIONS * 2):
        _, writer = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
        writer.write(request + b"*1\r\n$4\r\nPING\r\n")
        await asyncio.sleep(0)
        writer.close()
    async with asyncio.timeout(10):
        while not await asked(tmp_path, b"*1\r\n$4\r\nPING\r\n"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        # The server itself lets go of them when the time is over that they wanted to wait.
        while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_slow_reader_does_not_hold_up_the_others(server: EmbeddedCommands, tmp_path: Path) -> None:
    client = server.client(5)
    await client.set("large", b"x" * 500_000)
    reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
    for _ in range(50):
        writer.write(b"*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n")
    async with asyncio.timeout(10):
        for _ in range(20):
            assert await asked(tmp_path, b"*1\r\n$4\r\nPING\r\n")
    writer.close()
    del reader
    await client.aclose()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_both_versions_of_the_protocol_are_spoken(
    server: EmbeddedCommands, tmp_path: Path, protocol: int
) -> None:
    client = driver.Redis(unix_socket_path=str(tmp_path / SOCKET_NAME), protocol=protocol)
    await client.hset("h", mapping={"a": b"\xff\r\n", "b": ""})
    assert await client.hgetall("h") == {b"a": b"\xff\r\n", b"b": b""}
    assert await client.get("none") is None
    with pytest.raises(driver.ResponseError):
        await client.get("h")
    assert await client.eval("return {1, 'x', {}}", 0) == [1, b"x", []]
    await client.aclose()


async def test_closing_ends_every_visit_at_once(tmp_path: Path) -> None:
    server = EmbeddedCommands()
    await server.open_door(tmp_path)
    client = driver.Redis(
        unix_socket_path=str(tmp_path / SOCKET_NAME), protocol=2, retry=Retry(NoBackoff(), 0)
    )
    await client.ping()
    waiting = asyncio.create_task(client.xread({"s": "0"}, block=60_000))
    await client.ping()
    began = time.monotonic()
    await server.close()
    assert time.monotonic() - began < 2
    async with asyncio.timeout(10):
        with pytest.raises(driver.ConnectionError):
            await waiting
    await client.aclose()
