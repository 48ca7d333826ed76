"""The fold's state as bytes to be kept: compressed, and bounded both ways."""

from __future__ import annotations

import zlib
from typing import Final

from consumers.calls import CallStateError
from consumers.ports import MAX_STATE_BYTES

MAX_UNPACKED_BYTES: Final = 256 * 2**20


class StateTooLarge(Exception):
    """It cannot be kept: `size` bytes, compressed."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size:,} bytes compressed, at most {MAX_STATE_BYTES:,} can be kept")
        self.size = size


def packed(state: bytes) -> bytes:
    """Raises `StateTooLarge`."""
    small = zlib.compress(state, 1)
    if len(small) > MAX_STATE_BYTES or len(state) > MAX_UNPACKED_BYTES:
        raise StateTooLarge(len(small))
    return small


def unpacked(kept: bytes) -> bytes:
    """Raises `CallStateError`."""
    unpacking = zlib.decompressobj()
    try:
        state = unpacking.decompress(kept, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise CallStateError(f"the state of the calls is damaged: {error}") from error
    if not unpacking.eof or unpacking.unused_data:
        raise CallStateError("the state of the calls is damaged: it does not end where it should")
    return state
