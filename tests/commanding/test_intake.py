"""The intake: only what its client signed, for this PBX, not too long ago, and not more than its rate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from publisher.commanding.outcomes import Outcome
from publisher.commanding.waiting import WaitingCommand
from publisher.services.intake import Intake
from schemas.command import MAX_BODY_BYTES, signature, signed_text
from schemas.reply import Reason, State
from tests.commanding.generous import BOUNDLESS, NOW_MS, PBX, TOKEN, TTL_MS, intake, judge, queued
from tests.schemas.action_examples import body

PING = body("Ping", {})
CALL = body("Originate", {"Phone": "200", "Exten": "201", "Timeout": 20_000})
DAY_MS = 24 * 3600 * 1000


def outcome(one: Any, now_ms: int = NOW_MS, by: Intake | None = None) -> Outcome:
    handled, verdict = (by or intake()).admit(one, now_ms, 7.0)
    assert isinstance(verdict, Outcome), verdict
    assert (handled.id, handled.body, handled.taken_at, handled.sent) == (one.id, one.body, 7.0, False)
    assert verdict.state is State.REJECTED
    assert TOKEN not in verdict.message
    return verdict


def admitted(one: Any, now_ms: int = NOW_MS, by: Intake | None = None) -> WaitingCommand:
    handled, verdict = (by or intake()).admit(one, now_ms, 7.0)
    assert isinstance(verdict, WaitingCommand), verdict
    assert handled.command is verdict.command
    return verdict


@pytest.mark.parametrize("as_json", [False, True])
def test_a_signed_command_waits_with_what_the_policy_made_of_it(as_json: bool) -> None:
    waiting = admitted(queued(CALL, as_json=as_json))
    assert (waiting.id, waiting.ring_ms, waiting.is_call) == ("c-1", 20_000, True)
    assert waiting.expires_ms == NOW_MS + TTL_MS
    assert waiting.fields == {
        "Channel": "PJSIP/200", "Exten": "201", "Timeout": 20_000, "Context": "from-internal"
    }  # fmt: skip
    assert not admitted(queued(PING)).is_call


@pytest.mark.parametrize(
    "given_signature",
    [
        "",
        "0" * 64,
        signature("another-fake-token", signed_text(PBX, "c-1", NOW_MS, TTL_MS, queued(PING).body)),
        signature("nobody's", signed_text(PBX, "c-1", NOW_MS, TTL_MS, queued(PING).body)),
        signature("", signed_text(PBX, "c-1", NOW_MS, TTL_MS, queued(PING).body)),
        queued(PING).signature.upper(),
        f"{queued(PING).signature}\n",
        "\udcff" * 64,
        "x" * 1_000_000,
    ],
)
def test_an_unsigned_or_wrongly_signed_command_is_refused(given_signature: str) -> None:
    refused = outcome(queued(PING, signature=given_signature))
    assert (refused.reason, refused.message.partition(":")[0]) == (Reason.UNAUTHENTICATED, "signature")


@pytest.mark.parametrize("client", ["nobody", "", "CRM", "crm\n", None, 5, ["crm"], {"crm": 1}])
@pytest.mark.parametrize("token", [TOKEN, "", "nobody's"])
def test_a_client_that_nobody_knows_is_refused_whatever_it_signs_with(client: Any, token: str) -> None:
    one = queued(PING | {"client": client})
    signed = signature(token, signed_text(PBX, "c-1", NOW_MS, TTL_MS, one.body))
    assert outcome(replace(one, signature=signed)).reason is Reason.UNAUTHENTICATED


def test_a_command_for_another_pbx_is_refused_here() -> None:
    one = queued(PING)
    elsewhere = signature(TOKEN, signed_text("branch", "c-1", NOW_MS, TTL_MS, one.body))
    assert outcome(replace(one, signature=elsewhere)).reason is Reason.UNAUTHENTICATED
    other = Intake("branch", judge(), lambda client: TOKEN)
    assert outcome(one, by=other).reason is Reason.UNAUTHENTICATED


@pytest.mark.parametrize(
    "change", [{"id": "c-2"}, {"ttl_ms": TTL_MS * 2}, {"at_ms": NOW_MS + 1}, {"body": queued(CALL).body}]
)
def test_nothing_of_a_signed_command_is_changed_on_the_way(change: dict[str, Any]) -> None:
    refused = outcome(replace(queued(PING), **change))
    assert refused.reason is Reason.UNAUTHENTICATED


def test_a_command_under_another_id_than_its_own_is_refused_though_it_is_signed() -> None:
    refused = outcome(queued(PING, id="c-2"))
    assert (refused.reason, refused.message.partition(":")[0]) == (Reason.UNAUTHENTICATED, "id")


@pytest.mark.parametrize("age_ms", [-DAY_MS, 0, TTL_MS, TTL_MS + DAY_MS])
def test_a_command_may_be_as_old_as_its_time_to_live_and_a_day_or_a_day_early(age_ms: int) -> None:
    assert admitted(queued(PING), NOW_MS + age_ms)


@pytest.mark.parametrize("age_ms", [-DAY_MS - 1, TTL_MS + DAY_MS + 1, 365 * DAY_MS, -NOW_MS])
def test_an_older_command_is_not_done_again(age_ms: int) -> None:
    """Its id may be forgotten by then, and whoever has copied it could send it once more."""
    refused = outcome(queued(PING), NOW_MS + age_ms)
    assert (refused.reason, refused.message.partition(":")[0]) == (Reason.UNAUTHENTICATED, "at")


@pytest.mark.parametrize("ttl_ms", [0, 99, DAY_MS + 1])
def test_a_time_to_live_out_of_bounds_is_refused(ttl_ms: int) -> None:
    assert outcome(queued(PING, ttl_ms=ttl_ms)).reason is Reason.INVALID


@pytest.mark.parametrize("id", ["", ".", "a b", "x" * 61, "c\n1", "я", "\ufffd"])
def test_an_id_of_another_form_is_refused(id: str) -> None:
    refused = outcome(queued(PING | {"id": id}))
    assert (refused.reason, refused.message.partition(":")[0]) == (Reason.INVALID, "id")


def test_a_body_that_is_too_large_or_gone_is_refused() -> None:
    for data in (b"", b"{" + b" " * MAX_BODY_BYTES):
        assert outcome(queued(data)).reason is Reason.INVALID


def test_what_is_signed_and_wrong_is_told_by_its_field_and_what_is_not_allowed_too() -> None:
    wrong = outcome(queued(body("Hangup", {})))
    assert (wrong.reason, wrong.message) == (Reason.INVALID, "Channel: is missing; Hangup needs it")
    strict = intake(replace(BOUNDLESS, actions=frozenset()))
    assert outcome(queued(PING), by=strict).reason is Reason.NOT_ALLOWED
    far = outcome(
        queued(body("SendText", {"Channel": "SIP/200-1", "Message": "日"})), by=intake(encoding="cp1251")
    )
    assert (far.reason, "Message" in far.message) == (Reason.INVALID, True)


def test_a_wrong_signature_is_told_before_anything_else_of_the_body() -> None:
    """Whoever has no token learns nothing of forms and policies."""
    for made in (body("Hangup", {}), PING | {"v": 9}, PING | {"action": 5}):
        assert outcome(queued(made, signature="0" * 64)).reason is Reason.UNAUTHENTICATED


# Rates.


def test_a_client_beyond_its_rate_is_told_when_to_come_again() -> None:
    slow = intake(replace(BOUNDLESS, rate=2.0, burst=3))
    for number in range(3):
        admitted(queued(PING | {"id": f"a-{number}"}), by=slow)
    late = outcome(queued(PING | {"id": "a-3"}), by=slow)
    assert late.reason is Reason.RATE_LIMITED
    assert "the next one is taken in 0.5 s" in late.message
    _, later = slow.admit(queued(PING | {"id": "a-4"}), NOW_MS, 7.5)
    assert isinstance(later, WaitingCommand)


def test_what_was_admitted_before_and_what_is_refused_does_not_count() -> None:
    slow = intake(replace(BOUNDLESS, rate=1.0, burst=1))
    assert outcome(queued(body("Hangup", {})), by=slow).reason is Reason.INVALID
    assert outcome(queued(PING, signature="0" * 64), by=slow).reason is Reason.UNAUTHENTICATED
    admitted(queued(PING), by=slow)
    assert outcome(queued(PING), by=slow).reason is Reason.RATE_LIMITED
    _, again = slow.admit(queued(PING), NOW_MS, 7.0, again=True)
    assert isinstance(again, WaitingCommand)
