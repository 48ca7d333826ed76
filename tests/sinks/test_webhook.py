"""Webhooks against a real HTTP server that answers well, badly, late, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import DONE, Done, Outcome, Reject, Retry
from consumers.sinks.webhook.answers import Meaning, meaning, outcomes_of
from consumers.sinks.webhook.driver import READ_MOST, Poster, Target
from consumers.sinks.webhook.retry_after import LONGEST_SECS, retry_after_secs
from consumers.sinks.webhook.sink import WebhookSink
from consumers.testing import SinkRunner, sink_event, sink_events
from tests.services.certificates import make_certificates
from tests.sinks.receiver import Receiver, Request, answer, answers, says

NOW = datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC)
SECRET = "fake-secret-of-a-test"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


def runner(url: str, folder: Path | None = None, **options: Any) -> SinkRunner:
    return SinkRunner(
        WebhookSink, {"url": url, "timeout_secs": 5, **options}, folder=folder, secrets=[SECRET]
    )


async def outcome_of(receiver: Receiver, **options: Any) -> Outcome:
    async with runner(receiver.url, **options) as sink:
        (outcome,) = await sink.take(sink_event())
    return outcome


# What is sent.


async def test_an_event_is_posted_as_an_object_with_its_id(receiver: Receiver) -> None:
    event = sink_event({"Event": "Hangup", "Имя": "Анна"}, extensions=["200"])
    async with runner(receiver.url) as sink:
        assert await sink.take(event) == [DONE]
    (request,) = receiver.requests
    assert request.line == "POST /hook HTTP/1.1"
    assert request.json == event.event.to_map()
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == event.id
    assert not {"amibus-signature", "authorization"} & request.headers.keys()


async def test_a_batch_is_a_list_whose_key_depends_on_the_events_alone(receiver: Receiver) -> None:
    async with runner(receiver.url, batch=10) as sink:
        assert sink.most_events == 10
        for events in (sink_events(3), sink_events(3), sink_events(2)):
            assert await sink.take(*events) == [DONE] * len(events)
    same, again, other = receiver.requests
    assert [event["seq"] for event in same.json] == [1, 2, 3]
    assert (
        same.headers["idempotency-key"]
        == again.headers["idempotency-key"]
        != other.headers["idempotency-key"]
    )


async def test_a_batch_of_one_is_a_list_too(receiver: Receiver) -> None:
    async with runner(receiver.url, batch=10) as sink:
        await sink.take(sink_event())
    assert [event["seq"] for event in receiver.requests[0].json] == [1]


async def test_a_request_is_bounded_in_events_and_bytes(receiver: Receiver) -> None:
    async with runner(receiver.url, batch=4, batch_bytes=700) as sink:
        assert await sink.take(*sink_events(9)) == [DONE] * 9
    sizes = [len(request.json) for request in receiver.requests]
    assert sum(sizes) == 9
    assert all(len(request.body) <= 700 for request in receiver.requests)
    async with runner(receiver.url, batch=4, batch_bytes=1) as sink:
        assert await sink.take(*sink_events(2)) == [DONE] * 2


async def test_requests_are_signed_over_time_and_body(receiver: Receiver, tmp_path: Path) -> None:
    secret = tmp_path / "hook.secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    async with runner(receiver.url, tmp_path, secret_file="hook.secret") as sink:
        await sink.take(sink_event())
    (request,) = receiver.requests
    stamp = request.headers["amibus-timestamp"]
    wanted = hmac.new(SECRET.encode(), stamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert request.headers["amibus-signature"] == f"v1={wanted}"
    assert abs(int(stamp) - time.time()) < 60


async def test_a_token_is_sent_and_read_anew_when_it_was_refused(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_TOKEN", SECRET)
    sink = runner(receiver.url, token_env="HOOK_TOKEN")
    async with sink:
        receiver.behaviour = answers(401)
        with pytest.raises(SinkUnavailable, match="answered 401: it does not accept these credentials"):
            await sink.take(sink_event())
        await sink.close()
        monkeypatch.setenv("HOOK_TOKEN", "another")
        await sink.open()
        receiver.behaviour = answers(200)
        assert await sink.take(sink_event()) == [DONE]
    assert [request.headers["authorization"] for request in receiver.requests] == [
        f"Bearer {SECRET}",
        "Bearer another",
    ]


async def test_the_login_of_a_url_is_used_and_never_shown(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(
        "HOOK_URL", receiver.url.replace("//", f"//user:{SECRET}@") + f"/{SECRET}?key={SECRET}"
    )
    sink = SinkRunner(WebhookSink, {"url_env": "HOOK_URL", "timeout_secs": 5}, secrets=[SECRET])
    async with sink:
        await sink.take(sink_event())
        for status in (302, 401, 404, 500):
            receiver.behaviour = answers(status, Location=f"/{SECRET}")
            try:
                (outcome,) = await sink.take(sink_event())
                assert isinstance(outcome, Reject | Retry)
                assert f"127.0.0.1:{receiver.port} answered" in outcome.reason
            except SinkUnavailable:
                continue
        await receiver.stop()
        with pytest.raises(SinkUnavailable):
            await sink.take(sink_event())
    assert receiver.requests[0].headers["authorization"].startswith("Basic ")
    assert SECRET not in caplog.text
    assert SECRET not in repr(sink.sink.__dict__.get("_options"))


# What the status means.


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_taken(receiver: Receiver, status: int) -> None:
    receiver.behaviour = answers(status)
    assert await outcome_of(receiver) == DONE


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_what_may_pass_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.behaviour = answers(status)
    outcome = await outcome_of(receiver)
    assert outcome == Retry(f"http://127.0.0.1:{receiver.port} answered {status}")


@pytest.mark.parametrize("status", [400, 402, 404, 405, 409, 410, 413, 418, 422, 451])
async def test_other_4xx_are_rejected_with_the_status(receiver: Receiver, status: int) -> None:
    receiver.behaviour = answers(status)
    assert await outcome_of(receiver) == Reject(f"http://127.0.0.1:{receiver.port} answered {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_events_wait(receiver: Receiver, status: int) -> None:
    receiver.behaviour = answers(status, Location="/elsewhere")
    with pytest.raises(SinkUnavailable, match=rf"answered {status}, a redirect, which is not followed"):
        await outcome_of(receiver)
    assert [request.line for request in receiver.requests] == ["POST /hook HTTP/1.1"]


@pytest.mark.parametrize("status", [401, 403, 407])
async def test_refused_credentials_make_events_wait_and_park_none(receiver: Receiver, status: int) -> None:
    receiver.behaviour = answers(status)
    with pytest.raises(SinkUnavailable, match="does not accept these credentials"):
        await outcome_of(receiver)


def test_every_status_means_something() -> None:
    assert {meaning(status) for status in range(100, 1000)} == set(Meaning)


# Retry-After.


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_in_seconds_is_honoured(receiver: Receiver, status: int) -> None:
    receiver.behaviour = answers(status, Retry_After="7")
    outcome = await outcome_of(receiver)
    assert isinstance(outcome, Retry)
    assert outcome.after_secs == 7.0


@pytest.mark.parametrize(
    ("header", "secs"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("999999999", LONGEST_SECS),
        ("99999999999999999999", None),
        ("Tue, 24 Nov 2026 08:00:30 GMT", 30.0),
        ("Tuesday, 24-Nov-26 08:00:30 GMT", 30.0),
        ("Tue Nov 24 08:00:30 2026", 30.0),
        ("Tue, 24 Nov 2026 07:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_SECS),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(header: str, secs: float | None) -> None:
    assert retry_after_secs(header, NOW) == secs


@given(st.text(max_size=60))
def test_whatever_stands_there_is_bounded(header: str) -> None:
    found = retry_after_secs(header, NOW)
    assert found is None or 0 <= found <= LONGEST_SECS


# A receiver that misbehaves.


async def test_no_answer_in_time_is_tried_again(receiver: Receiver) -> None:
    receiver.behaviour = says(b"", then="hang")
    outcome = await outcome_of(receiver, timeout_secs=0.2)
    assert outcome == Retry(f"http://127.0.0.1:{receiver.port} gave no answer within 0.2 s")


async def test_an_answer_that_trickles_is_over_in_time(receiver: Receiver) -> None:
    async def trickle(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Padding: x\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    receiver.behaviour = trickle
    outcome = await outcome_of(receiver, timeout_secs=0.3)
    assert isinstance(outcome, Retry)
    assert "gave no answer within 0.3 s" in outcome.reason


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Le"])
async def test_a_connection_that_ends_before_the_status_is_tried_again(
    receiver: Receiver, data: bytes, then: str
) -> None:
    receiver.behaviour = says(data, then)
    outcome = await outcome_of(receiver)
    assert outcome == Retry(f"http://127.0.0.1:{receiver.port} broke the connection before it had answered")


async def test_what_is_not_http_is_tried_again(receiver: Receiver) -> None:
    receiver.behaviour = says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    outcome = await outcome_of(receiver)
    assert outcome == Retry(f"http://127.0.0.1:{receiver.port} gave an answer that is not HTTP")


@pytest.mark.parametrize(
    "data",
    [
        answer(200, b"ok", Content_Length="100"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_once_it_said_yes_a_broken_body_changes_nothing(receiver: Receiver, data: bytes) -> None:
    receiver.behaviour = says(data)
    assert await outcome_of(receiver) == DONE


async def test_a_body_that_never_ends_is_not_waited_for_longer_than_the_timeout(receiver: Receiver) -> None:
    receiver.behaviour = says(answer(200, b"", Content_Length="100"), then="hang")
    assert await outcome_of(receiver, timeout_secs=0.3) == DONE


async def test_a_huge_body_is_not_read(receiver: Receiver) -> None:
    written = 0

    async def endless(request: Request, writer: asyncio.StreamWriter) -> bool:
        nonlocal written
        writer.write(answer(200, b"", Content_Length=str(10**12)))
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    receiver.behaviour = endless
    assert await outcome_of(receiver) == DONE
    # What the system's buffers hold comes on top.
    assert written < READ_MOST + 16 * 2**20


async def test_nobody_there_makes_events_wait(receiver: Receiver) -> None:
    async with runner(receiver.url) as sink:
        await receiver.stop()
        with pytest.raises(
            SinkUnavailable, match=rf"127.0.0.1:{receiver.port} cannot be reached: nothing listens"
        ):
            await sink.take(sink_event())
        await receiver.start()
        assert await sink.take(sink_event()) == [DONE]


async def test_a_host_that_swallows_connections_is_nobody_there() -> None:
    with socket.socket() as mute, contextlib.ExitStack() as stack:
        mute.bind(("127.0.0.1", 0))
        mute.listen(0)
        # The queue of those that nobody accepts is full after a few; what comes then is not answered.
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(mute.getsockname())
        target = Target.parse(f"http://127.0.0.1:{mute.getsockname()[1]}/")
        poster = Poster(target, ssl.create_default_context(), 0.5)
        with pytest.raises(SinkUnavailable, match=r"cannot be reached: no answer within 0.5 s"):
            await poster.post(b"{}", {})
        with pytest.raises(SinkUnavailable, match=r"cannot be reached: no answer within 0.5 s"):
            await poster.reach()
        await poster.close()


async def test_a_name_that_does_not_exist_is_told() -> None:
    sink = runner("http://no-such-host.invalid/hook")
    with pytest.raises(SinkUnavailable, match=r"http://no-such-host\.invalid cannot be reached: "):
        await sink.open()
    await sink.close()


async def test_a_take_that_is_cancelled_leaves_no_half_request_to_the_next(receiver: Receiver) -> None:
    async with runner(receiver.url) as sink:
        for _ in range(5):
            receiver.behaviour = says(b"", then="hang")
            receiver.arrived.clear()
            taking = asyncio.create_task(sink.take(sink_event()))
            await receiver.arrived.wait()
            taking.cancel()
            await asyncio.wait([taking])
            receiver.behaviour = answers(200)
            assert await sink.take(sink_event(seq=2)) == [DONE]
    assert all(request.line == "POST /hook HTTP/1.1" and request.json for request in receiver.requests)


# Lists, of which some events are not taken.


def refusing(*poison: int) -> Any:
    """A receiver that takes no list with one of these in it."""

    async def behave(request: Request, writer: asyncio.StreamWriter) -> bool:
        found = {event["seq"] for event in request.json}
        writer.write(answer(422 if found & set(poison) else 200))
        await writer.drain()
        return True

    return behave


async def test_of_a_refused_list_the_poison_alone_is_rejected(receiver: Receiver) -> None:
    receiver.behaviour = refusing(3, 12)
    async with runner(receiver.url, batch=20) as sink:
        outcomes = await sink.take(*sink_events(16, calls=3))
    assert [at + 1 for at, outcome in enumerate(outcomes) if isinstance(outcome, Reject)] == [3, 12]
    assert outcomes.count(DONE) == 14
    assert len(receiver.requests) <= 2 * 16 - 1


@pytest.mark.parametrize("status", [404, 405, 410])
async def test_where_no_event_can_be_to_blame_a_list_is_not_halved(receiver: Receiver, status: int) -> None:
    receiver.behaviour = answers(status)
    async with runner(receiver.url, batch=20) as sink:
        outcomes = await sink.take(*sink_events(16))
    assert {type(outcome) for outcome in outcomes} == {Reject}
    assert len(receiver.requests) == 1


async def test_after_a_failure_no_later_event_of_the_same_call_is_sent(receiver: Receiver) -> None:
    async def behave(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(answer(503 if request.json["seq"] == 2 else 200))
        await writer.drain()
        return True

    receiver.behaviour = behave
    sink = runner(receiver.url, batch=1)
    async with sink:
        # More than one at once, as nobody but a test gives it.
        outcomes = await sink.take(*sink_events(6, calls=2))
    assert [type(outcome) for outcome in outcomes] == [Done, Retry, Done, Retry, Done, Retry]
    assert [request.json["seq"] for request in receiver.requests] == [1, 2, 3, 5]


async def test_what_was_taken_before_the_receiver_went_away_is_reported(receiver: Receiver) -> None:
    async def once(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(answer(401 if len(receiver.requests) > 1 else 200))
        await writer.drain()
        return True

    receiver.behaviour = once
    async with runner(receiver.url, batch=2) as sink:
        outcomes = await sink.take(*sink_events(4, calls=4))
    assert [type(outcome) for outcome in outcomes] == [Done, Done, Retry, Retry]


async def test_a_receiver_may_answer_for_each_event(receiver: Receiver) -> None:
    events = sink_events(5, calls=5)
    results = [
        {"id": events[1].id, "outcome": "retry", "after_secs": 5, "reason": "busy\nnow"},
        {"id": events[2].id, "outcome": "reject", "reason": "unknown queue"},
        {"id": events[3].id, "outcome": "done"},
        {"id": "somebody-else-s", "outcome": "reject"},
    ]
    receiver.behaviour = answers(200, json.dumps({"results": results}).encode())
    async with runner(receiver.url, batch=10, answers="per_event") as sink:
        outcomes = await sink.take(*events)
    assert outcomes == [DONE, Retry("busy now", 5.0), Reject("unknown queue"), DONE, DONE]


async def test_what_the_receiver_took_after_one_of_its_call_that_waits_waits_with_it(
    receiver: Receiver,
) -> None:
    events = sink_events(3)
    results = [{"id": events[0].id, "outcome": "retry"}]
    receiver.behaviour = answers(200, json.dumps({"results": results}).encode())
    async with runner(receiver.url, batch=10, answers="per_event") as sink:
        assert [type(outcome) for outcome in await sink.take(*events)] == [Retry] * 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ok",
        b"[]",
        b"{}",
        b"null",
        b'{"results": 1}',
        b'{"results": [1]}',
        b'{"results": [{"id": "main-19e34a9be00-1"}]}',
        b'{"results": [{"id": "main-19e34a9be00-1", "outcome": "perhaps"}]}',
        b'{"results": [{"id": ["x"], "outcome": "done"}]}',
        b"[" * 100_000,
        b"\xff",
    ],
)
async def test_an_answer_that_is_none_is_tried_again(receiver: Receiver, body: bytes) -> None:
    receiver.behaviour = answers(200, body)
    async with runner(receiver.url, batch=10, answers="per_event") as sink:
        (outcome,) = await sink.take(sink_event())
    assert outcome == Retry(f"http://127.0.0.1:{receiver.port} did not answer for each event")


async def test_an_answer_for_each_event_that_is_too_long_or_cut_is_none(receiver: Receiver) -> None:
    async with runner(receiver.url, batch=10, answers="per_event") as sink:
        receiver.behaviour = answers(200, b'{"results": []}' + b" " * READ_MOST)
        assert isinstance((await sink.take(sink_event()))[0], Retry)
        receiver.behaviour = says(answer(200, b'{"results": []}', Content_Length="100"))
        assert isinstance((await sink.take(sink_event()))[0], Retry)


@pytest.mark.parametrize(
    ("after", "secs"), [(-1, None), ("5", None), (1e12, LONGEST_SECS), (True, None), (0, 0.0)]
)
def test_how_long_to_wait_is_bounded_there_too(after: object, secs: float | None) -> None:
    body = json.dumps({"results": [{"id": "a", "outcome": "retry", "after_secs": after}]}).encode()
    assert outcomes_of(body, ["a"]) == {"a": Retry("the receiver asked for another try", secs)}


# TLS.


async def test_a_certificate_is_checked_against_the_given_authority(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    async with Receiver(certificates) as receiver:
        async with runner(receiver.url, ca_file=str(certificates.authority)) as sink:
            assert await sink.take(sink_event()) == [DONE]
        async with runner(receiver.url, verify=False) as sink:
            assert await sink.take(sink_event()) == [DONE]
        stranger = runner(receiver.url)
        with pytest.raises(SinkUnavailable, match="its certificate was not accepted: "):
            await stranger.open()
        with pytest.raises(SinkUnavailable, match="its certificate was not accepted: "):
            await stranger.take(sink_event())
        await stranger.close()


async def test_a_server_without_tls_is_told(receiver: Receiver) -> None:
    sink = runner(receiver.url.replace("http:", "https:"), timeout_secs=0.3)
    with pytest.raises(SinkUnavailable, match="perhaps it does not speak TLS there"):
        await sink.open()
    await sink.close()


# What is misconfigured.


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "exactly one of url, url_file, url_env must be given; found none"),
        ({"url": "http://h/", "url_env": "X"}, "found url and url_env"),
        ({"url": "ftp://host/x"}, "url: the URL must be of the form https://host/path"),
        ({"url": "http:///x"}, "url: the URL must be of the form"),
        ({"url": "http://host:port/x"}, "url: the URL cannot be read"),
        ({"url": f"http://u:{SECRET}@host/"}, "url holds a password: put the URL into a file"),
        ({"url": "http://h/", "secret_env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE is not set"),
        ({"url": "http://h/", "secret_file": "none"}, "secret_file: .*none cannot be read: No such file"),
        (
            {"url": "http://h/", "secret_file": "a", "secret_env": "B"},
            "secret_file and secret_env are both given",
        ),
        ({"url": "https://h/", "ca_file": "none"}, "ca_file: .*none cannot be read"),
        ({"url": "https://h/", "ca_file": __file__}, "ca_file: .* holds no certificates"),
        ({"url": "http://h/", "answers": "both"}, "answers: must be 'status' or 'per_event'"),
        ({"url": "http://h/", "batch": 0}, "batch: must be greater than or equal to 1"),
    ],
)
def test_it_is_said_what_is_wrong(options: dict[str, Any], why: str) -> None:
    with pytest.raises(SinkMisconfigured, match=why) as caught:
        SinkRunner(WebhookSink, options)
    assert SECRET not in str(caught.value)


def test_a_login_and_a_token_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_URL", f"http://u:{SECRET}@host/")
    monkeypatch.setenv("HOOK_TOKEN", SECRET)
    with pytest.raises(SinkMisconfigured, match="url_env holds a login and token_env a token"):
        SinkRunner(WebhookSink, {"url_env": "HOOK_URL", "token_env": "HOOK_TOKEN"})
