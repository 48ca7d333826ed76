"""What a Redis's or the driver's own texts tell of a URL that is wrong, where an error's name does not."""

from __future__ import annotations

import errno

import pytest

from schemas.broker_words import Kind
from schemas.redis_url import RedisUrl
from schemas.redis_words import redis_verdict

PLAIN = RedisUrl.parse("redis://bus:s3cret@h")
SECURE = RedisUrl.parse("rediss://bus:s3cret@h")
CLUSTER = RedisUrl.parse("redis+cluster://bus:s3cret@h,i")
SENTINEL = RedisUrl.parse("redis+sentinel://:s3cret@h,i/office")
OPEN_SENTINEL = RedisUrl.parse("redis+sentinel://h,i/office")
SOCKET = RedisUrl.parse("unix://:s3cret@/run/redis.sock")


def error_named(name: str, text: str = "") -> Exception:
    made: Exception = type(name, (Exception,), {})(text)
    return made


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("Protocol error: unauthenticated multibulk length", Kind.REFUSED, "check user and password"),
        ("The user executing the script can't run this command script: 9fae", Kind.REFUSED, "~amibus:*"),
        ("The user executing the script can't access at least one of the keys", Kind.REFUSED, "~amibus:*"),
        ("DB index is out of range", Kind.REFUSED, "no database of that number"),
        ("unknown command 'SENTINEL', with args beginning with", Kind.REFUSED, "is no sentinel"),
        ("unknown command 'EVALSHA', with args beginning with", Kind.REFUSED, "must be Redis 7"),
        ("max number of clients reached", Kind.LOST, "as many clients as it takes"),
    ],
)
def test_a_text_of_redis_says_what_to_mend(text: str, kind: Kind, part: str) -> None:
    verdict = redis_verdict(PLAIN, error_named("ResponseError", text), 5)
    assert verdict.kind is kind
    assert part in verdict.sentence


def test_what_lies_under_a_cluster_s_error_is_what_is_told() -> None:
    outer = error_named("RedisClusterException", "Redis Cluster cannot be connected: invalid s3cret")
    outer.__cause__ = error_named("AuthenticationError", "invalid username-password pair")
    assert redis_verdict(CLUSTER, outer, 5).kind is Kind.REFUSED
    outer.__cause__ = error_named("RedisClusterException", "Cluster mode is not enabled on this node")
    assert redis_verdict(CLUSTER, outer, 5).sentence.endswith("the URL must begin with redis://")


def test_a_node_of_a_cluster_is_named_as_one() -> None:
    verdict = redis_verdict(PLAIN, error_named("MovedError", "8943 10.0.0.1:7000"), 5)
    assert verdict.kind is Kind.REFUSED
    assert "redis+cluster://" in verdict.sentence
    assert "10.0.0.1" not in verdict.sentence


def test_what_does_not_speak_redis_is_named_as_that_without_its_words() -> None:
    verdict = redis_verdict(PLAIN, error_named("InvalidResponse", 'got "H" of s3cret'), 5)
    assert verdict.kind is Kind.UNREACHABLE
    assert "does not speak Redis's protocol" in verdict.sentence
    assert "s3cret" not in verdict.sentence


@pytest.mark.parametrize(
    ("url", "text", "kind", "part"),
    [
        (OPEN_SENTINEL, "", Kind.LOST, "no master"),
        (OPEN_SENTINEL, " : <a> - network:Connect, <b> - network:TimeoutError", Kind.UNREACHABLE, "none"),
        (OPEN_SENTINEL, " : <a> - network:ConnectionError", Kind.LOST, "no master"),
        (SENTINEL, " : " + ", ".join(["<a> - network:ConnectionError"] * 4), Kind.UNREACHABLE, "none"),
        (SENTINEL, " : " + ", ".join(["<a> - auth:AuthenticationError"] * 4), Kind.REFUSED, "login"),
        (SENTINEL, " : " + ", ".join(["<a> - auth:AuthenticationError"] * 2), Kind.LOST, "no master"),
    ],
)  # fmt: skip
def test_sentinels_that_are_silent_refuse_or_know_no_such_master_are_told_apart(
    url: RedisUrl, text: str, kind: Kind, part: str
) -> None:
    verdict = redis_verdict(url, error_named("MasterNotFoundError", f"No master found for 'x'{text}"), 5)
    assert verdict.kind is kind
    assert part in verdict.sentence


def test_a_server_that_never_spoke_may_want_tls_or_not_have_it() -> None:
    reset = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    closed = error_named("ConnectionError", "Connection closed by server.")
    for error in (reset, closed):
        assert "rediss://" in redis_verdict(PLAIN, error, 5, answered=False).sentence
        assert "rediss:/" not in redis_verdict(PLAIN, error, 5).sentence
        assert "wants TLS" not in redis_verdict(SECURE, error, 5, answered=False).sentence
        assert "TLS" not in redis_verdict(SOCKET, error, 5, answered=False).sentence
    assert "TLS" not in redis_verdict(PLAIN, refused, 5, answered=False).sentence
    assert "TLS" in redis_verdict(SECURE, TimeoutError(), 5, answered=False).sentence
    assert "TLS" not in redis_verdict(SECURE, TimeoutError(), 5).sentence
    assert "TLS" not in redis_verdict(PLAIN, TimeoutError(), 5, answered=False).sentence
