"""What a RabbitMQ says, as a sentence for an operator."""

from __future__ import annotations

import errno
import struct

import pytest

from schemas.broker_url import BrokerUrl
from schemas.broker_words import Handshake, Kind, Verdict, ended, not_opened, said

URL = BrokerUrl.parse("amqp://bus:s3cret@mq")
SECURE = BrokerUrl.parse("amqps://bus:s3cret@mq")
SHOWN = "amqp://bus@mq:5672"


def close_frame(text: bytes) -> bytes:
    return b"\x00\x0a\x00\x32" + struct.pack("!H", 403) + bytes([len(text)]) + text + b"\x00\x00\x00\x00"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ACCESS_REFUSED - write access to x refused", "refused: write access to x refused (grant the user"),
        ("NOT_FOUND - no exchange", "refused: no exchange (it was deleted"),
        ("ACCESS_REFUSED - Login was refused using PLAIN", "refused the login of user 'bus': check user and"),
    ],
)
def test_a_refusal_comes_with_what_to_do(text: str, sentence: str) -> None:
    verdict = said(URL, text)
    assert verdict.kind is Kind.REFUSED
    assert verdict.sentence.startswith(f"{SHOWN} {sentence}")


def test_any_other_text_is_a_lost_connection() -> None:
    assert said(URL, "CONNECTION_FORCED - x") == Verdict(
        Kind.LOST, f"{SHOWN} closed the connection: CONNECTION_FORCED - x"
    )
    assert said(URL, "").sentence.endswith("no reason given")


def test_the_text_of_a_close_is_heard_before_the_driver_drops_it() -> None:
    handshake = Handshake()
    for data in (b"\x01", b"\x00\x00\x00\x00\x00\x20", close_frame(b"NOT_ALLOWED - vhost x")):
        handshake.hear(data)
    assert (handshake.speaks_amqp, handshake.close_text) == (True, "NOT_ALLOWED - vhost x")
    assert not_opened(URL, handshake, "", None, 5).kind is Kind.REFUSED
    assert not_opened(URL, Handshake(), "NOT_FOUND - x", None, 5).kind is Kind.REFUSED


def test_what_is_no_broker_is_named_as_such() -> None:
    handshake = Handshake()
    handshake.hear(b"HTTP/1.1 400")
    assert not_opened(URL, handshake, "", None, 5).sentence.endswith(
        "does not speak AMQP 0-9-1, or wants amqps"
    )
    assert not_opened(SECURE, handshake, "", None, 5).sentence.endswith("does not speak AMQP 0-9-1")


def test_a_connection_that_did_not_come_about_is_told_with_the_reason() -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    verdict = not_opened(URL, Handshake(), "", refused, 5)
    assert verdict == Verdict(Kind.UNREACHABLE, f"{SHOWN} cannot be reached: nothing listens there")


def test_a_connection_that_ended_is_told_with_what_the_broker_or_the_system_said() -> None:
    assert ended(URL, "NOT_FOUND - x", None).kind is Kind.REFUSED
    reset = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    assert ended(URL, "", reset) == Verdict(Kind.LOST, f"{SHOWN}: Connection reset by peer")
    assert ended(URL, "", None) == Verdict(Kind.LOST, f"{SHOWN}: the connection broke")
