"""What a Redis or the network says, as a sentence for an operator: what to mend, or what passes by itself."""

from __future__ import annotations

import errno
import ssl

import pytest

from schemas.broker_words import Kind
from schemas.network_words import root_cause, why_not_opened
from schemas.redis_url import RedisUrl
from schemas.redis_words import redis_verdict

URL = RedisUrl.parse("redis://bus:s3cret@h")
NUMBER = "74951234567"
SHOWN = "redis://bus@h:6379"


def error_named(name: str, text: str = f"s3cret {NUMBER}") -> Exception:
    """An error as a driver would raise it: known by its name."""
    made: Exception = type(name, (Exception,), {})(text)
    return made


def caused_by(outer: Exception, cause: Exception) -> Exception:
    try:
        raise outer from cause
    except Exception as error:
        return error


def verdict_on(error: BaseException) -> tuple[Kind, str]:
    verdict = redis_verdict(URL, error, 5.0)
    assert verdict.sentence.startswith(SHOWN)
    assert "s3cret" not in verdict.sentence
    assert NUMBER not in verdict.sentence
    return verdict.kind, verdict.sentence.removeprefix(SHOWN)


@pytest.mark.parametrize(
    ("name", "kind", "part"),
    [
        ("AuthenticationError", Kind.REFUSED, "check user and password"),
        ("AuthorizationError", Kind.REFUSED, "check user and password"),
        ("NoPermissionError", Kind.REFUSED, "~amibus:*"),
        ("OutOfMemoryError", Kind.REFUSED, "raise maxmemory"),
        ("DataError", Kind.REFUSED, "cannot take"),
        ("BusyLoadingError", Kind.LOST, "is loading"),
        ("ReadOnlyError", Kind.LOST, "is a replica now"),
        ("MasterDownError", Kind.LOST, "lost its master"),
        ("ClusterDownError", Kind.LOST, "does not serve"),
        ("SlotNotCoveredError", Kind.LOST, "does not serve"),
        ("TryAgainError", Kind.LOST, "moving its data"),
        ("MasterNotFoundError", Kind.LOST, "no master"),
        ("MaxConnectionsError", Kind.LOST, "all its connections"),
    ],
)
def test_an_error_of_the_driver_says_who_must_do_something(name: str, kind: Kind, part: str) -> None:
    found, sentence = verdict_on(error_named(name))
    assert found is kind
    assert part in sentence


@pytest.mark.parametrize(
    ("word", "kind", "part"),
    [
        ("MISCONF", Kind.REFUSED, "cannot save"),
        ("NOPERM", Kind.REFUSED, "~amibus:*"),
        ("OOM", Kind.REFUSED, "maxmemory"),
        ("READONLY", Kind.LOST, "replica"),
        ("BUSY", Kind.LOST, "busy with a script"),
        ("NOREPLICAS", Kind.LOST, "too few replicas"),
        ("LOADING", Kind.LOST, "loading"),
    ],
)
def test_an_error_of_the_server_is_told_by_its_first_word(word: str, kind: Kind, part: str) -> None:
    for name in ("ResponseError", "RedisError"):
        found, sentence = verdict_on(error_named(name, f"{word} about {NUMBER}"))
        assert found is kind
        assert part in sentence


def test_a_server_that_is_too_old_is_named_as_such() -> None:
    error = error_named("ResponseError", f"ERR unknown command 'XAUTOCLAIM', with args {NUMBER}")
    assert verdict_on(error) == (Kind.REFUSED, " lacks a command that the queue needs: it must be Redis 7")


def test_an_error_nobody_expects_is_told_by_its_first_word_alone() -> None:
    kind, sentence = verdict_on(error_named("ResponseError", f"WRONGTYPE of key {NUMBER}"))
    assert (kind, sentence) == (Kind.REFUSED, " gave an error that the queue does not expect (WRONGTYPE)")


@pytest.mark.parametrize(
    "text", [f"{NUMBER}: odd", f"amibus:{{main}}:command:{NUMBER} is odd", "s3cret", "", "a" * 500]
)
def test_a_first_word_that_could_be_anything_is_not_shown(text: str) -> None:
    kind, sentence = verdict_on(error_named("ResponseError", text))
    assert kind is Kind.REFUSED
    assert len(sentence) < 100


@pytest.mark.parametrize(
    "error",
    [
        error_named("TimeoutError"),
        TimeoutError(),
        caused_by(error_named("ConnectionError"), TimeoutError()),
    ],
)
def test_silence_is_told_with_how_long_it_was(error: Exception) -> None:
    assert verdict_on(error) == (Kind.LOST, " gave no answer within 5 s")


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "nothing listens there"),
        (
            caused_by(error_named("ConnectionError"), OSError(errno.EHOSTUNREACH, "No route to host")),
            "No route",
        ),
        (OSError(), "the connection broke"),
        (error_named("ConnectionError"), "the connection broke"),
        (ssl.SSLError(1, "wrong version number"), "rediss:// is for servers with TLS"),
    ],
)
def test_a_server_that_cannot_be_reached_is_told_with_the_reason(error: Exception, part: str) -> None:
    kind, sentence = verdict_on(error)
    assert kind is Kind.UNREACHABLE
    assert part in sentence


def test_the_network_s_reasons_end_a_sentence() -> None:
    certificate = ssl.SSLCertVerificationError(1, "failed")
    certificate.verify_message = "Hostname mismatch"
    assert why_not_opened(certificate, 5) == "its certificate was not accepted: Hostname mismatch"
    assert why_not_opened(ssl.SSLError(1, "x"), 5) == "it does not speak TLS there"
    assert why_not_opened(None, 2.5) == why_not_opened(TimeoutError(), 2.5) == "no answer within 2.5 s"


def test_the_root_is_the_first_error_of_the_system_else_the_outermost() -> None:
    system = OSError(1, "x")
    outer = caused_by(ValueError("outer"), caused_by(KeyError("inner"), system))
    assert root_cause(outer) is system
    alone = ValueError("alone")
    assert root_cause(alone) is alone
    assert root_cause(None) is None
