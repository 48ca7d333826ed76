"""A microservice takes the client, and none of the rest."""

from __future__ import annotations

import subprocess
import sys

_REST = (
    "publisher",
    "pydantic",
    "typer",
    "redis",
    "sqlalchemy",
    "httpx2",
    "consumers.app",
    "consumers.sinks",
)


def test_importing_the_client_brings_neither_the_configuration_nor_the_other_drivers() -> None:
    program = f"import sys, consumers.events; print([name for name in {_REST} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
