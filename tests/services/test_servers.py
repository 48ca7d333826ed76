import socket

import pytest

from tests.services.choice import RabbitmqServer, RedisServer


def _redis(server: RedisServer, line: bytes) -> bytes:
    with socket.create_connection((server.host, server.port), timeout=10) as sock:
        sock.sendall(line + b"\r\n")
        return sock.recv(1000)


def test_redis_keeps_its_data_over_a_kill(own_redis: RedisServer) -> None:
    assert _redis(own_redis, b"SET key kept") == b"+OK\r\n"
    own_redis.kill9()
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, as the system likes
        _redis(own_redis, b"PING")
    own_redis.start()
    assert _redis(own_redis, b"GET key") == b"$4\r\nkept\r\n"


def test_a_reset_broker_starts_again_where_its_clients_look_for_it(own_rabbitmq: RabbitmqServer) -> None:
    port = own_rabbitmq.port
    own_rabbitmq.rabbitmqctl("add_user", "someone", "secret")
    own_rabbitmq.stop()
    assert not own_rabbitmq.running
    own_rabbitmq.start()
    assert own_rabbitmq.port == port
    assert "someone" in own_rabbitmq.rabbitmqctl("list_users")


def test_the_next_test_finds_no_trace_of_the_one_before(own_rabbitmq: RabbitmqServer) -> None:
    assert "someone" not in own_rabbitmq.rabbitmqctl("list_users")
