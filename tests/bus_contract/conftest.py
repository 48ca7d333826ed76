"""Each contract test runs once for each bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.bus_contract.calls import EmbeddedCallsHarness, RabbitCallsHarness
from tests.bus_contract.embedded import EmbeddedHarness
from tests.bus_contract.harness import Harness, Numbers
from tests.bus_contract.rabbit import RabbitHarness


async def embedded(_request: pytest.FixtureRequest, folder: Path) -> Harness:
    harness = EmbeddedHarness(folder)
    await harness.open()
    return harness


async def rabbitmq(request: pytest.FixtureRequest, _folder: Path) -> Harness:
    harness = RabbitHarness(request.getfixturevalue("rabbitmq").amqp_url)
    await harness.open()
    return harness


async def embedded_calls(_request: pytest.FixtureRequest, folder: Path) -> Harness:
    return EmbeddedCallsHarness(folder)


async def rabbitmq_calls(request: pytest.FixtureRequest, _folder: Path) -> Harness:
    harness = RabbitCallsHarness(request.getfixturevalue("rabbitmq").amqp_url)
    await harness.open()
    return harness


# A maker gets the request, for fixtures such as the run's RabbitMQ, and a folder of its own.
HARNESSES: dict[str, Callable[[pytest.FixtureRequest, Path], Awaitable[Harness]]] = {
    "embedded": embedded,
    "rabbitmq": rabbitmq,
    "embedded calls": embedded_calls,
    "rabbitmq calls": rabbitmq_calls,
}


@pytest.fixture(params=list(HARNESSES))
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    made = await HARNESSES[request.param](request, tmp_path)
    yield made
    await made.close()


@pytest.fixture
def numbers() -> Numbers:
    return Numbers()
