"""The manager port over TCP or TLS.

Strategy: one `asyncio.BufferedProtocol` a connection, with one receive buffer of 64 KB that lives as long
as the connection. Reading hands over each read at once and never waits. After a read that filled the buffer
everyone else gets a turn first: libuv would read on up to 32 times, 2 MB of events, and a flood would leave
the forwarder and the timers next to nothing. What is written and not yet taken by the kernel is bounded: a
PBX that reads nothing while we have much to say is cut off, not buffered for.

Bounds
* receive buffer: 64 KB; the consumer gets a copy and may pause reading.
* write buffer: `max_write_bytes` (1 MiB); beyond it the connection is aborted, `on_lost` gets the reason.
* connecting, name lookup and TLS handshake together: `timeout_secs`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from publisher.errors import PbxUnreachable

READ_BYTES: Final = 64 * 1024
MAX_WRITE_BYTES: Final = 1 << 20


@dataclass(slots=True, frozen=True)
class TlsOptions:
    """How to check the PBX's certificate; `server_name` defaults to the host."""

    verify: bool = True
    ca_file: Path | None = None
    server_name: str | None = None

    def context(self) -> ssl.SSLContext:
        """Raises `PbxUnreachable` when the authorities' file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            reason = _first_line(error)
            raise PbxUnreachable(f"the certificates in {self.ca_file} cannot be used: {reason}") from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class TcpConnector:
    """Implements `publisher.ports.AmiConnector` for one manager port."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: TlsOptions | None = None,
        timeout_secs: float = 10.0,
        max_write_bytes: int = MAX_WRITE_BYTES,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._timeout_secs = timeout_secs
        self._max_write_bytes = max_write_bytes

    @property
    def address(self) -> str:
        """`host:port` as it appears in messages."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    async def connect(
        self, on_data: Callable[[bytes], None], on_lost: Callable[[Exception | None], None]
    ) -> TcpStream:
        """Open the connection. Raises `PbxUnreachable` with one sentence."""
        # Before the clock runs: reading the system's authorities blocks for some milliseconds.
        context = self._tls.context() if self._tls else None
        name = (self._tls.server_name or self._host) if self._tls else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_secs):
                _, stream = await loop.create_connection(
                    lambda: TcpStream(on_data, on_lost, self._max_write_bytes),
                    self._host,
                    self._port,
                    ssl=context,
                    server_hostname=name,
                )
        except TimeoutError as error:
            raise PbxUnreachable(
                f"{self.address} gave no connection within {self._timeout_secs:g} s; "
                "check the address, the port and firewalls on the way"
            ) from error
        except (OSError, UnicodeError) as error:
            raise PbxUnreachable(f"{self.address} {self._sentence(error)}") from error
        return stream

    def _sentence(self, error: OSError | UnicodeError) -> str:
        # The order matters: a certificate error is an SSL error, and all but UnicodeError are OSError.
        match error:
            case ssl.SSLCertVerificationError():
                return f"shows a certificate that does not hold: {error.verify_message}"
            case ssl.SSLError():
                return f"speaks no TLS that we understand: {error.reason or _first_line(error)}"
            case ConnectionRefusedError():
                return "refused the connection; is Asterisk running, and is the port enabled in manager.conf?"
            case ConnectionResetError() if self._tls:
                return "closed the connection during the TLS handshake; does this port speak TLS?"
            case socket.gaierror():
                return f"is unknown: the name {self._host} does not resolve ({error.strerror})"
            case UnicodeError():
                return "is no valid host name"
            case _ if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
                return "cannot be reached: no route to that host"
            case _ if error.errno is not None:
                return f"gave no connection: {os.strerror(error.errno)}"
            case _:
                return f"gave no connection: {_first_line(error)}"


class TcpStream(asyncio.BufferedProtocol):
    """Implements `publisher.ports.AmiStream`. `on_lost` is called exactly once, after the last `on_data`."""

    def __init__(
        self,
        on_data: Callable[[bytes], None],
        on_lost: Callable[[Exception | None], None],
        max_write_bytes: int,
    ) -> None:
        self._on_data = on_data
        self._on_lost = on_lost
        self._max_write_bytes = max_write_bytes
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._transport: asyncio.Transport | None = None
        self._reason: Exception | None = None
        self._wanted = True

    # What the collector calls.

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket; aborts the connection when too much waits. Nothing once it is lost."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        waiting = transport.get_write_buffer_size()
        if waiting > self._max_write_bytes:
            self._reason = PbxUnreachable(
                f"the PBX reads nothing: {waiting} bytes wait for it, {self._max_write_bytes} may"
            )
            transport.abort()

    def pause_reading(self) -> None:
        self._wanted = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._wanted = True
        self._read_on()

    def _read_on(self) -> None:
        if self._wanted and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        transport = cast("asyncio.Transport", transport)
        self._transport = transport
        sock = transport.get_extra_info("socket")
        # A transport that is no TCP socket (a test's pair) has none of these options.
        with contextlib.suppress(OSError, AttributeError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        if nbytes == READ_BYTES and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._read_on)
        self._on_data(bytes(self._view[:nbytes]))

    def eof_received(self) -> bool:
        return False  # a half-closed manager session is of no use: close

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost(self._reason or exc)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
