"""The sink itself: events as lines of JSON, added to a file by a thread of its own.

What a take writes stands in the file whole or not at all. `fsync` says when it is on the disk: `each_batch`
before it is reported as taken (nothing that was reported is lost with the power), `interval` within a time
after, `never` when the system sees fit. Bounds: what the binding's takes hold; the file by `rotate_bytes` and
one take; with what was put aside, `keep_files` times as much again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import Field

from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import Outcome, SinkContext, SinkEvent, SinkOptions
from consumers.sinks.jsonl.rotating_file import NotUsable, RotatingFile, Rotation
from consumers.sinks.lines import json_line, written
from consumers.sinks.one_thread import OneThread

_DEFAULT_BYTES: Final = 100 * 2**20


class JsonlOptions(SinkOptions):
    """A file with a line of JSON an event."""

    path: Path = Field(
        description="The file. Its folder must exist; a relative path starts at the configuration's folder. "
        "One process and one binding write it: another one is refused."
    )
    rotate_bytes: int = Field(
        _DEFAULT_BYTES,
        ge=0,
        description="Put the file aside before it would become larger than this; 0: whatever its size.",
    )
    rotate: Literal["size", "day"] = Field(
        "size", description="`day`: put it aside at the first event of another day (UTC) as well."
    )
    keep_files: int = Field(
        10,
        ge=1,
        le=10_000,
        description="How many files that were put aside are kept; the oldest are removed.",
    )
    fsync: Literal["each_batch", "interval", "never"] = Field(
        "each_batch",
        description="When what is written reaches the disk: before it counts as taken; `fsync_secs` later at "
        "most; or when the system sees fit.",
    )
    fsync_secs: float = Field(1.0, ge=0.01, le=3600, description='The time of `fsync = "interval"`.')
    batch: int = Field(200, ge=1, le=500, description="How many events are written at once at most.")


class JsonlSink:
    """See the module."""

    Options: ClassVar[type[SinkOptions]] = JsonlOptions
    most_events: ClassVar[int] = 500

    def __init__(self, options: JsonlOptions, context: SinkContext) -> None:
        path = context.folder / options.path.expanduser()
        if not path.name:
            raise SinkMisconfigured(f"path: {path} is no file")
        self._options = options
        rotation = Rotation(options.rotate_bytes, options.rotate == "day", options.keep_files)
        self._tell = context.tell
        # What the thread has to tell, until the loop does.
        self._told: list[str] = []
        self._file = RotatingFile(path, rotation, options.fsync != "never", self._told.append)
        self._thread = OneThread(f"jsonl of {context.binding}")
        self._sync_due: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._lost: SinkUnavailable | None = None

    async def open(self) -> None:
        self._lost = None
        try:
            await self._thread.run(lambda: self._doing(self._file.open))
        finally:
            self._tell_all()

    async def take(self, events: Sequence[SinkEvent]) -> Sequence[Outcome]:
        if self._lost is not None:
            raise self._lost
        data, outcomes = written(events, json_line)
        await self._thread.run(lambda: self._doing(lambda: self._put(data)))
        self._tell_all()
        if self._options.fsync == "interval" and self._sync_due is None:
            loop = asyncio.get_running_loop()
            self._sync_due = loop.call_later(self._options.fsync_secs, self._begin_sync)
        return outcomes

    async def close(self) -> None:
        if self._sync_due is not None:
            self._sync_due.cancel()
            self._sync_due = None
        if self._syncing is not None:
            await asyncio.wait([self._syncing])
            self._syncing = None
        try:
            await self._thread.run(lambda: self._doing(self._end))
        finally:
            self._thread.end()

    def _tell_all(self) -> None:
        while self._told:
            self._tell(self._told.pop(0))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        if self._options.fsync == "each_batch":
            self._file.sync()

    def _end(self) -> None:
        try:
            if self._options.fsync == "interval":
                self._file.sync()
        finally:
            self._file.close()

    def _begin_sync(self) -> None:
        self._sync_due = None
        self._syncing = asyncio.create_task(self._sync())

    async def _sync(self) -> None:
        try:
            await self._thread.run(lambda: self._doing(self._file.sync))
        except SinkUnavailable as error:
            # The next take tells it.
            self._lost = error

    def _doing(self, work: Callable[[], None]) -> None:
        try:
            work()
        except NotUsable as error:
            raise SinkUnavailable(str(error)) from error
        except OSError as error:
            raise SinkUnavailable(f"{self._file.path} cannot be written: {error.strerror}") from error
