"""The one door to httpx: a request, and what is kept of its answer.

Redirects are not followed, proxies of the environment not used, compressed answers not asked for. Bounds: the
body of an answer up to `READ_MOST` bytes, `CONNECTIONS` at once; a request is over after its time, however
slowly the other side goes on talking.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx2

from consumers.errors import ConsumerError, SinkUnavailable
from schemas.network_words import why_not_opened

READ_MOST: Final = 2**20
CONNECTIONS: Final = 100
_PORTS: Final = {"http": 80, "https": 443}
_TLS_HINT: Final = "https is usually port 443, http 80"

# They log whole URLs, and a path may be a secret.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


class NoAnswer(ConsumerError):
    """The other side was reached, and what it made of the request is not known."""


@dataclass(slots=True, frozen=True)
class Answer:
    """`body` is None where it ended early or is longer than `READ_MOST`."""

    status: int
    retry_after: str
    body: bytes | None


@dataclass(slots=True, frozen=True)
class Target:
    """Where requests go. `url` may hold secrets, in its path too: only `shown` is for messages."""

    url: str
    host: str
    port: int
    secure: bool
    shown: str
    holds_login: bool

    @classmethod
    def parse(cls, url: str) -> Target:
        """Raises `ValueError` with a sentence that shows nothing of it."""
        try:
            parts = urlsplit(url)
            port = parts.port
            httpx2.URL(url)
        except (ValueError, httpx2.InvalidURL):
            raise ValueError("the URL cannot be read: write https://host/path") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("the URL must be of the form https://host/path or http://host/path")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        shown = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
        number = port or _PORTS[parts.scheme]
        return cls(url, parts.hostname, number, parts.scheme == "https", shown, "@" in parts.netloc)


class Poster:
    """Connections to one target."""

    def __init__(self, target: Target, tls: ssl.SSLContext, timeout_secs: float) -> None:
        self._target = target
        self._tls = tls
        self._timeout_secs = timeout_secs
        self._client = httpx2.AsyncClient(
            verify=tls,
            trust_env=False,
            follow_redirects=False,
            # Connecting is given up before the whole request: nobody there is another matter than no answer.
            timeout=httpx2.Timeout(timeout_secs, connect=timeout_secs * 0.8, pool=timeout_secs * 0.8),
            limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=10),
            headers={"User-Agent": "ami-bus", "Accept-Encoding": "identity"},
        )

    async def reach(self) -> None:
        """Connect, and no more. Raises `SinkUnavailable`."""
        tls = self._tls if self._target.secure else None
        try:
            async with asyncio.timeout(self._timeout_secs):
                _, writer = await asyncio.open_connection(self._target.host, self._target.port, ssl=tls)
        except (OSError, TimeoutError, ValueError) as error:
            raise self._unreached(error) from error
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises `SinkUnavailable` when nobody was reached, `NoAnswer` when nobody answered."""
        answer: Answer | None = None
        try:
            async with (
                asyncio.timeout(self._timeout_secs),
                self._client.stream("POST", self._target.url, content=body, headers=headers) as response,
            ):
                after = response.headers.get("Retry-After", "")
                answer = Answer(response.status_code, after, None)
                answer = Answer(answer.status, after, await _bounded(response))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise self._unreached(error) from error
        except (httpx2.HTTPError, OSError, TimeoutError) as error:
            if answer is None:
                raise NoAnswer(f"{self._target.shown} {self._what_went_wrong(error)}") from error
        return answer

    async def close(self) -> None:
        await self._client.aclose()

    def _unreached(self, error: Exception) -> SinkUnavailable:
        cause = _system_error(error)
        why = why_not_opened(cause, self._timeout_secs, _TLS_HINT)
        if self._target.secure and isinstance(cause, TimeoutError):
            why += "; perhaps it does not speak TLS there"
        return SinkUnavailable(f"{self._target.shown} cannot be reached: {why}")

    def _what_went_wrong(self, error: Exception) -> str:
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return f"gave no answer within {self._timeout_secs:g} s"
        if isinstance(error, httpx2.RemoteProtocolError) and "disconnected" not in str(error):
            return "gave an answer that is not HTTP"
        return "broke the connection before it had answered"


async def _bounded(response: httpx2.Response) -> bytes | None:
    """The body, or None when it is too long: what is left of it is not read."""
    pieces, size = [], 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size > READ_MOST:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _system_error(error: BaseException | None) -> BaseException | None:
    """The system's own error behind the driver's: the innermost one."""
    found = None
    while error is not None:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, httpx2.TimeoutException):
            return TimeoutError()
        if isinstance(error, OSError):
            found = error
        error = error.__cause__ or error.__context__
    return found or OSError()
