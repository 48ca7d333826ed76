"""The same servers in containers, for machines with a Docker engine.

The port on the host is chosen by us and kept, so that a server that was stopped comes back where its
clients look for it. Freezing is the engine's `pause`, kill -9 its `kill`.
"""

from __future__ import annotations

import os
import socket
import time

from testcontainers.core.container import DockerContainer

from tests.services.server_process import ServerFailed, free_ports, wait_until

RABBITMQ_IMAGE = os.environ.get("AMIBUS_TEST_RABBITMQ_IMAGE", "rabbitmq:3.13-alpine")
REDIS_IMAGE = os.environ.get("AMIBUS_TEST_REDIS_IMAGE", "redis:7-alpine")
POSTGRESQL_IMAGE = os.environ.get("AMIBUS_TEST_POSTGRESQL_IMAGE", "postgres:15-alpine")
_START_SECS = 180.0


class ContainerServer:
    """One container that can be stopped, killed and paused without losing its data or its port."""

    host = "127.0.0.1"
    inner_port: int
    greeting: bytes
    answer: bytes

    def __init__(self, container: DockerContainer) -> None:
        (self.port,) = free_ports(1)
        self._container = container.with_bind_ports(self.inner_port, self.port)
        self._created = False

    def start(self) -> None:
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True
        self.wait_ready()

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=60)

    def kill9(self) -> None:
        self._container.get_wrapped_container().kill()

    def sigstop(self) -> None:
        self._container.get_wrapped_container().pause()

    def sigcont(self) -> None:
        self._container.get_wrapped_container().unpause()

    @property
    def running(self) -> bool:
        if not self._created:
            return False
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        return bool(wrapped.status == "running")

    def wait_ready(self) -> None:
        wait_until(self._answers, _START_SECS, f"an answer of {self._container.image}")

    def close(self) -> None:
        if self._created:
            self._container.stop()
            self._created = False

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=2) as sock:
                sock.settimeout(2)
                sock.sendall(self.greeting)
                return sock.recv(len(self.answer)) == self.answer
        except OSError:
            return False


class ContainerRabbitmq(ContainerServer):
    """RabbitMQ in a container; the same names as `PrivateRabbitmq`."""

    inner_port = 5672
    greeting = b"AMQP\x00\x00\x09\x01"
    answer = b"\x01"
    user = "guest"
    password = "guest"

    def __init__(self) -> None:
        container = DockerContainer(RABBITMQ_IMAGE).with_kwargs(hostname="amibus")
        super().__init__(container.with_env("RABBITMQ_NODENAME", "amibus@localhost"))

    @property
    def amqp_url(self) -> str:
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}/"

    def rabbitmqctl(self, *args: str) -> str:
        deadline = time.monotonic() + 90
        while True:
            code, output = self._container.exec(["rabbitmqctl", "-q", *args])
            text = bytes(output).decode(errors="replace")
            if not code:
                return text
            if "starting" not in text or time.monotonic() > deadline:
                raise ServerFailed(f"rabbitmqctl {args[0]}: {text}")
            time.sleep(0.2)


class ContainerRedis(ContainerServer):
    """Redis in a container; the same names as `PrivateRedis`."""

    inner_port = 6379
    greeting = b"PING\r\n"
    answer = b"+PONG"

    def __init__(self) -> None:
        super().__init__(
            DockerContainer(REDIS_IMAGE).with_command("redis-server --appendonly yes --appendfsync always")
        )

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"


class ContainerPostgresql(ContainerServer):
    """PostgreSQL in a container; the same names as `PrivatePostgresql`."""

    inner_port = 5432
    # A client's question whether TLS is to be had; the answer is no.
    greeting = b"\0\0\0\x08\x04\xd2\x16\x2f"
    answer = b"N"
    user = "amibus"
    password = "fake-password-of-a-test"
    database = "amibus"

    def __init__(self) -> None:
        container = DockerContainer(POSTGRESQL_IMAGE).with_env("POSTGRES_USER", self.user)
        container = container.with_env("POSTGRES_PASSWORD", self.password).with_env(
            "POSTGRES_DB", self.database
        )
        super().__init__(container)

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    def psql(self, statement: str, database: str = "") -> str:
        command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", self.user, "-d", database or self.database]
        code, output = self._container.exec([*command, "-c", statement])
        text = bytes(output).decode(errors="replace")
        if code:
            raise ServerFailed(f"psql: {text}")
        return text.strip("\n")
