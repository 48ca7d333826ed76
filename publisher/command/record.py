"""`amibus record`: what a PBX sends, byte for byte, into a file."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import signal
import sys
import time
from pathlib import Path
from typing import IO, Annotated, Any, Final, cast

import typer
from rich.console import Console
from rich.status import Status

from publisher.command.dialogue import Dialogue
from publisher.command.output import print_json, say, warn
from publisher.command.settings_file import ConfigOption, PbxOption, one_pbx
from publisher.configuration.pbx import PbxSettings
from publisher.errors import PbxUnreachable, PublisherError

_NEWS_SECS: Final = 0.5
STDOUT: Final = "-"


def record(
    file: Annotated[
        str, typer.Argument(help="Where to write: .gz is packed, - is standard output.", metavar="FILE")
    ],
    pbx: PbxOption = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after so long; else Ctrl-C stops it.", min=0.1, metavar="SECS")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    config: ConfigOption = None,
) -> None:
    """Log in to a PBX and write everything that it sends, byte for byte.

    The recording holds what the PBX sent from its greeting on, and nothing that we sent: no secret.

    \b
    amibus record calls.ami.gz --seconds 60
    amibus record - --pbx ami://amibus@10.0.0.5 | amibus decode -
    """
    settings = one_pbx(config, pbx)
    recording = Recording(file, overwrite)
    try:
        asyncio.run(_record(settings, recording, seconds))
    finally:
        recording.close()
        recording.report()


class Recording:
    """The file that is written. The first error is kept: the callback of a read cannot raise it."""

    def __init__(self, name: str, overwrite: bool) -> None:
        self.name = name
        self._file: Any = None
        self._started = time.monotonic()
        self.bytes = 0
        self.failed: asyncio.Event = asyncio.Event()
        self.error: Exception | None = None
        try:
            self._file = self._open(overwrite)
        except FileExistsError as error:
            raise PublisherError(f"{name} exists already; choose another name or add --overwrite") from error
        except OSError as error:
            raise PublisherError(f"{name} cannot be written: {error.strerror}") from error

    def _open(self, overwrite: bool) -> IO[bytes]:
        if self.name == STDOUT:
            return sys.stdout.buffer
        raw = Path(self.name).open("wb" if overwrite else "xb")  # noqa: SIM115 - closed by `close`
        if self.name.endswith(".gz"):
            # Level 1: a busy PBX sends more than a level 9 keeps up with.
            return cast("IO[bytes]", _Packed(raw))
        return raw

    def write(self, data: bytes) -> None:
        if self.error is not None:
            return
        try:
            self._file.write(data)
            if self.name == STDOUT:
                self._file.flush()
        except OSError as error:
            self.error = error
            self.failed.set()
        else:
            self.bytes += len(data)

    def close(self) -> None:
        """Finish the file. Raises what writing it raised."""
        try:
            if self.name != STDOUT:
                self._file.close()
        except OSError as error:
            self.error = self.error or error
        if isinstance(self.error, BrokenPipeError):
            raise self.error
        if self.error is not None:
            reason = getattr(self.error, "strerror", None) or "output error"
            raise PublisherError(f"{self.name} cannot be written: {reason}") from self.error

    def report(self) -> None:
        """Say what was recorded: to people, or as JSON where the file is not standard output itself."""
        seconds = time.monotonic() - self._started
        if self.name == STDOUT:
            return
        if sys.stdout.isatty():
            say(f"{self.bytes} bytes in {seconds:.1f} s are in {self.name}")
        else:
            print_json({"file": self.name, "bytes": self.bytes, "seconds": round(seconds, 3)})


class _Packed(gzip.GzipFile):
    """A gzip file that closes the file it writes to."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__(fileobj=raw, mode="wb", compresslevel=1)
        self._raw = raw

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._raw.close()


async def _record(pbx: PbxSettings, recording: Recording, seconds: float | None) -> None:
    stop = asyncio.Event()
    with contextlib.suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Dialogue(pbx, on_bytes=recording.write) as dialogue:
        await dialogue.turn_on_events()
        if recording.name != STDOUT and not sys.stdout.isatty():
            warn(f"recording {pbx.address}")
        waits = [asyncio.ensure_future(event.wait()) for event in (stop, dialogue.closed, recording.failed)]
        news = asyncio.ensure_future(_show(recording))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*waits, news):
                task.cancel()
            await asyncio.gather(*waits, news, return_exceptions=True)
        if dialogue.closed.is_set():
            raise PbxUnreachable(f"{pbx.address}: {dialogue.close_reason}; the recording ends there")


async def _show(recording: Recording) -> None:
    """Progress, where somebody looks."""
    if not sys.stderr.isatty():
        return
    with Console(stderr=True).status("recording") as status:
        while True:
            _update(status, recording)
            await asyncio.sleep(_NEWS_SECS)


def _update(status: Status, recording: Recording) -> None:
    status.update(f"recording: {recording.bytes / 1e6:.1f} MB; Ctrl-C ends it")
