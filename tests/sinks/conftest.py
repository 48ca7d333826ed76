"""The servers that sinks talk to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.choice import Kind, PostgresqlServer, RabbitmqServer, new_postgresql
from tests.services.guard import Guard
from tests.sinks.places import SECRET


@pytest.fixture(scope="session")
def _postgresql(services_kind: Kind, guard: Guard) -> Iterator[PostgresqlServer]:
    server = new_postgresql(services_kind, guard)
    server.start()
    yield server
    server.close()


@pytest.fixture
def postgresql(_postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    """The run's PostgreSQL. Use tables of your own; what a test stops runs again for the next."""
    yield _postgresql
    if not _postgresql.running:
        _postgresql.start()


@pytest.fixture(scope="session")
def sink_user(rabbitmq: RabbitmqServer) -> str:
    """A user of the run's RabbitMQ whose password no message may show."""
    name = "sink"
    rabbitmq.rabbitmqctl("add_user", name, SECRET)
    rabbitmq.rabbitmqctl("set_permissions", name, ".*", ".*", ".*")
    return name
