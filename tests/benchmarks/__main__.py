"""`make bench`, or `python -m tests.benchmarks`: measures ami-bus beside other programs, prints one table.

Nothing here passes or fails by a timing: the exit code says only whether everything could be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import backlog, commands, decode, filters, latency, path
from tests.benchmarks.broker import Broker
from tests.benchmarks.figures import Row, print_table, write_json
from tests.benchmarks.machine import this_machine
from tests.benchmarks.processes import ProcessFailed
from tests.services.choice import ServicesMissing
from tests.services.guard import Guard
from tests.services.server_process import ServerFailed

PARTS = ("decode", "filters", "path", "latency", "backlog", "commands")
BROKERS = frozenset({"path", "latency", "backlog"})


@dataclass(slots=True, frozen=True)
class Size:
    """How much is measured."""

    decode_runs: int = 7
    path_events: int = 60_000
    path_rounds: int = 5
    latency_secs: int = 15
    latency_rounds: int = 3
    backlog_events: int = 1_000_000
    single_commands: int = 1_000
    many_commands: int = 10_000
    command_rounds: int = 5
    filter_rounds: int = 5


QUICK = Size(3, 20_000, 2, 4, 1, 50_000, 200, 2_000, 2, 2)


def main() -> int:
    args = _arguments()
    size = QUICK if args.quick else Size()
    try:
        rows, version = asyncio.run(_measure(args.only, size))
    except (ServicesMissing, ServerFailed, ProcessFailed) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    machine = this_machine(version)
    print_table(machine, rows)
    if args.json:
        write_json(args.json, machine, rows)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--only", type=_parts, default=PARTS, metavar="PART,…", help=f"of {', '.join(PARTS)}; all by default"
    )
    parser.add_argument("--quick", action="store_true", help="small counts: to try it, not to quote it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    return parser.parse_args()


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if unknown := [part for part in parts if part not in PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}; allowed: {', '.join(PARTS)}")
    return parts


async def _measure(parts: Sequence[str], size: Size) -> tuple[list[Row], str]:
    rows: list[Row] = []
    if "decode" in parts:
        _say("decode")
        rows += decode.measure(size.decode_runs)
    if "filters" in parts:
        _say("filters")
        rows += await filters.measure(size.filter_rounds)
    version = ""
    guard = Guard()
    try:
        with tempfile.TemporaryDirectory(prefix="amibus-benchmark-") as folder:
            if BROKERS & set(parts):
                broker = Broker(guard)
                try:
                    rows += await _with_broker(guard, broker, Path(folder), parts, size)
                    version = broker.version()
                finally:
                    broker.server.close()
            if "commands" in parts:
                _say("commands")
                counts = (size.single_commands, size.many_commands, size.command_rounds)
                rows += await commands.measure(guard, Path(folder), *counts)
    finally:
        guard.close()
    return rows, version


async def _with_broker(
    guard: Guard, broker: Broker, folder: Path, parts: Sequence[str], size: Size
) -> list[Row]:
    _say("starting RabbitMQ")
    await asyncio.to_thread(broker.server.start)
    await broker.prepare()
    rows: list[Row] = []
    if "latency" in parts:
        _say("latency")
        rows += await latency.measure(guard, broker, folder, size.latency_secs, size.latency_rounds)
    steady: Sequence[float] = ()
    if "path" in parts:
        _say("path")
        found = await path.measure(guard, broker, folder, size.path_events, size.path_rounds)
        rows += found
        steady = found[0].runs
    if "backlog" in parts:
        _say("backlog")
        rows += await backlog.measure(guard, broker, folder, size.backlog_events, steady)
    return rows


def _say(part: str) -> None:
    print(f"benchmarks: {part} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
