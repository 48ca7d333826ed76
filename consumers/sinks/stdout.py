"""The sink `stdout`: events on standard output, as lines of JSON or as the packets that Asterisk sent.

Lines of several bindings never mix. A reader that is slow holds up this binding and nobody else: writing is
done in a thread. Bound: what the bindings' takes hold.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import ClassVar, Final, Literal

from pydantic import Field

from consumers.errors import SinkUnavailable
from consumers.plugin import Outcome, SinkContext, SinkEvent, SinkOptions
from consumers.sinks.lines import json_line, packet, written
from consumers.sinks.one_thread import OneThread

_one_at_a_time: Final = threading.Lock()


class StdoutOptions(SinkOptions):
    """Events on standard output."""

    format: Literal["json", "packets"] = Field(
        "json", description="A line of JSON an event, or the packet as Asterisk sent it."
    )


class StdoutSink:
    """See the module."""

    Options: ClassVar[type[SinkOptions]] = StdoutOptions
    most_events: ClassVar[int] = 500

    def __init__(self, options: StdoutOptions, context: SinkContext) -> None:
        self._write = json_line if options.format == "json" else packet
        self._thread = OneThread(f"stdout of {context.binding}")

    async def open(self) -> None:
        _descriptor()

    async def take(self, events: Sequence[SinkEvent]) -> Sequence[Outcome]:
        data, outcomes = written(events, self._write)
        await self._thread.run(lambda: _put(data))
        return outcomes

    async def close(self) -> None:
        self._thread.end()


def _descriptor() -> int:
    try:
        return sys.stdout.fileno()
    except (AttributeError, ValueError, OSError):
        raise SinkUnavailable("there is no standard output") from None


def _put(data: bytes) -> None:
    rest = memoryview(data)
    with _one_at_a_time:
        try:
            sys.stdout.flush()
            while rest:
                rest = rest[os.write(_descriptor(), rest) :]
        except BrokenPipeError:
            raise SinkUnavailable("nobody reads standard output any more") from None
        except OSError as error:
            raise SinkUnavailable(f"standard output takes nothing: {error.strerror}") from error
