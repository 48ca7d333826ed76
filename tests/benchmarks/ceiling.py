"""The other publishers, each a process of its own: the C client (the ceiling) and plain aio-pika."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

from schemas.message import EVENTS_EXCHANGE
from tests.benchmarks.broker import WINDOW, Broker
from tests.benchmarks.processes import ProcessFailed

NEEDS = "needs a C compiler and librabbitmq's headers (Debian: gcc, librabbitmq-dev)"
_MOST_SECS = 300.0


def compiled(folder: Path) -> Path | None:
    """The C publisher, or None where it cannot be built here."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    program = folder / "publisher"
    source = Path(__file__).with_name("publisher.c")
    built = subprocess.run(
        [compiler, "-O2", "-o", str(program), str(source), "-lrabbitmq"], capture_output=True, check=False
    )
    return None if built.returncode else program


async def c_rate(program: Path, broker: Broker, messages: Path) -> float:
    """Confirmed messages per second of the C client."""
    server = broker.server
    return await _rate(
        str(program), server.host, str(server.port), server.user, server.password, EVENTS_EXCHANGE,
        str(messages), str(WINDOW),
    )  # fmt: skip


async def gather_rate(broker: Broker, messages: Path) -> float:
    """Confirmed messages per second of plain aio-pika."""
    module = "tests.benchmarks.gather"
    return await _rate(sys.executable, "-m", module, broker.url, EVENTS_EXCHANGE, str(messages), str(WINDOW))


async def _rate(*command: str) -> float:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_MOST_SECS):
            output, errors = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise ProcessFailed(f"{Path(command[0]).name} failed: {errors.decode(errors='replace')[-500:]}")
    return float(output)
