"""Commands: from a client through Redis to the PBX and back, beside a plain RPC over a Redis list.

Both sides have the same Redis (append-only file, synced once a second), the same simulated PBX and the same
command, `Setvar`; their rounds alternate. One after another tells how long a command takes, many at a time
how many go through.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import redis.asyncio as redis

from consumers.commands import CommandClient, State
from tests.benchmarks.figures import Row, at_least, at_most, reported
from tests.benchmarks.machine import CpuWatch, mean_cores
from tests.benchmarks.plain_rpc import QUEUE
from tests.benchmarks.processes import PBX, SECRET, Amibus, ProcessFailed, write_configuration
from tests.services.guard import Guard
from tests.services.private_redis import PrivateRedis

GOAL_P50_MS: Final = 5.0
GOAL_RATE: Final = 2_000
AT_A_TIME: Final = 200
CLIENT: Final = "bench"
TOKEN: Final = "not-a-real-token"
_FIELDS: Final = {"Variable": "BENCH", "Value": "1"}

Call = Callable[[], Awaitable[None]]


class CommandService(Amibus):
    """`amibus run` that takes commands from a Redis."""

    def __init__(self, guard: Guard, pbx_port: int, redis_url: str, folder: Path) -> None:
        config = write_configuration(folder, pbx_port, "embedded")
        with config.open("a", encoding="utf-8") as file:
            file.write(
                f'\n[commands]\nurl = "{redis_url}"\nrate = 0\n'
                f'[[policy.client]]\nname = "{CLIENT}"\nsecret = "{TOKEN}"\ncommands = ["variables"]\n'
                'variables = ["BENCH"]\nglobal_variables = true\nrate = 0\nmax_waiting = 10000\n'
            )
        super().__init__(guard, ["run", "--config", str(config), "--quiet"], folder / "run.log")


async def measure(guard: Guard, folder: Path, singles: int, many: int, rounds: int) -> list[Row]:
    server = PrivateRedis(guard, appendfsync="everysec")
    await asyncio.to_thread(server.start)
    simulator = Amibus(
        guard,
        ["simulate", "--port", "0", "--secret", SECRET, "--calls-per-second", "0"],
        folder / "simulate.log",
    )
    try:
        port = int(simulator.line()["port"])
        service = CommandService(guard, port, server.url, folder / "commands")
        rival = await _start_rival(server.url, port)
        try:
            pids = {"amibus run": service.pid, "simulator": simulator.pid, "client": os.getpid()}
            return await _compare(server.url, singles, many, rounds, CpuWatch(pids))
        finally:
            rival.terminate()
            await rival.wait()
            service.stop()
    finally:
        simulator.stop()
        server.close()


async def _start_rival(url: str, port: int) -> asyncio.subprocess.Process:
    rival = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.plain_rpc", url, str(port), "bus", SECRET),
        stdout=asyncio.subprocess.PIPE,
    )
    assert rival.stdout is not None
    if not await asyncio.wait_for(rival.stdout.readline(), 30):
        raise ProcessFailed("the plain RPC did not start")
    return rival


async def _compare(url: str, singles: int, many: int, rounds: int, watch: CpuWatch) -> list[Row]:
    figures: dict[str, list[float]] = {}
    cores: list[dict[str, float]] = []
    client = CommandClient.connect(url, client=CLIENT, token=TOKEN)
    plain = redis.Redis.from_url(url, max_connections=AT_A_TIME + 8)
    async with client:
        await _ask(client)
        for _ in range(rounds):
            for name, call in (("ours", lambda: _ask(client)), ("rival", lambda: _ask_plain(plain))):
                took_ms = [await _timed(call) for _ in range(singles)]
                _keep(figures, f"{name} p50", statistics.median(took_ms))
                _keep(figures, f"{name} p99", sorted(took_ms)[len(took_ms) * 99 // 100])
                watch.cores()
                _keep(figures, f"{name} rate", await _rate(call, many))
                if name == "ours":
                    cores.append(watch.cores())
    await plain.aclose()
    note = mean_cores(cores)
    return [
        at_most("command, enqueue to reply: p50", figures["ours p50"], GOAL_P50_MS, "ms"),
        reported("the same: p99", figures["ours p99"], "ms"),
        at_least(f"commands, {AT_A_TIME} at a time", figures["ours rate"], GOAL_RATE, "/s", note),
        reported("plain RPC over a Redis list: p50", figures["rival p50"], "ms"),
        reported("the same: p99", figures["rival p99"], "ms"),
        reported(f"plain RPC, {AT_A_TIME} at a time", figures["rival rate"], "/s"),
    ]


def _keep(figures: dict[str, list[float]], name: str, figure: float) -> None:
    figures.setdefault(name, []).append(figure)


async def _ask(client: CommandClient) -> None:
    sent = await client.send(PBX, "Setvar", _FIELDS)
    reply = await sent.reply(30)
    if reply.state is not State.SUCCEEDED:
        raise ProcessFailed(f"a command ended as {reply.state}: {reply.message}")


async def _ask_plain(client: redis.Redis) -> None:
    id = uuid.uuid4().hex
    await client.rpush(QUEUE, json.dumps({"id": id, "action": "Setvar", "headers": _FIELDS}))
    if await client.blpop([f"rpc:{id}"], timeout=30) is None:
        raise ProcessFailed("the plain RPC did not answer")


async def _timed(call: Call) -> float:
    began = time.perf_counter()
    await call()
    return (time.perf_counter() - began) * 1000


async def _rate(call: Call, many: int) -> float:
    left = many

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_A_TIME)))
    return many / (time.perf_counter() - began)
