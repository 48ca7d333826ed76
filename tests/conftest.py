"""Real servers for the whole test run, and private ones for tests that break them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.choice import (
    Kind,
    RabbitmqServer,
    RedisServer,
    ServicesMissing,
    kind_here,
    new_rabbitmq,
    new_redis,
)
from tests.services.guard import Guard


@pytest.fixture(scope="session")
def guard() -> Iterator[Guard]:
    """Ends what this run started, also when the run itself is killed."""
    guard = Guard()
    yield guard
    guard.close()


@pytest.fixture(scope="session")
def services_kind() -> Kind:
    try:
        return kind_here()
    except ServicesMissing as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def rabbitmq(services_kind: Kind, guard: Guard) -> Iterator[RabbitmqServer]:
    """The run's RabbitMQ. Tests share it: use names of your own, and break nothing."""
    server = new_rabbitmq(services_kind, guard)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def redis_server(services_kind: Kind, guard: Guard) -> Iterator[RedisServer]:
    """The run's Redis. Tests share it: use keys of your own, and break nothing."""
    server = new_redis(services_kind, guard)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def _breakable_rabbitmq(services_kind: Kind, guard: Guard) -> Iterator[RabbitmqServer]:
    server = new_rabbitmq(services_kind, guard)
    yield server
    server.close()


@pytest.fixture
def own_rabbitmq(_breakable_rabbitmq: RabbitmqServer) -> Iterator[RabbitmqServer]:
    """A RabbitMQ that this test has to itself and may break: empty, default users and limits.

    One node serves all such tests in turn (a start takes seconds): each finds it started and reset.
    """
    server = _breakable_rabbitmq
    if not server.running:
        server.start()
        # What an earlier test left on the disk is forgotten.
        _reset(server)
    yield server
    if server.running:
        server.sigcont()
        _reset(server)


# One call, because each start of rabbitmqctl costs most of a second.
_FORGET_ALL = """
    rabbit_vhost:delete(<<"/">>, <<"test">>),
    [rabbit_auth_backend_internal:delete_user(Name, <<"test">>)
     || User <- rabbit_auth_backend_internal:list_users(),
        Name <- [proplists:get_value(user, User)], Name =/= <<"guest">>],
    rabbit_vhost:add(<<"/">>, <<"test">>),
    rabbit_auth_backend_internal:set_permissions(
        <<"guest">>, <<"/">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>),
    vm_memory_monitor:set_vm_memory_high_watermark(0.4).
"""


def _reset(server: RabbitmqServer) -> None:
    server.wait_ready()
    server.rabbitmqctl("eval", _FORGET_ALL)


@pytest.fixture
def own_redis(services_kind: Kind, guard: Guard) -> Iterator[RedisServer]:
    """A Redis that this test has to itself and may break."""
    server = new_redis(services_kind, guard)
    server.start()
    yield server
    server.close()
