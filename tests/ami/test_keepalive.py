from __future__ import annotations

from publisher.ami.keepalive import Keepalive, Verdict


def test_silence_earns_a_ping_and_then_a_verdict_within_ten_seconds() -> None:
    keepalive = Keepalive(3.0, 5.0, now=100.0)
    assert keepalive.deadline == 103.0
    assert keepalive.tick(102.9) is Verdict.ALIVE
    assert keepalive.tick(103.0) is Verdict.PING
    assert keepalive.tick(103.1) is Verdict.ALIVE
    assert keepalive.deadline == 108.0
    assert keepalive.tick(108.0) is Verdict.DEAD


def test_any_byte_is_a_sign_of_life() -> None:
    keepalive = Keepalive(3.0, 5.0, now=0.0)
    assert keepalive.tick(3.0) is Verdict.PING
    keepalive.heard(7.9)
    assert keepalive.tick(8.0) is Verdict.ALIVE
    assert keepalive.tick(10.9) is Verdict.PING


def test_a_process_that_stood_still_gets_a_short_grace_before_the_verdict() -> None:
    keepalive = Keepalive(3.0, 5.0, now=0.0)
    keepalive.tick(3.0)
    assert keepalive.tick(60.0) is Verdict.ALIVE
    assert keepalive.deadline == 61.0
    assert keepalive.tick(61.0) is Verdict.DEAD
    assert keepalive.tick(90.0) is Verdict.DEAD, "the grace is given once"


def test_a_grace_in_which_bytes_come_is_over_and_can_be_given_again() -> None:
    keepalive = Keepalive(3.0, 5.0, now=0.0)
    keepalive.tick(3.0)
    keepalive.tick(60.0)
    keepalive.heard(60.1)
    assert keepalive.tick(63.2) is Verdict.PING
    assert keepalive.tick(99.0) is Verdict.ALIVE
