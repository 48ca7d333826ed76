"""Adding to a stream of any name, on the same kind of connections as the command queue's."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from consumers.adapters.redis.driver import QueueLink

_APPEND: Final = files("consumers.adapters.redis").joinpath("append.lua").read_text(encoding="utf-8")

Entry = tuple[bytes, bytes, bytes, bytes]
"""An event's id, routing key, type and body."""


def window_key(stream: str) -> str:
    """The set of the ids that were added lately: in the same hash slot of a cluster as the stream."""
    opening = stream.find("{")
    closing = stream.find("}", opening + 1)
    has_tag = 0 <= opening < closing - 1
    return f"{stream}:ids" if has_tag else f"{{{stream}}}:ids"


class StreamLink(QueueLink):
    """One server with a stream. Methods raise `QueueUnreachable` and `QueueRefused`."""

    async def type_of(self, key: str) -> str:
        """What stands under a key: `stream`, another of Redis's types, or `none`."""
        client = self._connected()
        found: bytes = await self._whole(lambda: client.type(key))
        return found.decode("ascii", "replace")

    async def append(self, stream: str, entries: Sequence[Entry], most: int, window: int) -> int:
        """Add what was not added lately, all of it or, after an error, a part; how many were new."""
        client = self._connected()
        words = [word for entry in entries for word in entry]
        keys = (stream, window_key(stream))
        added: int = await self._whole(lambda: client.eval(_APPEND, 2, *keys, most, window, *words))
        return added
