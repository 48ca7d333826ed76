import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.services.proxy import CuttableProxy
from tests.services.server_process import wait_until


@pytest.fixture
async def echo_port() -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_bytes_pass_both_ways(echo_port: int) -> None:
    with CuttableProxy(echo_port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"x" * 200_000)
        assert await reader.readexactly(200_000) == b"x" * 200_000
        writer.close()


async def test_a_cut_resets_the_connection_and_the_next_one_is_served(echo_port: int) -> None:
    with CuttableProxy(echo_port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"two")
        assert await reader.readexactly(3) == b"two"
        writer.close()


async def test_a_frozen_line_swallows_bytes_and_closes_nothing(echo_port: int) -> None:
    with CuttableProxy(echo_port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        proxy.freeze()
        writer.write(b"lost")
        await asyncio.to_thread(wait_until, lambda: proxy.bytes_swallowed >= 4, 10, "the swallowing")
        assert not reader.at_eof()
        proxy.resume()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_line_that_is_down_resets_new_connections_until_it_resumes(echo_port: int) -> None:
    with CuttableProxy(echo_port) as proxy:
        proxy.go_down()
        # The reset may come before the connection stands, or after it.
        with contextlib.suppress(ConnectionResetError):
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            try:
                assert await reader.read() == b""
            finally:
                writer.close()
        proxy.resume()
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"up")
        assert await reader.readexactly(2) == b"up"
        writer.close()
