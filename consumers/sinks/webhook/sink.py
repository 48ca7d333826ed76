"""The sink itself: one event a request, or a list of them.

Events of a list that fails as a whole are tried in halves where one of them may be the reason. Bounds: a
request has `batch` events and `batch_bytes` bytes at most (one event may have more); n events make 2n - 1
requests at most; an answer is read as `consumers.sinks.webhook.driver` says.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import DONE, Outcome, Reject, Retry, SinkContext, SinkEvent, SinkOptions
from consumers.sinks.secrets import secret_source, url_source
from consumers.sinks.tls import tls_context
from consumers.sinks.verdicts import Verdicts
from consumers.sinks.webhook.answers import Meaning, meaning, outcomes_of, unavailable_sentence
from consumers.sinks.webhook.driver import Answer, NoAnswer, Poster, Target
from consumers.sinks.webhook.options import WebhookOptions
from consumers.sinks.webhook.retry_after import retry_after_secs
from consumers.sinks.webhook.signature import (
    IDEMPOTENCY_KEY,
    SIGNATURE,
    TIMESTAMP,
    idempotency_key,
    signature,
)
from schemas.codecs import json_body
from schemas.errors import EncodeError


class WebhookSink:
    """See the module."""

    Options: ClassVar[type[SinkOptions]] = WebhookOptions
    most_events: ClassVar[int] = 1000

    def __init__(self, options: WebhookOptions, context: SinkContext) -> None:
        self._options = options
        self._url = url_source(options, context)
        self._secret_from = secret_source(options, "secret", context)
        self._token_from = secret_source(options, "token", context)
        try:
            self._target = Target.parse(self._url.read())
        except ValueError as error:
            raise SinkMisconfigured(f"{self._url.key}: {error}") from error
        if self._token_from and self._target.holds_login:
            raise SinkMisconfigured(
                f"{self._url.key} holds a login and {self._token_from.key} a token: one of them"
            )
        self._tls = tls_context(options.verify, options.ca_file, context)
        self._secret = self._token = ""
        self._poster: Poster | None = None

    async def open(self) -> None:
        try:
            self._target = Target.parse(self._url.read())
        except ValueError as error:
            raise SinkUnavailable(f"{self._url.key}: {error}") from error
        self._secret = self._secret_from.read() if self._secret_from else ""
        self._token = self._token_from.read() if self._token_from else ""
        self._poster = Poster(self._target, self._tls, self._options.timeout_secs)
        await self._poster.reach()

    async def close(self) -> None:
        poster, self._poster = self._poster, None
        if poster is not None:
            await poster.close()

    async def take(self, events: Sequence[SinkEvent]) -> Sequence[Outcome]:
        verdicts = Verdicts(events)
        bodies: dict[int, bytes] = {}
        for place, event in enumerate(events):
            try:
                bodies[place] = json_body(event.event.to_map())
            except EncodeError as error:
                verdicts.put([place], Reject(str(error)))
        try:
            for places in self._requests(bodies):
                await self._send(events, bodies, verdicts, places)
        except SinkUnavailable as error:
            return verdicts.unavailable(error)
        return verdicts.all()

    def _requests(self, bodies: dict[int, bytes]) -> Iterator[list[int]]:
        """The places whose events go together."""
        together: list[int] = []
        size = 0
        for place, body in bodies.items():
            full = len(together) >= self._options.batch or size + len(body) > self._options.batch_bytes
            if together and full:
                yield together
                together, size = [], 0
            together.append(place)
            size += len(body) + 1
        if together:
            yield together

    async def _send(
        self, events: Sequence[SinkEvent], bodies: dict[int, bytes], verdicts: Verdicts, places: list[int]
    ) -> None:
        places = verdicts.those_that_may_go(places)
        if not places:
            return
        try:
            answer = await self._post([events[at].id for at in places], [bodies[at] for at in places])
        except NoAnswer as error:
            verdicts.put(places, Retry(str(error)))
            return
        said = f"{self._target.shown} answered {answer.status}"
        match meaning(answer.status):
            case Meaning.TAKEN:
                self._taken(events, verdicts, places, answer)
            case Meaning.LATER:
                verdicts.put(places, Retry(said, retry_after_secs(answer.retry_after, datetime.now(UTC))))
            case Meaning.UNAVAILABLE:
                raise SinkUnavailable(unavailable_sentence(self._target.shown, answer.status))
            case Meaning.REJECTED_SOME if len(places) > 1:
                middle = len(places) // 2
                await self._send(events, bodies, verdicts, places[:middle])
                await self._send(events, bodies, verdicts, places[middle:])
            case _:
                verdicts.put(places, Reject(said))

    def _taken(
        self, events: Sequence[SinkEvent], verdicts: Verdicts, places: list[int], answer: Answer
    ) -> None:
        if self._options.answers == "status" or self._options.batch == 1:
            verdicts.put(places, DONE)
            return
        outcomes = outcomes_of(answer.body, {events[at].id for at in places})
        if outcomes is None:
            verdicts.put(places, Retry(f"{self._target.shown} did not answer for each event"))
            return
        for place in places:
            if verdicts.may_go(place):
                verdicts.put([place], outcomes.get(events[place].id, DONE))

    async def _post(self, ids: list[str], bodies: list[bytes]) -> Answer:
        if self._poster is None:
            raise SinkUnavailable(f"{self._target.shown}: the sink is not open")
        listed = self._options.batch > 1
        body = b"[" + b",".join(bodies) + b"]" if listed else bodies[0]
        headers = {"Content-Type": "application/json", IDEMPOTENCY_KEY: idempotency_key(ids, listed)}
        if self._secret:
            headers[TIMESTAMP] = str(int(time.time()))
            headers[SIGNATURE] = signature(self._secret, headers[TIMESTAMP], body)
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return await self._poster.post(body, headers)
