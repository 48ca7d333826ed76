"""Which servers a test run uses: containers when a Docker engine answers, else processes of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Literal, Protocol

from tests.services.guard import Guard
from tests.services.private_postgresql import PrivatePostgresql, programs_folder
from tests.services.private_rabbitmq import PrivateRabbitmq, scripts_folder
from tests.services.private_redis import PrivateRedis

Kind = Literal["containers", "processes"]
SETTING = "AMIBUS_TEST_SERVICES"


class Server(Protocol):
    """What every server of a test can do. Data and port survive `stop` and `kill9`."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def running(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill9(self) -> None: ...
    def sigstop(self) -> None: ...
    def sigcont(self) -> None: ...
    def wait_ready(self) -> None: ...
    def close(self) -> None: ...


class RabbitmqServer(Server, Protocol):
    """A RabbitMQ; `user` is an administrator."""

    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def amqp_url(self) -> str: ...
    def rabbitmqctl(self, *args: str) -> str: ...


class RedisServer(Server, Protocol):
    @property
    def url(self) -> str: ...


class PostgresqlServer(Server, Protocol):
    """A PostgreSQL; `user` is an administrator of `database`."""

    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def database(self) -> str: ...
    @property
    def url(self) -> str: ...
    def psql(self, statement: str, database: str = "") -> str: ...


class ServicesMissing(Exception):
    """Neither a Docker engine nor the servers are here."""


def choose(env: Mapping[str, str], docker_answers: bool, missing_programs: list[str]) -> Kind:
    """The kind of servers to use. AMIBUS_TEST_SERVICES=containers|processes decides by itself when set.

    Raises `ServicesMissing` with a sentence that says what to do.
    """
    wanted = env.get(SETTING, "")
    if wanted not in ("", "containers", "processes"):
        raise ServicesMissing(f"{SETTING} is {wanted!r}: allowed are 'containers' and 'processes'")
    if wanted == "containers" and not docker_answers:
        raise ServicesMissing(f"{SETTING} asks for containers, but no Docker engine answers")
    if wanted != "processes" and docker_answers:
        return "containers"
    if missing_programs:
        programs = " and ".join(missing_programs)
        raise ServicesMissing(
            f"the tests need {programs}, and no Docker engine answers: run tests/services/install.sh"
        )
    return "processes"


def docker_engine_answers() -> bool:
    """Ask the engine that the environment names; any failure is a no.

    In a process of its own: the client library leaves an open socket behind when nobody answers.
    """
    question = "import docker; docker.from_env(timeout=5).ping()"
    asked = subprocess.run([sys.executable, "-c", question], capture_output=True, timeout=60, check=False)
    return asked.returncode == 0


def programs_missing() -> list[str]:
    found = {
        "rabbitmq-server": scripts_folder(),
        "redis-server": shutil.which("redis-server"),
        "postgresql": programs_folder() and shutil.which("psql"),
    }
    return [program for program, place in found.items() if not place]


def kind_here() -> Kind:
    return choose(os.environ, docker_engine_answers(), programs_missing())


def new_rabbitmq(kind: Kind, guard: Guard) -> RabbitmqServer:
    """A RabbitMQ that was not started yet."""
    if kind == "processes":
        return PrivateRabbitmq(guard)
    from tests.services.containers import ContainerRabbitmq

    return ContainerRabbitmq()


def new_redis(kind: Kind, guard: Guard) -> RedisServer:
    """A Redis that was not started yet."""
    if kind == "processes":
        return PrivateRedis(guard)
    from tests.services.containers import ContainerRedis

    return ContainerRedis()


def new_postgresql(kind: Kind, guard: Guard) -> PostgresqlServer:
    """A PostgreSQL that was not started yet."""
    if kind == "processes":
        return PrivatePostgresql(guard)
    from tests.services.containers import ContainerPostgresql

    return ContainerPostgresql()
