"""A plain AMI client for the simulator's tests: knows nothing of our own protocol code."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from types import TracebackType

from publisher.simulator import SimulatedPbx

SECRET = "s3cret"


class Client:
    """Reads whole packets and sends actions. `data` is everything that was received, byte for byte."""

    def __init__(self, pbx: SimulatedPbx) -> None:
        self._pbx = pbx
        self.data = bytearray()
        self._taken = 0

    async def __aenter__(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._pbx.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def banner(self) -> bytes:
        return await self._until(b"\r\n")

    def send(self, *lines: str) -> None:
        self.send_bytes(("\r\n".join(lines) + "\r\n\r\n").encode())

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    async def packet(self) -> dict[str, str]:
        """The next packet; of a repeated header the last."""
        raw = await self.raw()
        return dict(line.split(": ", 1) for line in raw.decode().split("\r\n") if ": " in line)

    async def raw(self) -> bytes:
        """The next packet with its empty line."""
        return await self._until(b"\r\n\r\n")

    async def ask(self, *lines: str) -> dict[str, str]:
        self.send(*lines)
        return await self.packet()

    async def list(self, *lines: str) -> list[dict[str, str]]:
        """Ask for a list: its response, its events, its end."""
        packets = [await self.ask(*lines)]
        while not packets[-1].get("Event", "").endswith("Complete"):
            packets.append(await self.packet())
        return packets

    async def login(self, user: str = "bus", secret: str = SECRET, events: str = "") -> dict[str, str]:
        await self.banner()
        lines = ["Action: Login", f"Username: {user}", f"Secret: {secret}"]
        return await self.ask(*lines, *([f"Events: {events}"] if events else []))

    async def login_md5(self, secret: str = SECRET) -> dict[str, str]:
        challenge = (await self.ask("Action: Challenge", "AuthType: MD5"))["Challenge"]
        key = hashlib.md5((challenge + secret).encode()).hexdigest()
        return await self.ask("Action: Login", "AuthType: MD5", "Username: bus", f"Key: {key}")

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        while await self._more():
            pass
        rest = bytes(self.data[self._taken :])
        self._taken = len(self.data)
        return rest

    async def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self.data) - self._taken < count:
            assert await self._more(), "the connection ended too early"
        taken = bytes(self.data[self._taken : self._taken + count])
        self._taken += count
        return taken

    async def _until(self, end: bytes) -> bytes:
        while (found := self.data.find(end, self._taken)) < 0:
            assert await self._more(), f"the connection ended after {bytes(self.data[self._taken :])!r}"
        start, self._taken = self._taken, found + len(end)
        return bytes(self.data[start : self._taken])

    async def _more(self) -> bool:
        try:
            data = await self._reader.read(1 << 16)
        except ConnectionResetError:
            return False
        self.data += data
        return bool(data)
