"""The manager port over TCP and TLS: bytes both ways, and one sentence for every way to fail."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from publisher.adapters.tcp import TcpConnector, TlsOptions
from publisher.errors import PbxUnreachable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


class Client:
    """Collects what a stream delivers."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.sizes: list[int] = []
        self.losses: list[Exception | None] = []
        self.lost = asyncio.Event()
        self._grown = asyncio.Event()

    def on_data(self, data: bytes) -> None:
        assert not self.losses
        self.data += data
        self.sizes.append(len(data))
        self._grown.set()

    def on_lost(self, error: Exception | None) -> None:
        self.losses.append(error)
        self.lost.set()

    async def wait_bytes(self, count: int) -> None:
        while len(self.data) < count:
            self._grown.clear()
            await self._grown.wait()


@asynccontextmanager
async def serving(
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[int, asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]]:
    peers: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    writers: list[asyncio.StreamWriter] = []

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await peers.put((reader, writer))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], peers
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
            with suppress(OSError, ssl.SSLError):
                await writer.wait_closed()


async def test_bytes_go_both_ways_in_order_and_the_end_comes_once() -> None:
    async with serving() as (port, peers):
        client = Client()
        stream = await TcpConnector("127.0.0.1", port).connect(client.on_data, client.on_lost)
        reader, writer = await peers.get()
        stream.write(b"one")
        stream.write(b"two")
        assert await reader.readexactly(6) == b"onetwo"
        big = bytes(range(256)) * 4096
        writer.write(big)
        await client.wait_bytes(len(big))
        assert bytes(client.data) == big
        assert max(client.sizes) <= 64 * 1024
        writer.close()
        await client.lost.wait()
        stream.write(b"nobody hears this")
        stream.abort()
        assert client.losses == [None]


async def test_a_reset_by_the_pbx_is_reported() -> None:
    async with serving() as (port, peers):
        client = Client()
        await TcpConnector("127.0.0.1", port).connect(client.on_data, client.on_lost)
        _, writer = await peers.get()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        writer.transport.abort()
        await client.lost.wait()
        assert isinstance(client.losses[0], ConnectionResetError)


async def test_paused_reading_loses_nothing() -> None:
    async with serving() as (port, peers):
        client = Client()
        stream = await TcpConnector("127.0.0.1", port).connect(client.on_data, client.on_lost)
        _, writer = await peers.get()
        stream.pause_reading()
        stream.pause_reading()
        writer.write(b"x" * 100_000)
        await writer.drain()
        before = len(client.data)
        stream.resume_reading()
        await client.wait_bytes(100_000)
        assert before == 0
        stream.abort()
        await client.lost.wait()


async def test_a_pbx_that_reads_nothing_is_cut_off_at_the_bound() -> None:
    async with serving() as (port, peers):
        client = Client()
        connector = TcpConnector("127.0.0.1", port, max_write_bytes=100_000)
        stream = await connector.connect(client.on_data, client.on_lost)
        reader, _ = await peers.get()
        written = 0
        while not client.losses and written < 1 << 28:
            stream.write(b"x" * 10_000)
            written += 10_000
            await asyncio.sleep(0)
        assert reader is not None
        (error,) = client.losses
        assert isinstance(error, PbxUnreachable)
        assert "reads nothing" in str(error)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def sentence(connector: TcpConnector) -> str:
    client = Client()
    with pytest.raises(PbxUnreachable) as raised:
        await connector.connect(client.on_data, client.on_lost)
    assert "\n" not in str(raised.value)
    assert not client.data
    return str(raised.value)


async def test_a_refused_connection_says_so() -> None:
    port = free_port()
    text = await sentence(TcpConnector("127.0.0.1", port))
    assert text.startswith(f"127.0.0.1:{port} refused the connection")


async def test_an_unknown_name_says_so() -> None:
    text = await sentence(TcpConnector("pbx.invalid", 5038))
    assert text.startswith("pbx.invalid:5038 is unknown: the name pbx.invalid does not resolve")


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..b", "\udc80"])
async def test_a_name_that_is_none_says_so(host: str) -> None:
    text = await sentence(TcpConnector(host, 5038))
    assert "is no valid host name" in text or "is unknown" in text


async def test_a_listener_that_never_answers_the_handshake_times_out() -> None:
    """A TLS handshake that the other side never begins is the one wait that every network allows to test."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        connector = TcpConnector("127.0.0.1", port, tls=TlsOptions(), timeout_secs=0.2)
        assert "gave no connection within 0.2 s" in await sentence(connector)


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with a key and a self-signed certificate for localhost."""
    openssl = shutil.which("openssl")
    assert openssl, "openssl is needed for the TLS tests"
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text(key.read_text() + cert.read_text())
    return both


@pytest.fixture
def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("verify", [True, False])
async def test_tls_carries_bytes_both_ways(
    certificate: Path, server_context: ssl.SSLContext, verify: bool
) -> None:
    async with serving(server_context) as (port, peers):
        client = Client()
        options = TlsOptions(verify, certificate if verify else None, "localhost" if verify else None)
        stream = await TcpConnector("127.0.0.1", port, tls=options).connect(client.on_data, client.on_lost)
        reader, writer = await peers.get()
        stream.write(b"Action: Ping\r\n\r\n")
        assert await reader.readexactly(16) == b"Action: Ping\r\n\r\n"
        writer.write(b"x" * 300_000)
        await client.wait_bytes(300_000)
        stream.abort()
        await client.lost.wait()


async def test_a_certificate_that_nobody_vouches_for_says_so(server_context: ssl.SSLContext) -> None:
    async with serving(server_context) as (port, _):
        connector = TcpConnector("localhost", port, tls=TlsOptions())
        assert "shows a certificate that does not hold" in await sentence(connector)


async def test_a_certificate_of_another_name_says_so(
    certificate: Path, server_context: ssl.SSLContext
) -> None:
    async with serving(server_context) as (port, _):
        connector = TcpConnector("127.0.0.1", port, tls=TlsOptions(ca_file=certificate))
        assert "does not hold" in await sentence(connector)


async def test_a_port_without_tls_says_so() -> None:
    async with serving() as (port, peers):
        attempt = asyncio.ensure_future(sentence(TcpConnector("127.0.0.1", port, tls=TlsOptions())))
        _, writer = await peers.get()
        writer.write(b"Asterisk Call Manager/9.0.0\r\n")
        assert "speaks no TLS that we understand" in await attempt


async def test_authorities_that_are_none_say_so(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    connector = TcpConnector("127.0.0.1", 1, tls=TlsOptions(ca_file=file))
    assert str(file) in await sentence(connector)
