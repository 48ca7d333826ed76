"""The service on the embedded bus with a consumer in it.

python -m tests.benchmarks.embedded_service CONFIG TOTAL
"""

from __future__ import annotations

import sys
from pathlib import Path

from publisher.adapters.log import LogReporter
from publisher.app import PublisherApp
from publisher.command import interpreter
from publisher.command.settings_file import load_settings
from publisher.command.stopping import run_loop
from tests.benchmarks.stopwatch import time_deliveries


async def serve(config: Path, total: int) -> None:
    settings = load_settings(config)
    app = PublisherApp(settings, LogReporter("console", "error", True))
    await app.start()
    interpreter.tune()
    try:
        assert app.embedded is not None
        await time_deliveries(app.embedded, total)
    finally:
        await app.stop()


if __name__ == "__main__":
    run_loop(serve(Path(sys.argv[1]), int(sys.argv[2])))
