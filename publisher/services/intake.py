"""The intake: is a claimed command what it claims to be, and may its client do that?

Everything in the queue may have been written by anybody who reaches it. So each command passes, in this
order: its size and form, its signature, its age, its fields, the policy, the protocol's own limits, its
client's rate. The first that says no makes the final reply, and nothing of it reaches the PBX.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from publisher.ami.actions import encode_action
from publisher.ami.errors import ActionRefused
from publisher.commanding.entries import QueuedCommand
from publisher.commanding.headers import action_of
from publisher.commanding.outcomes import Outcome
from publisher.commanding.policy import Judge, NotAllowed
from publisher.commanding.rates import TokenBucket
from publisher.commanding.waiting import WaitingCommand
from publisher.services.settlement import Handled
from schemas.command import (
    Command,
    check_id,
    check_ttl,
    decode_body,
    is_signed,
    signed_text,
)
from schemas.errors import CommandError
from schemas.reply import Reason, State

# How much older than its time to live a command may be, and how far from the future, by its client's clock.
# Ids are remembered for longer than both together, so that nothing can be sent again that is not known.
_CLOCK_TOLERANCE_MS: Final = 24 * 3600 * 1000

TokenOf = Callable[[str], str]
"""A client's token; empty for an unknown client."""


@dataclass(slots=True)
class Intake:
    """Judges what was claimed for one PBX."""

    pbx: str
    judge: Judge
    token_of: TokenOf
    encoding: str = "utf-8"
    _buckets: dict[str, TokenBucket] = field(default_factory=dict)

    def admit(
        self, queued: QueuedCommand, now_ms: int, monotonic: float, again: bool = False
    ) -> tuple[Handled, WaitingCommand | Outcome]:
        """What is known of the command, and the command to wait for its turn, or its final outcome.

        `again`: it was admitted before, and does not count towards its client's rate a second time.
        """
        handled = Handled(queued.id, queued.client, queued.action, queued.body, monotonic, None)
        try:
            command = self._authentic(queued, now_ms)
        except NotAllowed as error:
            return handled, rejected(Reason.UNAUTHENTICATED, error)
        except CommandError as error:
            return handled, rejected(Reason.INVALID, error)
        handled = Handled(queued.id, command.client, command.action, queued.body, monotonic, command)
        try:
            fields = self.judge.judge(command)
            ami_action, headers, ring_ms = action_of(command, fields, "")
            # What the PBX's encoding cannot say, or what is too long for its buffers, is told now.
            encode_action(ami_action, headers, command.id, self.encoding)
        except NotAllowed as error:
            return handled, rejected(Reason.NOT_ALLOWED, error)
        except CommandError as error:
            return handled, rejected(Reason.INVALID, error)
        except ActionRefused as error:
            return handled, Outcome(state=State.REJECTED, reason=Reason.INVALID, message=str(error))
        wait_secs = 0.0 if again else self._wait_secs(command.client, monotonic)
        if wait_secs:
            message = f"{command.client} sends more than its rate; the next one is taken in {wait_secs:.1f} s"
            return handled, Outcome(state=State.REJECTED, reason=Reason.RATE_LIMITED, message=message)
        # The hash is nobody's own: it may give a command less time than was signed, and not more.
        expires_ms = min(queued.expires_ms, now_ms + queued.ttl_ms)
        return handled, WaitingCommand(command, queued.body, expires_ms, fields, ring_ms, monotonic)

    def _authentic(self, queued: QueuedCommand, now_ms: int) -> Command:
        """The command, if it is its client's own. Raises `CommandError`; `NotAllowed` if it is not."""
        check_id(queued.id)
        check_ttl(queued.ttl_ms)
        if not queued.body:
            raise CommandError("", "the body is empty, or larger than the bytes that are allowed")
        body = decode_body(queued.body)
        client = body.get("client")
        token = self.token_of(client) if isinstance(client, str) else ""
        text = signed_text(self.pbx, queued.id, queued.at_ms, queued.ttl_ms, queued.body)
        # An unknown client's command is looked at as long as a known one's.
        if not is_signed(token or "nobody's", text, queued.signature) or not token:
            raise NotAllowed("signature", "is not that of a client that the policy knows")
        if body.get("id") != queued.id:
            raise NotAllowed("id", "is not the one that the command was queued under")
        age_ms = now_ms - queued.at_ms
        if not -_CLOCK_TOLERANCE_MS <= age_ms <= queued.ttl_ms + _CLOCK_TOLERANCE_MS:
            raise NotAllowed("at", "is too far from now: the command was made long ago, or a clock is wrong")
        return Command.from_map(body)

    def _wait_secs(self, client: str, monotonic: float) -> float:
        rules = self.judge.rules(client)
        assert rules is not None
        bucket = self._buckets.setdefault(client, TokenBucket(rules.rate, rules.burst))
        return 0.0 if bucket.take(monotonic) else max(0.1, bucket.wait_secs(monotonic))


def rejected(reason: Reason, error: CommandError) -> Outcome:
    """The outcome of a command that was refused; the message begins with the field."""
    return Outcome(state=State.REJECTED, reason=reason, message=str(error))
